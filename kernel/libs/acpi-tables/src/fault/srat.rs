//! Faults of an SRAT's CPUs and devices.
use core::fmt;

use units::{ApicId, NodeId, ProximityDomain};

use crate::{Action, Rule};

/// A fault of an SRAT's CPUs and devices, or of the SRAT as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum SratFault {
    DeviceHandle { kind: u8 },
    DomainWide { written: ProximityDomain, used: ProximityDomain },
    CpuInTwoDomains { apic_id: ApicId, used: ProximityDomain, other: ProximityDomain },
    CpuUnknown { apic_id: ApicId, domain: ProximityDomain },
    CpuOffset { written: ApicId, used: ApicId },
    CpuMissing { apic_id: ApicId, node: NodeId, neighbour: Option<ApicId> },
    Empty,
}

impl SratFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Refused, Repaired};
        match self {
            Self::DeviceHandle { .. } => (Rule::SratDeviceHandle, Repaired),
            Self::DomainWide { .. } => (Rule::SratDomainWide, Repaired),
            Self::CpuInTwoDomains { .. } => (Rule::SratCpuDuplicate, Dropped),
            Self::CpuUnknown { .. } => (Rule::SratCpuUnknown, Dropped),
            Self::CpuOffset { .. } => (Rule::SratCpuOffset, Repaired),
            Self::CpuMissing { .. } => (Rule::SratCpuMissing, Repaired),
            Self::Empty => (Rule::SratEmpty, Refused),
        }
    }
}

impl fmt::Display for SratFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DeviceHandle { kind } => {
                write!(
                    out,
                    "device handle type {kind} does not exist; the device's domain is used without a handle"
                )
            }
            Self::DomainWide { written, used } => {
                write!(
                    out,
                    "domain {written} is too large for this revision's 8-bit domains; domain {used} is used"
                )
            }
            Self::CpuInTwoDomains { apic_id, used, other } => {
                write!(out, "APIC {:#x} is in domains {used} and {other}; domain {used} is used", apic_id.0)
            }
            Self::CpuUnknown { apic_id, domain } => {
                write!(out, "APIC {:#x} of domain {domain} is not one of the machine's CPUs", apic_id.0)
            }
            Self::CpuOffset { written, used } => {
                write!(
                    out,
                    "the APIC ids from {:#x} on are those of the MADT from {:#x} on; CPUs are placed by this difference",
                    written.0, used.0
                )
            }
            Self::CpuMissing { apic_id, node, neighbour: Some(neighbour) } => {
                write!(
                    out,
                    "APIC {:#x} is in no domain; it goes to node {node}, next to APIC {:#x}",
                    apic_id.0, neighbour.0
                )
            }
            Self::CpuMissing { apic_id, node, neighbour: None } => {
                write!(
                    out,
                    "APIC {:#x} is in no domain, and neither is any other; it goes to node {node}",
                    apic_id.0
                )
            }
            Self::Empty => {
                write!(out, "the table has no usable entry; the machine is treated as one node")
            }
        }
    }
}
