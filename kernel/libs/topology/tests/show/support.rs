//! Runs the example `show` on files of a test, and builds the tables for them.
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use acpi_tables::builder::{TableBuilder, local_apic, memory_affinity, x2apic_affinity};
use acpi_tables::wire::SratMemoryAffinity;
use serde_json::Value;
use units::{ApicId, ProximityDomain};

use super::show;

/// A folder that is removed at the end of its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("show-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The result of a run of the program.
pub struct Shown {
    pub status: u8,
    pub out: String,
    pub complaints: String,
}

pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Shown {
    run_with(arguments, &[])
}

/// Runs the program with this standard input.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString>>, mut input: &[u8]) -> Shown {
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let status = show::run(arguments.into_iter().map(Into::into), &mut input, &mut out, &mut complaints);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Shown { status, out: text(out), complaints: text(complaints) }
}

/// The findings' rules and the topology event.
pub type Events = (Vec<String>, Value);

/// Returns the findings' rules and the topology event that the program writes for these files. Checks the events' order.
pub fn events(files: &[PathBuf]) -> Events {
    let shown = run([OsString::from("--json")].into_iter().chain(files.iter().map(OsString::from)));
    assert_eq!(shown.status, 0, "{}", shown.complaints);
    events_of(&shown)
}

pub fn events_of(shown: &Shown) -> Events {
    let mut events: Vec<Value> =
        shown.out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let topology = events.pop().expect("a topology at least");
    assert_eq!(topology["event"], "topology");
    assert!(!topology["nodes"].as_array().unwrap().is_empty());
    assert!(events.iter().all(|event| event["event"] == "finding"), "findings come first");
    let rules = events.iter().map(|event| event["rule"].as_str().unwrap().to_string()).collect();
    (rules, topology)
}

pub fn srat() -> Vec<u8> {
    let memory = |base: u64, domain| memory_affinity(base << 20, 256 << 20, ProximityDomain(domain));
    let mut slot = memory(512, 7);
    slot.flags = (SratMemoryAffinity::ENABLED | SratMemoryAffinity::HOT_PLUGGABLE).into();
    TableBuilder::srat(3)
        .entries((0..4).map(|id| x2apic_affinity(ApicId(id), ProximityDomain(id / 2 * 7))))
        .entry(&memory(0, 0))
        .entry(&memory(256, 7))
        .entry(&slot)
        .build()
}

pub fn slit() -> Vec<u8> {
    let mut matrix = [20; 64];
    (0..8).for_each(|n| matrix[n * 9] = 10);
    matrix[7] = 31;
    TableBuilder::slit(8, &matrix).build()
}

/// Returns a MADT with four CPUs, of which the third comes first.
pub fn madt() -> Vec<u8> {
    TableBuilder::madt().entries([2, 0, 1, 3].map(|id| local_apic(id, id))).build()
}

/// Returns the text that acpidump writes for a table.
pub fn dump(table: &[u8]) -> String {
    let mut text = format!("{} @ 0x000000007FFE2A3C\n", String::from_utf8_lossy(&table[..4]));
    for (index, line) in table.chunks(16).enumerate() {
        let bytes: String = line.iter().map(|byte| format!("{byte:02X} ")).collect();
        let letter = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        let letters: String = line.iter().map(letter).collect();
        text += &format!("    {:04X}: {bytes:<48} {letters}\n", index * 16);
    }
    text + "\n"
}
