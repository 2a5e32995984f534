//! Faults of a MADT's CPUs.
use core::fmt;

use units::ApicId;

use crate::{Action, Rule};

/// A fault of a MADT's CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum MadtFault {
    Broadcast { apic_id: ApicId },
    Duplicate { apic_id: ApicId },
    BootCpuMissing { apic_id: ApicId },
}

impl MadtFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        match self {
            Self::Broadcast { .. } => (Rule::MadtCpuApicId, Dropped),
            Self::Duplicate { .. } => (Rule::MadtCpuDuplicate, Dropped),
            Self::BootCpuMissing { .. } => (Rule::MadtCpuBoot, Repaired),
        }
    }
}

impl fmt::Display for MadtFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Broadcast { apic_id } => {
                write!(out, "APIC id {:#x} addresses all CPUs, not one; the entry is skipped", apic_id.0)
            }
            Self::Duplicate { apic_id } => {
                write!(out, "APIC {apic_id} is listed twice; the first entry is used")
            }
            Self::BootCpuMissing { apic_id } => {
                write!(out, "APIC {apic_id}, the boot CPU, is not among the enabled CPUs; it is added")
            }
        }
    }
}
