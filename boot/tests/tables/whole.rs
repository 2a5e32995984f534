//! A machine with no table of QEMU's: firmware installs the test's own tables, the MADT included.
//!
//! With ACPI off, QEMU gives the firmware no tables and no script that says where to put them. The test gives it both, in the
//! form that SeaBIOS knows (QEMU, `docs/specs/acpi_hw_reduced_hotplug.rst` and `hw/acpi/bios-linker-loader.c`).
use std::fs;
use std::path::Path;

use acpi_tables::builder::{TableBuilder, rsdp};
use boot::{Machine, Run, Verdict};
use zerocopy::IntoBytes;

use crate::common::boot;

const TABLES: &str = "etc/acpi/tables";
const POINTER: &str = "etc/acpi/rsdp";
/// Bytes of a command of the script.
const COMMAND: usize = 128;
/// Bytes of a file's name in a command.
const NAME: usize = 56;

/// Boots a machine of these CPUs and 512 MiB with exactly these tables.
pub fn boot_with_only(cpus: u32, tables: &[Vec<u8>], verdict: Verdict) -> Run {
    let folder = tempfile::tempdir().unwrap();
    boot(&machine_with_only(cpus, tables, folder.path()), verdict)
}

/// Returns a machine of these CPUs and 512 MiB with exactly these tables, which are kept in this folder.
pub fn machine_with_only(cpus: u32, tables: &[Vec<u8>], folder: &Path) -> Machine {
    let (blob, script) = install(tables);
    let mut machine = Machine::without_numa(cpus, 512).arguments(["-machine", "acpi=off"]);
    for (name, bytes) in
        [(TABLES, blob), (POINTER, rsdp(0).as_bytes().to_vec()), ("etc/table-loader", script)]
    {
        machine = machine.arguments(["-fw_cfg", &file(folder, name, &bytes)]);
    }
    machine
}

/// Returns the argument for a file of the firmware's.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name.replace('/', "-"));
    fs::write(&path, bytes).unwrap();
    format!("name={name},file={}", path.display())
}

/// Returns the tables with an RSDT in front, and the script that puts them into memory.
fn install(tables: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let header = TableBuilder::rsdt(&[]).build().len();
    let first = header + 4 * tables.len();
    let offsets: Vec<u32> = tables
        .iter()
        .scan(first, |next, table| Some(std::mem::replace(next, *next + table.len()) as u32))
        .collect();
    let mut blob = TableBuilder::rsdt(&offsets).build();
    // The script sets this checksum and the pointer's when it knows the addresses.
    blob[9] = 0;
    tables.iter().for_each(|table| blob.extend(table));
    let mut script = [allocate(TABLES, 64, 1), allocate(POINTER, 16, 2)].concat();
    for index in 0..tables.len() {
        script.extend(add_pointer(TABLES, TABLES, (header + 4 * index) as u32));
    }
    script.extend(add_checksum(TABLES, 9, 0, first as u32));
    // The RSDT is the first table, so the pointer's offset of it is 0.
    script.extend(add_pointer(POINTER, TABLES, 16));
    script.extend(add_checksum(POINTER, 8, 0, 20));
    (blob, script)
}

fn allocate(file: &str, alignment: u32, zone: u8) -> Vec<u8> {
    command(1, &[name(file), alignment.to_le_bytes().to_vec(), vec![zone]])
}

fn add_pointer(to: &str, of: &str, offset: u32) -> Vec<u8> {
    command(2, &[name(to), name(of), offset.to_le_bytes().to_vec(), vec![4]])
}

fn add_checksum(file: &str, offset: u32, start: u32, length: u32) -> Vec<u8> {
    command(3, &[name(file), [offset, start, length].map(u32::to_le_bytes).concat()])
}

fn name(file: &str) -> Vec<u8> {
    let mut name = file.as_bytes().to_vec();
    name.resize(NAME, 0);
    name
}

fn command(number: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut command = [&number.to_le_bytes()[..], &parts.concat()].concat();
    command.resize(COMMAND, 0);
    command
}
