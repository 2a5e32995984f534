//! What a topology is built from.
use acpi_tables::{Madt, Slit, Srat};
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
    /// What the memory map shows as RAM, to the byte: ascending, apart and merged. Empty where there is no map; then
    /// memory is what the SRAT says.
    pub ram: &'a [PhysRange],
    /// The CPU that this runs on; `None` where the machine is another one. Without it and without a MADT, the CPUs are
    /// the SRAT's.
    pub boot_cpu: Option<ApicId>,
    /// What to make of it.
    pub numa: NumaMode,
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
