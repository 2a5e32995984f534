//! Finds SRATs whose APIC ids differ from the MADT's by a constant.
use acpi_tables::{Finding, Findings, Signature, Srat, SratCpu, SratFault};
use units::ApicId;

use crate::MAX_CPUS;
use crate::cpus::{AbsentCpus, Cpus, enabled};

/// The lowest number of CPUs that shows a constant difference.
const MIN_CPUS: usize = 2;

/// The number that is subtracted from each of the SRAT's APIC ids. Negative numbers wrap around.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ApicOffset(u32);

impl ApicOffset {
    /// Returns the offset of the SRAT's APIC ids and reports it if it is not 0.
    ///
    /// There is an offset if the MADT does not list an id of the SRAT, but lists all of them less a constant, and if these
    /// are all of the machine's CPUs.
    pub fn find(srat: &Srat<'_>, cpus: &Cpus, absent: &AbsentCpus, findings: &mut dyn Findings) -> Self {
        let mut ignore = |_: Finding| {};
        let knows = |apic_id| cpus.find(apic_id).is_some() || absent.may_have(apic_id);
        let Some(lowest) = enabled(srat, &mut ignore).min_by_key(|cpu| cpu.apic_id) else {
            return Self::default();
        };
        if cpus.as_slice().len() < MIN_CPUS || enabled(srat, &mut ignore).all(|cpu| knows(cpu.apic_id)) {
            return Self::default();
        }
        // The lowest id of the SRAT is that of the lowest CPU, or of the lowest empty slot.
        let present = cpus.as_slice().iter().map(|cpu| cpu.apic_id).min();
        let slot = present.min(absent.items().first().copied()).or(present);
        for first in [present, slot].into_iter().flatten() {
            let offset = Self(lowest.apic_id.0.wrapping_sub(first.0));
            if offset.matches(srat, cpus, &knows) {
                let SratCpu { apic_id, offset: place, .. } = lowest;
                let fault = SratFault::CpuOffset { written: apic_id, used: offset.apply(apic_id) };
                findings.report(Finding::new(Signature::SRAT, place, fault));
                return offset;
            }
        }
        Self::default()
    }

    /// Returns the id of the MADT for an id of the SRAT.
    pub const fn apply(self, apic_id: ApicId) -> ApicId {
        ApicId(apic_id.0.wrapping_sub(self.0))
    }

    /// Returns true if the MADT knows all ids of the SRAT less this offset, and if these are all CPUs.
    fn matches(self, srat: &Srat<'_>, cpus: &Cpus, knows: &dyn Fn(ApicId) -> bool) -> bool {
        let mut is_named = [false; MAX_CPUS];
        for cpu in enabled(srat, &mut |_: Finding| {}) {
            let apic_id = self.apply(cpu.apic_id);
            if !knows(apic_id) {
                return false;
            }
            if let Some(cpu) = cpus.find(apic_id) {
                is_named[cpu.id.index()] = true;
            }
        }
        cpus.as_slice().iter().all(|cpu| is_named[cpu.id.index()])
    }
}
