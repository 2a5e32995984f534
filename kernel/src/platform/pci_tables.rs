//! Reads where firmware's tables say that the configuration space of PCI is, early: the kernel's own page tables do not map
//! firmware's tables.
use super::findings::reporter;
use acpi_tables::{Mcfg, McfgRange, find_mcfg};
use arrayvec::ArrayVec;
use spin::Once;

/// The ranges of buses.
type Ranges = ArrayVec<McfgRange, { Mcfg::MAX_ENTRIES }>;

static RANGES: Once<Ranges> = Once::new();

/// Reads the table, and reports what is wrong with it.
pub fn init(tables: &[&'static [u8]]) {
    RANGES.call_once(|| {
        let mut findings = reporter();
        let mcfg = find_mcfg(tables.iter().copied(), &mut findings);
        // The table gives no more ranges than there is room for.
        let ranges =
            mcfg.into_iter().flat_map(|mcfg| mcfg.ranges(&mut findings).collect::<Ranges>()).collect();
        findings.finish();
        ranges
    });
}

/// Returns the ranges of buses whose configuration space is in memory. No bus is in two of them.
pub fn mcfg_ranges() -> &'static [McfgRange] {
    RANGES.get().map_or(&[], |ranges| ranges)
}
