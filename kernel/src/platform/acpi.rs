//! Finding ACPI's tables: the way from the root pointer, and the memory that is read on it, which never reaches past what the
//! memory map knows.
//!
//! The crate `acpi` leads the way. It gives up at the first wrong byte; there `acpi-tables` does, which looks at every byte
//! on the way in any case, and tells what is wrong.
mod handler;

use super::findings::reporter;
use crate::arch;
use acpi::AcpiTables;
use acpi_tables::{Finding, Findings, KnownMemory, MAX_TABLES, PhysicalMemory, read_table, read_tables};
use arrayvec::ArrayVec;
use handler::Reader;
use units::{PhysAddr, PhysRange};

/// The tables that firmware lists.
pub type Tables = ArrayVec<&'static [u8], MAX_TABLES>;

/// Memory where firmware may have put tables.
#[derive(Clone, Copy)]
struct TableMemory<'a>(KnownMemory<'a>);

impl PhysicalMemory<'static> for TableMemory<'_> {
    fn bytes(&self, address: PhysAddr, length: usize) -> &'static [u8] {
        match self.0.readable(address, length) {
            0 => &[],
            // SAFETY: all of it is memory, which is mapped; firmware's tables are not written by anyone.
            readable => unsafe { core::slice::from_raw_parts(arch::physical_memory(address), readable) },
        }
    }
}

/// All tables that firmware lists, each as long as its header says and memory reaches. `known` is what the memory map
/// knows of. What is wrong on the way is told on both serial ports.
pub fn find_tables(rsdp: Option<u64>, known: &[PhysRange]) -> Tables {
    let Some(rsdp) = rsdp.map(PhysAddr) else {
        log::warn!(target: "acpi", "firmware has no ACPI tables");
        return Tables::new();
    };
    let memory = TableMemory(KnownMemory::new(known));
    let mut checked = Tables::new();
    let (mut findings, mut is_sound) = (reporter(), true);
    let mut report = |finding: Finding| {
        is_sound = false;
        findings.report(finding);
    };
    read_tables(rsdp, &memory, &mut report, &mut |table| {
        // As many as there is room for are all that come.
        let _ = checked.try_push(table);
    });
    findings.finish();
    let found = if is_sound { find_by_crate(rsdp, memory) } else { None };
    found.unwrap_or(checked)
}

/// The tables that the crate `acpi` finds from a root pointer in which nothing is wrong; `None` where it finds something to be,
/// all the same.
fn find_by_crate(rsdp: PhysAddr, memory: TableMemory<'_>) -> Option<Tables> {
    // SAFETY: the handler gives the crate memory to read wherever the address leads.
    let root = unsafe { AcpiTables::from_rsdp(Reader(memory), rsdp.0 as usize) }
        .inspect_err(
            |error| log::debug!(target: "acpi", "the crate acpi refuses the root pointer: {error:?}"),
        )
        .ok()?;
    let addresses = root.table_entries().map(|address| PhysAddr(address as u64));
    Some(addresses.filter_map(|address| read_table(address, &memory)).take(MAX_TABLES).collect())
}
