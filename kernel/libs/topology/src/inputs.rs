//! The inputs from which a topology is built.
use acpi_tables::{
    Findings, Hmat, Madt, Msct, Slit, Srat, find_hmat, find_madt, find_msct, find_slit, find_srat,
};
use units::{ApicId, PhysRange};

use crate::FakeNodes;

/// Everything that is known about the machine. Each part may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// The domains of CPUs and memory. Without an SRAT, the machine is one node.
    pub srat: Option<Srat<'a>>,
    /// The distances between domains. Without a SLIT, they are 10 and 20.
    pub slit: Option<Slit<'a>>,
    /// The CPUs. Without a MADT, the boot CPU is the only CPU.
    pub madt: Option<Madt<'a>>,
    /// Latency and bandwidth.
    pub hmat: Option<Hmat<'a>>,
    /// The machine's highest numbers, which do not influence anything else.
    pub msct: Option<Msct<'a>>,
    /// The RAM in the memory map, to the byte, in ascending order, without overlaps and with adjacent ranges merged. Empty
    /// if there is no map: then the memory is what the SRAT lists.
    pub ram: &'a [PhysRange],
    /// All memory that the memory map lists, whatever its use, in ascending order, without overlaps and with adjacent ranges
    /// merged. Empty if only the RAM is known.
    pub known: &'a [PhysRange],
    /// The CPU that runs this code, or `None` if the tables are another machine's. Without a boot CPU and a MADT, the CPUs
    /// are those of the SRAT.
    pub boot_cpu: Option<ApicId>,
    /// The mode of the APICs, which limits the ids of CPUs. x2APIC, which has more ids, if the mode is unknown.
    pub apic_mode: ApicMode,
    /// How the nodes are chosen.
    pub numa: NumaMode,
}

impl<'a> Inputs<'a> {
    /// Creates the inputs for a machine of which only tables are known.
    ///
    /// `tables` are the raw bytes of any tables. Each slice contains all bytes that can be read.
    #[must_use]
    pub fn from_tables<T>(tables: T, findings: &mut dyn Findings) -> Self
    where
        T: IntoIterator<Item = &'a [u8]> + Clone,
    {
        Self {
            srat: find_srat(tables.clone(), findings),
            slit: find_slit(tables.clone(), findings),
            madt: find_madt(tables.clone(), findings),
            hmat: find_hmat(tables.clone(), findings),
            msct: find_msct(tables, findings),
            ..Self::default()
        }
    }
}

/// The mode of a machine's local APICs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ApicMode {
    /// A message addresses 8 bits of an APIC id (Intel SDM vol. 3 §11.6.2).
    XApic,
    /// A message addresses 32 bits of an APIC id (Intel SDM vol. 3 §11.12.9).
    #[default]
    X2Apic,
}

impl ApicMode {
    /// Returns the highest id that one APIC can have. Higher ids address several APICs or none.
    ///
    /// x2APIC mode has room for 2²⁰ - 16 CPUs, because a logical id has 16 bits for the cluster and 4 for the CPU in it
    /// (Intel SDM vol. 3 §11.12.10.2).
    #[must_use]
    pub const fn highest_id(self) -> ApicId {
        match self {
            Self::XApic => ApicId(0xfe),
            Self::X2Apic => ApicId((1 << 20) - 16 - 1),
        }
    }

    /// Returns the mode's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XApic => "xAPIC",
            Self::X2Apic => "x2APIC",
        }
    }
}

/// How the nodes are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NumaMode {
    /// The nodes that firmware describes.
    #[default]
    FromFirmware,
    /// One node, without regard to firmware.
    Off,
    /// Fake nodes, without regard to firmware.
    Fake(FakeNodes),
}
