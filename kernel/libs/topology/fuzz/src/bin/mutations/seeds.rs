//! The machines whose tables are mutated: some from the builder, and those of the collection.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use fuzz::machine::Machine;
use topology::{NumaMode, NumaTopology};
use units::PhysRange;

/// The number of machines from the builder.
const BUILT: u64 = 64;

/// The number of bytes from which each of them is built.
const BYTES: usize = 4096;

/// The number of bytes from which the DSDT of each of them is built.
const AML_BYTES: usize = 512;

/// Returns all machines. Prints a line if there is no collection.
pub fn read(folder: Option<&Path>) -> Vec<Machine> {
    let mut machines: Vec<Machine> = (0..BUILT).map(built).collect();
    let before = machines.len();
    if let Some(folder) = folder {
        machines.extend(["qemu", "real"].iter().flat_map(|part| collected(&folder.join(part))));
    }
    if machines.len() == before {
        println!("mutations: there is no collection of tables; only the builder's are used");
    }
    machines
}

fn built(seed: u64) -> Machine {
    let mut random = crate::random::Random::new(u64::MAX - seed);
    let bytes: Vec<u8> = (0..BYTES).map(|_| random.below(256) as u8).collect();
    let machine = Machine::arbitrary(&mut Unstructured::new(&bytes)).expect("too few bytes count as zeros");
    let dsdt =
        fuzz::aml::dsdt(&mut Unstructured::new(&bytes[..AML_BYTES])).expect("too few bytes count as zeros");
    let tables = machine.tables.into_iter().chain([dsdt]).collect();
    // Other modes do not use the tables.
    Machine { tables, numa: NumaMode::FromFirmware, ..machine }
}

/// Returns the machines of a folder with files `MACHINE__SIGNATURE….bin`. Their RAM is the memory in their tables.
fn collected(folder: &Path) -> Vec<Machine> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut machines = BTreeMap::<String, BTreeMap<String, Vec<u8>>>::new();
    for path in files.filter_map(|file| Some(file.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((machine, signature)) = name.rsplit_once("__").filter(|_| name.ends_with(".bin")) else {
            continue;
        };
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        machines.entry(machine.to_string()).or_default().insert(signature.to_string(), bytes);
    }
    let with_ram = |tables: BTreeMap<String, Vec<u8>>| {
        let tables = tables.into_values().collect();
        let machine = Machine { tables, ram: Vec::new(), boot_cpu: None, numa: NumaMode::FromFirmware };
        Machine { ram: ram_of(&machine), ..machine }
    };
    machines.into_values().map(with_ram).collect()
}

/// Returns the memory that a machine's tables list, without hot-pluggable ranges.
fn ram_of(machine: &Machine) -> Vec<PhysRange> {
    let mut topology = Box::new(NumaTopology::EMPTY);
    machine.check(&mut topology);
    let mut ram = Vec::<PhysRange>::new();
    for range in topology.ranges().iter().filter(|range| !range.hot_pluggable).map(|range| range.range) {
        match ram.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ram.push(range),
        }
    }
    ram
}
