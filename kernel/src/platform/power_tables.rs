//! Reads what firmware's tables say about switching the machine off and resetting it, early: the kernel's own page tables do not map
//! firmware's tables.
use acpi_tables::{Finding, PowerRegisters, find_power_registers};
use aml_names::{SoftOff, read_soft_off};
use spin::Once;

/// How the machine is switched off and reset.
#[derive(Clone, Copy)]
pub struct PowerTables {
    /// The registers.
    pub registers: PowerRegisters,
    /// The sleep types that switch the machine off.
    pub soft_off: Option<SoftOff>,
}

static TABLES: Once<PowerTables> = Once::new();

/// Reads the tables. What is wrong with them is reported by those who read them for more.
pub fn init(tables: &[&'static [u8]]) {
    TABLES.call_once(|| {
        let tables = || tables.iter().copied();
        let registers = find_power_registers(tables(), &mut |_: Finding| {});
        PowerTables { registers, soft_off: read_soft_off(tables()) }
    });
}

/// Returns how the machine is switched off and reset, or `None` before [`init`].
pub fn get() -> Option<&'static PowerTables> {
    TABLES.get()
}
