//! What a topology is built from.
use acpi_tables::{
    Findings, Hmat, Madt, Msct, Slit, Srat, find_hmat, find_madt, find_msct, find_slit, find_srat,
};
use units::{ApicId, PhysRange};

use crate::FakeNodes;

/// All that is known of the machine. Whatever is left out is done without.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// Which CPUs and which memory belong to which domain. Without it the machine is one node.
    pub srat: Option<Srat<'a>>,
    /// Distances between domains. Without it they are 10 and 20.
    pub slit: Option<Slit<'a>>,
    /// The CPUs. Without it there is the boot CPU alone.
    pub madt: Option<Madt<'a>>,
    /// Latency and bandwidth. Without it there are none.
    pub hmat: Option<Hmat<'a>>,
    /// How many domains there can ever be, which changes nothing.
    pub msct: Option<Msct<'a>>,
    /// What the memory map shows as RAM, to the byte: ascending, apart and merged. Empty where there is no map; then
    /// memory is what the SRAT says.
    pub ram: &'a [PhysRange],
    /// The CPU that this runs on; `None` where the machine is another one. Without it and without a MADT, the CPUs are
    /// the SRAT's.
    pub boot_cpu: Option<ApicId>,
    /// What to make of it.
    pub numa: NumaMode,
}

impl<'a> Inputs<'a> {
    /// All that these tables say, of a machine of which nothing else is known. `tables` are the raw bytes of any tables,
    /// each slice as long as could be mapped.
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

/// What the kernel was asked to make of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NumaMode {
    /// Nodes as firmware describes them.
    #[default]
    FromFirmware,
    /// One node, whatever firmware says.
    Off,
    /// So many nodes, whatever firmware says.
    Fake(FakeNodes),
}
