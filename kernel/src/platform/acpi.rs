//! Finding ACPI's tables: `acpi-tables` knows the way from the root pointer, and here is the memory it reads, which never
//! reaches past what the memory map knows.
use super::findings::reporter;
use crate::arch;
use acpi_tables::{KnownMemory, MAX_TABLES, PhysicalMemory, read_tables};
use arrayvec::ArrayVec;
use units::{PhysAddr, PhysRange};

/// The tables that firmware lists.
pub type Tables = ArrayVec<&'static [u8], MAX_TABLES>;

/// Memory where firmware may have put tables.
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
    let mut tables = Tables::new();
    let Some(rsdp) = rsdp else {
        log::warn!(target: "acpi", "firmware has no ACPI tables");
        return tables;
    };
    let memory = TableMemory(KnownMemory::new(known));
    let mut findings = reporter();
    read_tables(PhysAddr(rsdp), &memory, &mut findings, &mut |table| {
        // As many as there is room for are all that come.
        let _ = tables.try_push(table);
    });
    findings.finish();
    tables
}
