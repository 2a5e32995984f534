//! Tests that each correct SRAT and SLIT of the collection is read as `iasl -d` reads it, field by field.
#[expect(dead_code, reason = "other tests use the index")]
mod collection;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, process};

use acpi_tables::{Finding, SratCpu, SratEntry, SratMemory, find_slit, find_srat};
use collection::Table;
use units::{ApicId, ProximityDomain};

/// Returns the table as text from `iasl`, or `None` if there is no `iasl`.
fn disassemble(table: &Table, folder: &Path) -> Option<String> {
    let input = folder.join("table.bin");
    fs::write(&input, &table.bytes).expect("the folder is writable");
    let mut command = Command::new("iasl");
    command.arg("-p").arg(folder.join("table")).arg("-d").arg(&input);
    match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "{}: iasl cannot read it", table.file),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("iasl: {error}"),
    }
    Some(fs::read_to_string(folder.join("table.dsl")).expect("iasl wrote it"))
}

/// Creates a folder for one run of this test.
fn scratch_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("iasl-{}", process::id()));
    fs::create_dir_all(&folder).expect("cargo's own folder is writable");
    folder
}

/// The fields of a header or of one entry, with iasl's names.
#[derive(Default)]
struct Fields {
    offset: u32,
    values: HashMap<String, String>,
}

impl Fields {
    fn number(&self, name: &str) -> u64 {
        let text = self.values.get(name).unwrap_or_else(|| panic!("no {name} at {}", self.offset));
        u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{name} is {text}"))
    }

    fn flag(&self, name: &str) -> bool {
        self.number(name) != 0
    }
}

/// Returns the fields of the header, then of each entry.
///
/// A line is `[030h 0048   1]   Subtable Type : 00 [meaning]`, or `Enabled : 1` for a flag.
fn fields(text: &str) -> Vec<Fields> {
    let mut all = vec![Fields::default()];
    let text = text.split("Raw Table Data").next().unwrap_or_default();
    for line in text.lines() {
        let (place, field) =
            line.strip_prefix('[').and_then(|line| line.split_once(']')).unwrap_or(("", line));
        let Some((name, value)) = field.split_once(" : ") else { continue };
        let (name, value) = (name.trim(), value.split(" [").next().unwrap_or_default().trim());
        if name == "Subtable Type" {
            let offset = place.split_whitespace().nth(1).and_then(|offset| offset.parse().ok());
            all.push(Fields { offset: offset.expect("an offset"), ..Fields::default() });
        }
        let fields = all.last_mut().expect("the header at least");
        fields.values.insert(name.to_string(), value.to_string());
    }
    all
}

/// Returns true if reading the whole table reports nothing.
fn is_correct(table: &Table) -> bool {
    let mut reported = 0;
    let mut findings = |_: Finding| reported += 1;
    match table.signature.as_str() {
        "SRAT" => {
            let srat = find_srat([&table.bytes[..]], &mut findings);
            srat.iter().for_each(|srat| srat.entries(&mut findings).for_each(drop));
        }
        _ => drop(find_slit([&table.bytes[..]], &mut findings)),
    }
    reported == 0
}

#[test]
fn each_correct_srat_and_slit_is_read_as_iasl_reads_it() {
    let folder = scratch_folder();
    let (mut compared, mut values, mut faulty) = (0, 0, Vec::new());
    let tables = collection::read();
    for table in tables.iter().filter(|table| ["SRAT", "SLIT"].contains(&table.signature.as_str())) {
        if !is_correct(table) {
            faulty.push(&table.file);
            continue;
        }
        let Some(text) = disassemble(table, &folder) else {
            println!("iasl: skipped: there is no iasl");
            return;
        };
        values += if table.signature == "SRAT" { check_srat(table, &text) } else { check_slit(table, &text) };
        compared += 1;
    }
    let _ = fs::remove_dir_all(&folder);
    println!(
        "iasl: {compared} tables agree, in {values} entries and distances; faulty ones left out: {faulty:?}"
    );
}

/// Compares an SRAT with iasl's text. Returns the number of entries.
fn check_srat(table: &Table, text: &str) -> usize {
    let srat = find_srat([&table.bytes[..]], &mut |_| {}).expect("it is correct");
    let (file, theirs) = (&table.file, fields(text));
    assert_eq!(u64::from(srat.revision()), theirs[0].number("Revision"), "{file}");
    let ours: Vec<SratEntry> = srat.entries(&mut |_| {}).collect();
    assert_eq!(ours.len(), theirs.len() - 1, "{file}");
    for (ours, theirs) in ours.iter().zip(&theirs[1..]) {
        check_entry(ours, theirs, srat.revision(), file);
    }
    ours.len()
}

fn check_entry(ours: &SratEntry, theirs: &Fields, revision: u8, file: &str) {
    let number = |name| theirs.number(name);
    // iasl shows a domain's upper bits in every revision. They are valid from revision 2 on.
    let domain =
        |written: u64| ProximityDomain(if revision < 2 { written as u32 & 0xff } else { written as u32 });
    let expected = match number("Subtable Type") {
        0 => SratEntry::Cpu(SratCpu {
            apic_id: ApicId(number("Apic ID") as u32),
            domain: domain(number("Proximity Domain High(24)") << 8 | number("Proximity Domain Low(8)")),
            enabled: theirs.flag("Enabled"),
            offset: theirs.offset,
        }),
        1 => SratEntry::Memory(SratMemory {
            base: number("Base Address"),
            length: number("Address Length"),
            domain: domain(number("Proximity Domain")),
            enabled: theirs.flag("Enabled"),
            hot_pluggable: theirs.flag("Hot Pluggable"),
            non_volatile: theirs.flag("Non-Volatile"),
            offset: theirs.offset,
        }),
        2 => SratEntry::Cpu(SratCpu {
            apic_id: ApicId(number("Apic ID") as u32),
            domain: ProximityDomain(number("Proximity Domain") as u32),
            enabled: theirs.flag("Enabled"),
            offset: theirs.offset,
        }),
        kind => panic!("{file}: the collection has no type {kind}"),
    };
    assert_eq!(*ours, expected, "{file}");
}

/// Compares a SLIT with iasl's text. Returns the number of distances.
fn check_slit(table: &Table, text: &str) -> usize {
    let slit = find_slit([&table.bytes[..]], &mut |_| {}).expect("it is correct");
    // A long row continues on the next line.
    let (file, theirs) = (&table.file, &fields(&text.replace("\\\n", " "))[0]);
    let side = slit.localities() as u32;
    assert_eq!(u64::from(side), theirs.number("Localities"), "{file}");
    for from in 0..side {
        let row = &theirs.values[&format!("Locality {from:>3}")];
        let row: Vec<_> = row.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        let ours = (0..side).map(|to| slit.distance(ProximityDomain(from), ProximityDomain(to)));
        assert_eq!(ours.collect::<Vec<_>>(), row, "{file}: from {from}");
    }
    (side * side) as usize
}
