//! Reads what firmware's tables say about PCI, early: the kernel's own page tables do not map firmware's tables.
//!
//! The MCFG says where configuration space is, and AML which host bridges there are.
use super::findings::reporter;
use crate::arch;
use acpi_tables::{Mcfg, McfgRange, find_mcfg};
use aml_names::Device;
use arrayvec::ArrayVec;
use device_nodes::{HostBridges, MAX_PIN_TABLES, MAX_PLACES};
use memory_map::MemoryMap;
use spin::Once;
use topology::NumaTopology;
use units::PhysRange;

/// The ranges of buses.
type Ranges = ArrayVec<McfgRange, { Mcfg::MAX_ENTRIES }>;

/// What AML says, and how long it took to read it.
struct Aml {
    bridges: HostBridges,
    ticks: u64,
}

static RANGES: Once<Ranges> = Once::new();
/// All memory that the memory map lists, whatever it is.
static LISTED: Once<memory_map::Ranges> = Once::new();
static AML: Once<Aml> = Once::new();

/// Reads the tables, and reports what is wrong with them. Keeps which memory the memory map lists.
pub fn init(tables: &[&'static [u8]], topology: &NumaTopology, map: &MemoryMap) {
    LISTED.call_once(|| map.known.clone());
    RANGES.call_once(|| read_mcfg(tables));
    AML.call_once(|| {
        let start = arch::ticks();
        let bridges = read_bridges(tables, topology);
        Aml { bridges, ticks: arch::ticks() - start }
    });
}

/// Returns the ranges of buses whose configuration space is in memory. No bus is in two of them.
pub fn mcfg_ranges() -> &'static [McfgRange] {
    RANGES.get().map_or(&[], |ranges| ranges)
}

/// Returns all memory that the memory map lists, or `None` if it lists more than is kept.
pub fn listed_memory() -> Option<&'static [PhysRange]> {
    LISTED.get().filter(|listed| !listed.is_full()).map(|listed| &listed[..])
}

/// Returns the host bridges.
///
/// # Panics
/// Before [`init`].
pub fn host_bridges() -> &'static HostBridges {
    &AML.get().expect("the boot reads the tables before it looks for devices").bridges
}

/// Returns the ticks that it took to read AML.
pub fn aml_ticks() -> Option<u64> {
    AML.get().map(|aml| aml.ticks)
}

fn read_mcfg(tables: &[&'static [u8]]) -> Ranges {
    let mut findings = reporter();
    let mcfg = find_mcfg(tables.iter().copied(), &mut findings);
    // The table gives no more ranges than there is room for.
    let ranges = mcfg.into_iter().flat_map(|mcfg| mcfg.ranges(&mut findings).collect::<Ranges>()).collect();
    findings.finish();
    ranges
}

/// Reads AML. What it says of devices is some 96 KiB meanwhile, on the stack.
#[inline(never)]
fn read_bridges(tables: &[&'static [u8]], topology: &NumaTopology) -> HostBridges {
    let mut findings = reporter();
    let mut storage = [Device::EMPTY; MAX_PLACES + MAX_PIN_TABLES];
    let bridges = HostBridges::read(tables.iter().copied(), &mut storage, topology, &mut findings);
    findings.finish();
    bridges
}
