//! Tests that every table of the collection is read as another decoder reads it, and that faulty ones are reported.
mod collection;

use std::collections::BTreeSet;

use acpi_tables::{
    Action, Finding, Hmat, HmatEntry, Madt, MatrixValue, Quantity, Slit, Srat, SratEntry, SratMemory,
    find_hmat, find_madt, find_slit, find_srat,
};
use collection::Table;
use units::ProximityDomain;

/// Returns the findings that the index implies, by offset and rule id.
fn expected_findings(table: &Table) -> Vec<(u32, &'static str)> {
    let mut expected = Vec::new();
    if table.holds["cksum"] != "ok" {
        expected.push((9, "table.checksum"));
    }
    if table.holds.contains_key("SIZE_MISMATCH") {
        expected.push((36, "slit.size"));
    }
    // `END_MISMATCH o=104 L=144`: the last entry is at 104 and does not end at the table's end.
    if let Some(end) = table.holds.get("END_MISMATCH") {
        let offset = end.split(['=', ' ']).nth(1).and_then(|offset| offset.parse().ok());
        expected.push((offset.expect("an offset"), "srat.entry.length"));
    }
    expected
}

#[test]
fn each_table_holds_what_the_index_says() {
    for table in &collection::read() {
        let mut reported = Vec::new();
        let mut findings = |finding: Finding| reported.push((finding.offset, finding.rule.id()));
        match table.signature.as_str() {
            "SRAT" => check_srat(find_srat([&table.bytes[..]], &mut findings).unwrap(), table, &mut findings),
            "SLIT" => check_slit(find_slit([&table.bytes[..]], &mut findings).unwrap(), table),
            "APIC" => check_madt(find_madt([&table.bytes[..]], &mut findings).unwrap(), table, &mut findings),
            "HMAT" => check_hmat(find_hmat([&table.bytes[..]], &mut findings).unwrap(), table, &mut findings),
            _ => continue,
        }
        assert_eq!(reported, expected_findings(table), "{}", table.file);
    }
}

fn check_srat(srat: Srat<'_>, table: &Table, findings: &mut impl FnMut(Finding)) {
    let entries: Vec<SratEntry> = srat.entries(findings).collect();
    let cpus =
        || entries.iter().filter_map(|entry| if let SratEntry::Cpu(cpu) = entry { Some(cpu) } else { None });
    let memory = || {
        entries
            .iter()
            .filter_map(|entry| if let SratEntry::Memory(memory) = entry { Some(memory) } else { None })
    };
    let ranges = || memory().filter(|memory| memory.enabled);
    let file = &table.file;

    assert_eq!(Some(srat.revision().into()), table.number("rev"), "{file}");
    assert_eq!(Some(cpus().filter(|cpu| cpu.enabled).count() as u64), table.number("cpus"), "{file}");
    assert_eq!(
        Some(cpus().filter(|cpu| !cpu.enabled).count() as u64),
        table.number("cpus_disabled"),
        "{file}"
    );
    assert_eq!(format!("{}/{}", ranges().count(), memory().count()), table.holds["mem_ranges"], "{file}");
    let bytes: u64 = ranges().map(|memory| memory.length).sum();
    assert_eq!(Some(bytes >> 20), table.number("mem_MiB"), "{file}");
    let count = |is: fn(&SratMemory) -> bool| Some(ranges().filter(|memory| is(memory)).count() as u64);
    assert_eq!(count(|memory| memory.hot_pluggable), table.number("hotplug"), "{file}");
    assert_eq!(count(|memory| memory.non_volatile), table.number("nvm"), "{file}");
    let cpu_domains = cpus().filter(|cpu| cpu.enabled).map(|cpu| cpu.domain.0).collect();
    check_domains(table, "cpu_pxm", &cpu_domains);
    check_domains(table, "mem_pxm", &ranges().map(|memory| memory.domain.0).collect());
}

/// Compares domains with the index, which lists them, or counts them if they are many.
fn check_domains(table: &Table, key: &str, domains: &BTreeSet<u32>) {
    match table.numbers(key) {
        Some(listed) => assert_eq!(listed, domains.iter().copied().collect::<Vec<_>>(), "{}", table.file),
        None => assert_eq!(table.number(&format!("{key}#")), Some(domains.len() as u64), "{}", table.file),
    }
}

fn check_slit(slit: Slit<'_>, table: &Table) {
    assert_eq!(Some(slit.localities()), table.number("localities"), "{}", table.file);
    let Some(matrix) = table.matrix() else { return };
    let side = slit.localities() as u32;
    let pairs = (0..side * side).map(|n| (ProximityDomain(n / side), ProximityDomain(n % side)));
    let distances: Option<Vec<u8>> = pairs.map(|(from, to)| slit.distance(from, to)).collect();
    assert_eq!(distances, Some(matrix), "{}", table.file);
}

fn check_madt(madt: Madt<'_>, table: &Table, findings: &mut impl FnMut(Finding)) {
    let cpus: Vec<_> = madt.cpus(findings).collect();
    let count =
        |is: fn(&acpi_tables::MadtCpu) -> bool| Some(cpus.iter().filter(|cpu| is(cpu)).count() as u64);
    assert_eq!(count(|cpu| cpu.enabled), table.number("enabled_cpus"), "{}", table.file);
    assert_eq!(count(|cpu| !cpu.x2apic), table.number("lapic"), "{}", table.file);
    assert_eq!(count(|cpu| cpu.x2apic), table.number("x2apic"), "{}", table.file);
}

fn check_hmat(hmat: Hmat<'_>, table: &Table, findings: &mut impl FnMut(Finding)) {
    let entries: Vec<_> = hmat.entries(findings).collect();
    let count =
        |is: fn(&HmatEntry<'_>) -> bool| Some(entries.iter().filter(|entry| is(entry)).count() as u64);
    assert_eq!(Some(hmat.revision().into()), table.number("rev"), "{}", table.file);
    assert_eq!(
        count(|entry| matches!(entry, HmatEntry::Attachment(_))),
        table.number("mpda"),
        "{}",
        table.file
    );
    assert_eq!(count(|entry| matches!(entry, HmatEntry::Matrix(_))), table.number("sllbi"), "{}", table.file);
    assert_eq!(
        count(|entry| matches!(entry, HmatEntry::SideCache(_))),
        table.number("msci"),
        "{}",
        table.file
    );
    for entry in &entries {
        let HmatEntry::Matrix(matrix) = entry else { continue };
        let MatrixValue::Known(value) = matrix.value(0, 0) else { panic!("{}: no first value", table.file) };
        // Memory of every machine has less latency than 10 µs and more bandwidth than 10 MB/s.
        let correct = if matrix.quantity == Quantity::Latency { 1000..10_000_000 } else { 10..10_000_000 };
        assert!(correct.contains(&value), "{}: {value}", table.file);
    }
}

/// A file, its findings by offset, rule and action, and the number of entries or distances that can be read.
type Outcome<'a> = (&'a str, &'a [(u32, &'a str, Action)], usize);

/// The results for the faulty SRATs and SLITs of the collection.
const FAULTY: &[Outcome<'_>] = &[
    // A CPU, a range, and then an entry of length 0, which ends the table.
    ("gen__inject_srat_zero_length__SRAT.bin", &[(104, "srat.entry.length", Action::Dropped)], 2),
    // Four localities, but only one row.
    ("gen__inject_slit_short__SLIT.bin", &[(36, "slit.size", Action::Repaired)], 4),
    // One locality, but room for eight. The first byte is its distance.
    (
        "linuxhw__Desktop_EVGA_X299_X299_MICRO_4B645993A72D__SLIT_69182223.bin",
        &[(36, "slit.size", Action::Repaired)],
        1,
    ),
];

#[test]
fn each_faulty_srat_and_slit_has_the_expected_result() {
    let mut faulty = Vec::new();
    let tables = collection::read();
    for table in &tables {
        let mut reported = Vec::new();
        let mut findings =
            |finding: Finding| reported.push((finding.offset, finding.rule.id(), finding.action));
        let readable = match table.signature.as_str() {
            "SRAT" => find_srat([&table.bytes[..]], &mut findings)
                .map_or(0, |srat| srat.entries(&mut findings).count()),
            "SLIT" => find_slit([&table.bytes[..]], &mut findings).map_or(0, |slit| {
                let domains = || (0..slit.localities() as u32).map(ProximityDomain);
                let row = |from| domains().filter(move |&to| slit.distance(from, to).is_some()).count();
                domains().map(row).sum()
            }),
            _ => continue,
        };
        if !reported.is_empty() {
            faulty.push((table.file.as_str(), reported, readable));
        }
    }
    if tables.is_empty() {
        return;
    }
    faulty.sort_unstable_by_key(|faulty| faulty.0);
    let mut expected: Vec<_> =
        FAULTY.iter().map(|&(file, reported, readable)| (file, reported.to_vec(), readable)).collect();
    expected.sort_unstable_by_key(|faulty| faulty.0);
    assert_eq!(faulty, expected);
}
