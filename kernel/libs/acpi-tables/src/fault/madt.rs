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
    Unaddressable { apic_id: ApicId, mode: &'static str, highest: ApicId },
    BesideLocalApics { apic_id: ApicId },
    Duplicate { apic_id: ApicId },
    BootCpuMissing { apic_id: ApicId },
}

impl MadtFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        match self {
            Self::Broadcast { .. } | Self::Unaddressable { .. } => (Rule::MadtCpuApicId, Dropped),
            Self::BesideLocalApics { .. } => (Rule::MadtCpuX2Apic, Dropped),
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
            Self::Unaddressable { apic_id, mode, highest } => {
                write!(
                    out,
                    "APIC {:#x} cannot be addressed: in {mode} mode the highest id is {:#x}; the entry is skipped",
                    apic_id.0, highest.0
                )
            }
            Self::BesideLocalApics { apic_id } => {
                write!(
                    out,
                    "an x2APIC entry has id {:#x}, but the local APICs list all ids below 0xff; the entry is skipped",
                    apic_id.0
                )
            }
            Self::Duplicate { apic_id } => {
                write!(out, "APIC {:#x} is listed twice; the first entry is used", apic_id.0)
            }
            Self::BootCpuMissing { apic_id } => {
                write!(out, "APIC {:#x}, the boot CPU, is not among the enabled CPUs; it is added", apic_id.0)
            }
        }
    }
}
