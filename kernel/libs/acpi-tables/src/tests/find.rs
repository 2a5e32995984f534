//! Tests of the selection of a table, and of the checks that every table gets.
use alloc::vec::Vec;
use units::ProximityDomain;

use super::with_findings;
use crate::Action::{Refused, Repaired};
use crate::builder::{TableBuilder, local_apic_affinity, seal};
use crate::{Finding, SratEntry, find_madt, find_slit, find_srat};

fn srat() -> Vec<u8> {
    let cpus = (0..2).map(|id| local_apic_affinity(id, ProximityDomain(0)));
    TableBuilder::srat(3).entries(cpus).build()
}

/// Returns the entries of the SRAT among these tables, and all findings.
fn read(tables: &[&[u8]]) -> (Option<Vec<SratEntry>>, Vec<super::Reported>) {
    with_findings(|findings| {
        let srat = find_srat(tables.iter().copied(), findings);
        srat.map(|srat| srat.entries(findings).collect())
    })
}

#[test]
fn a_correct_table_is_found_among_others_without_findings() {
    let (srat, madt, slit) = (srat(), TableBuilder::madt().build(), TableBuilder::slit(1, &[10]).build());
    let tables = || [&madt[..], &[], b"SRA", &srat, &slit].into_iter();
    let (found, reported) = with_findings(|findings| {
        (
            find_srat(tables(), findings).is_some(),
            find_madt(tables(), findings).is_some(),
            find_slit(tables(), findings).is_some(),
        )
    });
    assert_eq!((found, reported), ((true, true, true), Vec::new()));
}

#[test]
fn no_table_is_no_finding() {
    let madt = TableBuilder::madt().build();
    assert_eq!(read(&[&madt]), (None, Vec::new()));
}

#[test]
fn a_bad_checksum_is_reported_and_the_table_used() {
    let mut table = srat();
    table[9] ^= 1;
    let (entries, reported) = read(&[&table]);
    assert_eq!(reported, [(9, "table.checksum", Repaired)]);
    assert_eq!(entries.map(|entries| entries.len()), Some(2));
}

#[test]
fn of_two_tables_the_first_is_used() {
    let (first, second) = (srat(), TableBuilder::srat(3).build());
    let (entries, reported) = read(&[&first, &second]);
    assert_eq!(reported, [(0, "table.duplicate", Refused)]);
    assert_eq!(entries.map(|entries| entries.len()), Some(2));
}

#[test]
fn a_table_shorter_than_its_header_is_refused_and_the_next_one_used() {
    let correct = srat();
    for length in [0_u32, 1, 35, 36, 47] {
        let mut claims = srat();
        claims[4..8].copy_from_slice(&length.to_le_bytes());
        let (entries, reported) = read(&[&claims, &correct]);
        assert_eq!(reported, [(4, "table.length", Refused)], "length {length}");
        assert_eq!(entries.map(|entries| entries.len()), Some(2));
        let mapped = &correct[..length as usize];
        let expected = if length < 4 { Vec::new() } else { [(4, "table.length", Refused)].to_vec() };
        assert_eq!(read(&[mapped]), (None, expected), "mapped {length}");
    }
}

#[test]
fn a_table_shorter_than_its_header_is_reported_with_the_bytes_that_exist() {
    for (mapped, length, bytes) in
        [(4, 48, 4), (32, 48, 32), (35, 48, 35), (40, 48, 40), (48, 3, 3), (80, 0, 0)]
    {
        let mut table = srat();
        table[4] = length;
        let mut reported = Vec::new();
        let mut findings = |finding: Finding| reported.push(alloc::format!("{finding}"));
        assert!(find_srat([&table[..mapped]], &mut findings).is_none());
        assert_eq!(reported, [alloc::format!("the table has {bytes} bytes, but its header takes 48")]);
    }
}

#[test]
fn a_table_longer_than_the_readable_bytes_is_read_up_to_their_end() {
    let mut table = srat();
    table[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let (entries, reported) = read(&[&table]);
    assert_eq!(reported, [(4, "table.length", Repaired)]);
    assert_eq!(entries.map(|entries| entries.len()), Some(2));
}

#[test]
fn bytes_after_the_table_do_not_belong_to_it() {
    let mut table = srat();
    table.extend_from_slice(&[1; 100]);
    let (entries, reported) = read(&[&table]);
    assert_eq!((entries.map(|entries| entries.len()), reported), (Some(2), Vec::new()));
}

#[test]
fn a_length_that_cuts_an_entry_costs_that_entry() {
    let mut table = srat();
    table.truncate(70);
    table[4..8].copy_from_slice(&70_u32.to_le_bytes());
    seal(&mut table);
    let (entries, reported) = read(&[&table]);
    assert_eq!(reported, [(64, "srat.entry.length", crate::Action::Dropped)]);
    assert_eq!(entries.map(|entries| entries.len()), Some(1));
}

#[test]
fn names_may_be_any_bytes() {
    let read_with = |name: u8| {
        let mut table = srat();
        table[10..36].fill(name);
        seal(&mut table);
        read(&[&table])
    };
    let expected = read_with(b'A');
    assert_eq!(expected.1, []);
    for name in [0, 0x1b, 0x80, 0xff] {
        assert_eq!(read_with(name), expected, "OEM and creator of bytes {name:#x}");
    }
}

/// Returns the SRAT with its first entry's length set to 0.
fn unreadable_entries() -> Vec<u8> {
    let mut table = srat();
    table[49] = 0;
    seal(&mut table);
    table
}

#[test]
fn of_two_tables_the_sound_one_is_used() {
    let mut wrong_sum = srat();
    wrong_sum[9] ^= 1;
    let empty = crate::builder::TableBuilder::srat(3).build();
    for unsound in [wrong_sum, unreadable_entries(), empty] {
        for tables in [[&unsound[..], &srat()[..]], [&srat()[..], &unsound[..]]] {
            let (entries, reported) = read(&tables);
            assert_eq!(entries.map(|entries| entries.len()), Some(2));
            assert_eq!(reported, [(0, "table.duplicate", Refused)]);
        }
    }
}

#[test]
fn of_two_tables_of_which_none_is_sound_the_first_is_used() {
    let mut wrong_sum = srat();
    wrong_sum[9] ^= 1;
    let (entries, reported) = read(&[&wrong_sum, &unreadable_entries()]);
    assert_eq!(entries.map(|entries| entries.len()), Some(2));
    assert_eq!(reported, [(9, "table.checksum", Repaired), (0, "table.duplicate", Refused)]);
}

#[test]
fn the_finding_about_a_second_table_says_which_one_is_used() {
    let mut said = Vec::new();
    let mut findings = |finding: Finding| said.push(alloc::format!("{finding}"));
    let (sound, unsound) = (srat(), unreadable_entries());
    let _ = find_srat([&sound[..], &unsound[..]], &mut findings);
    let _ = find_srat([&unsound[..], &sound[..]], &mut findings);
    let first = "there are several tables of this kind; table 1 is used, and table 2 is not";
    assert_eq!(
        said,
        [first, "there are several tables of this kind; table 2 is used, because table 1 has faults"]
    );
}
