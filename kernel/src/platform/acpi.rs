//! Finding ACPI's tables.
//!
//! `acpi-tables` checks the root pointer and the root table, and reports what is wrong. The crate `acpi` then lists the root
//! table's entries, and `acpi-tables` checks each of them. The crate does not read the root pointer: it stops at the first wrong
//! byte, where `acpi-tables` finds another way to the tables. No read goes beyond the memory that the memory map lists.
mod handler;

use super::findings::reporter;
use crate::arch;
use acpi::AcpiTables;
use acpi_tables::{
    Finding, Findings, KnownMemory, MAX_TABLES, PhysicalMemory, RootTable, find_dsdt_address, read_table,
};
use arrayvec::ArrayVec;
use handler::Reader;
use units::{PhysAddr, PhysRange};

/// The tables that firmware lists, and the DSDT, which only another table names.
pub type Tables = ArrayVec<&'static [u8], { MAX_TABLES + 1 }>;

/// The memory where firmware may have put tables.
#[derive(Clone, Copy)]
struct TableMemory<'a>(KnownMemory<'a>);

impl PhysicalMemory<'static> for TableMemory<'_> {
    fn bytes(&self, address: PhysAddr, length: usize) -> &'static [u8] {
        match self.0.readable(address, length) {
            0 => &[],
            // SAFETY: `readable` has found these bytes in the memory map. All callers run before `memory::address_space::init`, so
            // the boot loader's page tables map them at `physical_memory`. Nothing writes firmware's tables.
            readable => unsafe { core::slice::from_raw_parts(arch::physical_memory(address), readable) },
        }
    }
}

/// Returns all tables that firmware lists, and the DSDT, each with the length in its header, or up to the end of readable memory. `rsdp` is the address of the
/// root pointer, and `known` the memory map. Reports on both serial ports what is wrong on the way.
pub fn find_tables(rsdp: Option<u64>, known: &[PhysRange]) -> Tables {
    let Some(rsdp) = rsdp.map(PhysAddr) else {
        log::warn!(target: "acpi", "firmware has no ACPI tables");
        return Tables::new();
    };
    let memory = TableMemory(KnownMemory::new(known));
    let mut findings = reporter();
    let root = RootTable::find(rsdp, &memory, &mut findings);
    let tables = root.map(|root| read_tables(&root, memory, &mut findings)).unwrap_or_default();
    findings.finish();
    tables
}

fn read_tables(root: &RootTable<'static>, memory: TableMemory<'_>, findings: &mut dyn Findings) -> Tables {
    let mut tables = Tables::new();
    // SAFETY: `Reader` checks each address and length that the crate asks for against the memory map, and maps zeros for memory
    // that may not be read. So the root table need not be valid.
    let listed =
        unsafe { AcpiTables::from_rsdt(Reader(memory), root.address().0 as usize, root.entry_size()) };
    match listed {
        Ok(listed) => {
            let entries = listed.table_entries().map(|address| address as u64);
            // `read_tables` takes no more tables than there is room for.
            root.read_tables(entries, &memory, findings, &mut |table| tables.push(table));
        }
        Err(error) => log::warn!(target: "acpi", "the root table lists no tables: {error:?}"),
    }
    tables.extend(find_dsdt(&tables, memory));
    tables
}

/// Returns the DSDT.
fn find_dsdt(tables: &[&'static [u8]], memory: TableMemory<'_>) -> Option<&'static [u8]> {
    // The reader of the clocks reports what is wrong with the table that has the address.
    let address = find_dsdt_address(tables.iter().copied(), &mut |_: Finding| {})?;
    let dsdt = read_table(PhysAddr(address), &memory);
    if dsdt.is_none() {
        log::warn!(target: "acpi", "the DSDT at {address:#x} cannot be read");
    }
    dsdt
}
