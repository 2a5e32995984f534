//! Reads which clocks firmware's tables describe, early: the kernel's own page tables do not map firmware's tables.
use super::findings::reporter;
use acpi_tables::{PmTimer, find_hpet, find_pm_timer};
use spin::Once;
use units::PhysAddr;

/// The clocks that firmware's tables describe.
#[derive(Clone, Copy)]
pub struct ClockTables {
    /// The address of the HPET's registers.
    pub hpet: Option<PhysAddr>,
    /// The port and the size of the PM timer.
    pub pm_timer: Option<PmTimer>,
}

static TABLES: Once<ClockTables> = Once::new();

/// Reads the tables, and reports what is wrong with them.
pub fn init(tables: &[&'static [u8]]) {
    TABLES.call_once(|| {
        let mut findings = reporter();
        let tables = || tables.iter().copied();
        let hpet = find_hpet(tables(), &mut findings);
        let pm_timer = find_pm_timer(tables(), &mut findings);
        findings.finish();
        ClockTables { hpet, pm_timer }
    });
}

/// Returns the clocks that firmware's tables describe.
///
/// # Panics
/// Before [`init`].
pub fn get() -> ClockTables {
    *TABLES.get().expect("the boot reads the tables before it starts the clock")
}
