//! The machine's CPUs in the MADT's order, and the domain that the SRAT gives to each of them.
use acpi_tables::{
    Fault, Finding, Findings, LimitFault, Madt, MadtCpu, MadtFault, Signature, Srat, SratCpu, SratEntry,
    SratFault,
};
use arrayvec::ArrayVec;
use units::{ApicId, CpuId, NodeId, ProximityDomain};

use crate::fake::node_of_cpu;
use crate::smallest::Smallest;
use crate::{Cpu, Inputs, MAX_CPUS, Node};

/// The CPUs ordered by id, and their ids ordered by APIC id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cpus {
    list: ArrayVec<Cpu, MAX_CPUS>,
    by_apic_id: ArrayVec<u16, MAX_CPUS>,
}

const _: () = assert!(MAX_CPUS <= 1 << 16, "by_apic_id holds 16-bit indices");

/// The reason why a CPU was not added.
enum Refusal {
    Duplicate,
    Full,
}

impl Cpus {
    pub const EMPTY: Self = Self { list: ArrayVec::new_const(), by_apic_id: ArrayVec::new_const() };

    pub fn as_slice(&self) -> &[Cpu] {
        &self.list
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Cpu> {
        self.list.iter_mut()
    }

    /// Returns the CPU with this APIC id.
    pub fn find(&self, apic_id: ApicId) -> Option<&Cpu> {
        let place = self.place(apic_id).ok()?;
        self.list.get(usize::from(self.by_apic_id[place]))
    }

    /// Replaces the list by the machine's CPUs, all on node 0, and adds the CPUs that are not in the list to `absent`.
    pub fn read(&mut self, inputs: &Inputs<'_>, absent: &mut AbsentCpus, findings: &mut dyn Findings) {
        self.list.clear();
        self.by_apic_id.clear();
        if let Some(madt) = &inputs.madt {
            self.read_madt(madt, inputs, absent, findings);
        }
        match (inputs.boot_cpu, &inputs.madt, &inputs.srat) {
            (Some(boot_cpu), madt, _) => self.ensure_boot_cpu(boot_cpu, madt.is_some(), absent, findings),
            (None, None, Some(srat)) => self.read_srat(srat, findings),
            _ => {}
        }
    }

    fn read_madt(
        &mut self,
        madt: &Madt<'_>,
        inputs: &Inputs<'_>,
        absent: &mut AbsentCpus,
        findings: &mut dyn Findings,
    ) {
        let has_local_apics = madt.has_local_apics();
        let mut reader = madt.reader();
        while let Some(cpu) = reader.next(findings) {
            let apic_id = cpu.apic_id;
            if !cpu.enabled {
                absent.offer(apic_id);
                continue;
            }
            if let Err(fault) = self.add_listed(cpu, inputs, has_local_apics) {
                if self.place(apic_id).is_err() && !cpu.is_broadcast() {
                    absent.offer(apic_id);
                }
                findings.report(Finding::new(Signature::MADT, cpu.offset, fault));
            }
        }
    }

    /// Appends an enabled CPU of the MADT, or returns the reason why it is no CPU.
    fn add_listed(&mut self, cpu: MadtCpu, inputs: &Inputs<'_>, has_local_apics: bool) -> Result<(), Fault> {
        let MadtCpu { apic_id, .. } = cpu;
        let (mode, highest) = (inputs.apic_mode.name(), inputs.apic_mode.highest_id());
        if cpu.is_broadcast() {
            return Err(MadtFault::Broadcast { apic_id }.into());
        }
        // The boot CPU runs this code, so its id is right whatever it is.
        if apic_id > highest && inputs.boot_cpu != Some(apic_id) {
            return Err(MadtFault::Unaddressable { apic_id, mode, highest }.into());
        }
        if cpu.x2apic && apic_id.0 < 0xff && has_local_apics && self.place(apic_id).is_err() {
            return Err(MadtFault::BesideLocalApics { apic_id }.into());
        }
        self.add(apic_id, Some(cpu.acpi_processor_uid)).map_err(|refusal| match refusal {
            Refusal::Duplicate => MadtFault::Duplicate { apic_id }.into(),
            Refusal::Full => LimitFault::Cpus { apic_id, limit: MAX_CPUS }.into(),
        })
    }

    /// Adds the boot CPU if the tables do not list it: it runs this code, so it exists.
    fn ensure_boot_cpu(
        &mut self,
        apic_id: ApicId,
        has_madt: bool,
        absent: &mut AbsentCpus,
        findings: &mut dyn Findings,
    ) {
        if self.place(apic_id).is_ok() {
            return;
        }
        if has_madt {
            findings.report(Finding::new(Signature::MADT, 0, MadtFault::BootCpuMissing { apic_id }));
        }
        if self.list.is_full() {
            let last = MAX_CPUS - 1;
            if let Some(cpu) = self.list.pop() {
                absent.offer(cpu.apic_id);
            }
            self.by_apic_id.retain(|&mut index| usize::from(index) != last);
        }
        // Cannot fail: the list has room, and the APIC id is new.
        let _ = self.add(apic_id, None);
    }

    /// Adds the CPUs that the SRAT names, in the order of APIC ids. Of too many CPUs, the lowest ids stay.
    fn read_srat(&mut self, srat: &Srat<'_>, findings: &mut dyn Findings) {
        // The later pass for the domains reports the table's faults.
        let mut ignore = |_: Finding| {};
        let mut is_full = false;
        for SratCpu { apic_id, .. } in enabled(srat, &mut ignore) {
            if let Err(Refusal::Full) = self.add(apic_id, None) {
                is_full = true;
                self.replace_highest(apic_id);
            }
        }
        for SratCpu { apic_id, offset, .. } in enabled(srat, &mut ignore).take_while(|_| is_full) {
            if self.place(apic_id).is_err() {
                let fault = LimitFault::Cpus { apic_id, limit: MAX_CPUS };
                findings.report(Finding::new(Signature::SRAT, offset, fault));
            }
        }
        self.list.sort_unstable_by_key(|cpu| cpu.apic_id);
        for (index, (cpu, place)) in self.list.iter_mut().zip(&mut self.by_apic_id).enumerate() {
            cpu.id = CpuId(index as u32);
            *place = index as u16;
        }
    }

    /// Replaces the CPU with the highest APIC id by a CPU with this APIC id, if this one is lower and new.
    fn replace_highest(&mut self, apic_id: ApicId) {
        let (Err(place), Some(&highest)) = (self.place(apic_id), self.by_apic_id.last()) else { return };
        if place < self.by_apic_id.len() {
            self.by_apic_id.pop();
            self.list[usize::from(highest)].apic_id = apic_id;
            self.by_apic_id.insert(place, highest);
        }
    }

    /// Appends a CPU on node 0.
    fn add(&mut self, apic_id: ApicId, acpi_processor_uid: Option<u32>) -> Result<(), Refusal> {
        let Err(place) = self.place(apic_id) else { return Err(Refusal::Duplicate) };
        let index = self.list.len();
        let cpu = Cpu { id: CpuId(index as u32), apic_id, acpi_processor_uid, node: NodeId::ZERO };
        self.list.try_push(cpu).map_err(|_| Refusal::Full)?;
        self.by_apic_id.insert(place, index as u16);
        Ok(())
    }

    /// Returns the position of the APIC id in `by_apic_id`, or as an error the position at which to insert it.
    fn place(&self, apic_id: ApicId) -> Result<usize, usize> {
        self.by_apic_id.binary_search_by_key(&apic_id, |&index| self.list[usize::from(index)].apic_id)
    }

    /// Distributes the CPUs over these nodes, in blocks of neighbouring APIC ids.
    pub fn distribute(&mut self, nodes: &[Node]) {
        for (place, index) in self.by_apic_id.iter().enumerate() {
            self.list[usize::from(*index)].node =
                nodes[node_of_cpu(place, self.by_apic_id.len(), nodes.len())].id;
        }
    }

    /// Puts each CPU without a domain on the node of the CPU with the next lower APIC id that has a domain.
    ///
    /// If there is none, the next higher APIC id decides, and if no CPU has a domain, node 0. APIC ids number threads
    /// within cores within packages, so neighbours usually share a package.
    pub fn place_unlisted(&mut self, cpu_domains: &CpuDomains, findings: &mut dyn Findings) {
        let has_domain = |index: &&u16| cpu_domains.of(usize::from(**index)).is_some();
        let mut neighbour =
            self.by_apic_id.iter().find(has_domain).map(|&index| self.list[usize::from(index)]);
        for index in &self.by_apic_id {
            let cpu = &mut self.list[usize::from(*index)];
            if cpu_domains.of(usize::from(*index)).is_some() {
                neighbour = Some(*cpu);
                continue;
            }
            cpu.node = neighbour.map_or(NodeId::ZERO, |neighbour| neighbour.node);
            let neighbour = neighbour.map(|neighbour| neighbour.apic_id);
            let fault = SratFault::CpuMissing { apic_id: cpu.apic_id, node: cpu.node, neighbour };
            findings.report(Finding::new(Signature::SRAT, 0, fault));
        }
    }
}

/// Returns the CPUs of the SRAT's enabled entries, in its order.
pub fn enabled(srat: &Srat<'_>, findings: &mut dyn Findings) -> impl Iterator<Item = SratCpu> {
    srat.entries(findings).filter_map(|entry| match entry {
        SratEntry::Cpu(cpu) if cpu.enabled => Some(cpu),
        _ => None,
    })
}

/// The APIC ids of CPUs that the MADT lists but [`Cpus`] does not: CPUs that are not enabled, and those beyond the limit.
/// Of too many ids, the lowest stay.
pub type AbsentCpus = Smallest<ApicId, MAX_CPUS>;

/// A CPU's domain according to the SRAT.
#[derive(Clone, Copy)]
pub struct CpuDomain {
    pub domain: ProximityDomain,
    /// The offset of the SRAT's entry.
    pub offset: u32,
}

/// Each CPU's domain, ordered by CPU id.
pub struct CpuDomains(ArrayVec<Option<CpuDomain>, MAX_CPUS>);

impl CpuDomains {
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// Clears the domains of these CPUs. This happens in place, because a move would copy the whole array.
    pub fn clear_for(&mut self, cpus: &Cpus) {
        self.0.clear();
        self.0.extend(cpus.list.iter().map(|_| None));
    }

    pub fn of(&self, index: usize) -> Option<CpuDomain> {
        self.0.get(index).copied().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Option<CpuDomain>> {
        self.0.iter_mut()
    }

    /// Takes the domain of an enabled SRAT entry.
    ///
    /// Of two domains for one CPU, the lower is used, so that the result does not depend on the order of the entries.
    pub fn take(&mut self, entry: SratCpu, cpus: &Cpus, others: OtherCpus<'_>, findings: &mut dyn Findings) {
        let SratCpu { apic_id, domain, offset, .. } = entry;
        let known = cpus.find(apic_id).and_then(|cpu| self.0.get_mut(cpu.id.index()));
        let Some(current) = known else {
            if others.do_not_contain(apic_id) {
                findings.report(Finding::new(
                    Signature::SRAT,
                    offset,
                    SratFault::CpuUnknown { apic_id, domain },
                ));
            }
            return;
        };
        let new = CpuDomain { domain, offset };
        match *current {
            None => *current = Some(new),
            Some(old) if old.domain == domain => {}
            Some(old) => {
                let (used, dropped) = if old.domain < domain { (old, new) } else { (new, old) };
                *current = Some(used);
                let fault = SratFault::CpuInTwoDomains { apic_id, used: used.domain, other: dropped.domain };
                findings.report(Finding::new(Signature::SRAT, dropped.offset, fault));
            }
        }
    }
}

/// What the MADT says about CPUs that are not in [`Cpus`].
#[derive(Clone, Copy)]
pub struct OtherCpus<'a> {
    /// The CPUs that it lists.
    pub absent: &'a AbsentCpus,
    /// True if there is a MADT. Without one, any CPU may exist.
    pub all_known: bool,
}

impl OtherCpus<'_> {
    /// Returns true if the machine certainly has no such CPU.
    fn do_not_contain(self, apic_id: ApicId) -> bool {
        self.all_known && !self.absent.may_have(apic_id)
    }
}
