//! Tests of the path from the root pointer to the tables, in memory that each test lays out.
use alloc::vec::Vec;
use proptest::prelude::*;
use units::PhysAddr;
use zerocopy::IntoBytes;

use super::{Reported, with_findings};
use crate::Action::{Dropped, Refused, Repaired};
use crate::builder::{TableBuilder, extended_rsdp, rsdp, seal};
use crate::{MAX_TABLES, RootTable, read_tables};

const POINTER: u64 = 0xe_0014;
const RSDT: u32 = 0x1000;
const XSDT: u64 = 0x1_0000_2000;

/// Pieces of memory with their addresses.
type Memory = Vec<(u64, Vec<u8>)>;

fn table(signature: &[u8; 4]) -> Vec<u8> {
    let mut table = TableBuilder::madt().build();
    table[..4].copy_from_slice(signature);
    seal(&mut table);
    table
}

/// Returns four tables. The RSDT lists the first two, the XSDT the last two.
fn tables() -> Memory {
    let names = [b"AAAA", b"BBBB", b"CCCC", b"DDDD"];
    (1..).zip(names).map(|(place, name)| (place * 0x10_0000, table(name))).collect()
}

fn machine(pointer: &[u8]) -> Memory {
    let mut memory = tables();
    memory.push((POINTER, pointer.to_vec()));
    memory.push((RSDT.into(), TableBuilder::rsdt(&[0x10_0000, 0x20_0000]).build()));
    memory.push((XSDT, TableBuilder::xsdt(&[0x30_0000, 0x40_0000]).build()));
    memory
}

/// Returns the signatures of the tables found, as text, and the findings.
fn walk(memory: &Memory) -> (Vec<&str>, Vec<Reported>) {
    with_findings(|findings| {
        let mut found = Vec::new();
        read_tables(PhysAddr(POINTER), &bytes_of(memory), findings, &mut |table| {
            found.push(core::str::from_utf8(&table[..4]).expect("letters"));
        });
        found
    })
}

fn bytes_of<'a>(memory: &'a Memory) -> impl Fn(PhysAddr, usize) -> &'a [u8] {
    |address: PhysAddr, length: usize| {
        let pieces = memory.iter().filter_map(|(base, bytes)| {
            let offset = usize::try_from(address.0.checked_sub(*base)?).ok()?;
            bytes.get(offset..)
        });
        let piece = pieces.max_by_key(|bytes| bytes.len()).unwrap_or_default();
        &piece[..length.min(piece.len())]
    }
}

#[test]
fn revision_0_leads_to_the_rsdt_and_revision_2_to_the_xsdt() {
    assert_eq!(walk(&machine(rsdp(RSDT).as_bytes())), (["AAAA", "BBBB"].to_vec(), Vec::new()));
    let pointer = extended_rsdp(RSDT, XSDT);
    assert_eq!(walk(&machine(pointer.as_bytes())), (["CCCC", "DDDD"].to_vec(), Vec::new()));
    let pointer = extended_rsdp(0, XSDT);
    assert_eq!(walk(&machine(pointer.as_bytes())), (["CCCC", "DDDD"].to_vec(), Vec::new()));
}

#[test]
fn a_root_table_says_where_it_is_and_what_it_lists() {
    for (pointer, address, size, listed) in [
        (rsdp(RSDT).as_bytes(), u64::from(RSDT), 4, [0x10_0000, 0x20_0000]),
        (extended_rsdp(RSDT, XSDT).as_bytes(), XSDT, 8, [0x30_0000, 0x40_0000]),
    ] {
        let memory = machine(pointer);
        let (root, _) = with_findings(|findings| {
            RootTable::find(PhysAddr(POINTER), &bytes_of(&memory), findings).unwrap()
        });
        assert_eq!((root.address(), root.entry_size()), (PhysAddr(address), size));
        assert_eq!(root.entries().collect::<Vec<_>>(), listed);
    }
}

#[test]
fn a_pointer_outside_of_memory_or_without_its_signature_is_refused() {
    let mut nowhere = machine(rsdp(RSDT).as_bytes());
    nowhere.retain(|&(base, _)| base != POINTER);
    assert_eq!(walk(&nowhere), (Vec::new(), [(0, "rsdp.memory", Refused)].to_vec()));
    let cut = machine(&rsdp(RSDT).as_bytes()[..19]);
    assert_eq!(walk(&cut), (Vec::new(), [(0, "rsdp.memory", Refused)].to_vec()));
    let mut pointer = rsdp(RSDT);
    pointer.signature[7] = b'_';
    assert_eq!(walk(&machine(pointer.as_bytes())), (Vec::new(), [(0, "rsdp.signature", Refused)].to_vec()));
}

#[test]
fn a_bad_checksum_is_reported_and_the_pointer_used() {
    let mut pointer = rsdp(RSDT);
    pointer.checksum ^= 1;
    let reported = [(8, "rsdp.checksum", Repaired)];
    assert_eq!(walk(&machine(pointer.as_bytes())), (["AAAA", "BBBB"].to_vec(), reported.to_vec()));
    let mut pointer = extended_rsdp(RSDT, XSDT);
    pointer.extended_checksum ^= 1;
    let reported = [(32, "rsdp.checksum", Repaired)];
    assert_eq!(walk(&machine(pointer.as_bytes())), (["CCCC", "DDDD"].to_vec(), reported.to_vec()));
}

/// Makes both checksums of the pointer correct.
fn sealed(mut pointer: crate::wire::ExtendedRsdp) -> Vec<u8> {
    pointer.rsdp.checksum = 0;
    pointer.rsdp.checksum = crate::checksum::sum_of(&pointer.as_bytes()[..20]).wrapping_neg();
    pointer.extended_checksum = 0;
    pointer.extended_checksum = crate::checksum::sum_of(pointer.as_bytes()).wrapping_neg();
    pointer.as_bytes().to_vec()
}

#[test]
fn revision_1_is_read_as_0_and_later_revisions_as_2() {
    let with_revision = |revision| {
        let mut pointer = extended_rsdp(RSDT, XSDT);
        pointer.rsdp.revision = revision;
        machine(&sealed(pointer))
    };
    assert_eq!(
        walk(&with_revision(1)),
        (["AAAA", "BBBB"].to_vec(), [(15, "rsdp.revision", Repaired)].to_vec())
    );
    assert_eq!(walk(&with_revision(255)), (["CCCC", "DDDD"].to_vec(), Vec::new()));
}

#[test]
fn a_pointer_too_short_for_an_xsdt_leads_to_the_rsdt() {
    for length in [0, 20, 35] {
        let mut pointer = extended_rsdp(RSDT, XSDT);
        pointer.length = length.into();
        let reported = [(20, "rsdp.length", Repaired)].to_vec();
        assert_eq!(walk(&machine(&sealed(pointer))), (["AAAA", "BBBB"].to_vec(), reported), "{length}");
    }
    let cut = &extended_rsdp(RSDT, XSDT).as_bytes()[..35].to_vec();
    let reported = [(20, "rsdp.length", Repaired)].to_vec();
    assert_eq!(walk(&machine(cut)), (["AAAA", "BBBB"].to_vec(), reported));
}

#[test]
fn a_pointer_longer_than_memory_is_read_up_to_its_known_fields() {
    for length in [37, u32::MAX] {
        let mut pointer = extended_rsdp(RSDT, XSDT);
        pointer.length = length.into();
        let reported = [(20, "rsdp.length", Repaired)].to_vec();
        assert_eq!(walk(&machine(&sealed(pointer))), (["CCCC", "DDDD"].to_vec(), reported), "{length}");
    }
}

#[test]
fn an_xsdt_address_that_leads_to_no_xsdt_leaves_the_rsdt() {
    for xsdt in [0, 0xdead_0000, u64::MAX, 0x10_0000] {
        let reported = [(24, "rsdp.root", Dropped)].to_vec();
        let pointer = extended_rsdp(RSDT, xsdt);
        assert_eq!(
            walk(&machine(pointer.as_bytes())),
            (["AAAA", "BBBB"].to_vec(), reported),
            "an XSDT at {xsdt:#x}"
        );
    }
}

#[test]
fn an_xsdt_shorter_than_its_header_leaves_the_rsdt() {
    let mut memory = machine(extended_rsdp(RSDT, XSDT).as_bytes());
    for (base, bytes) in &mut memory {
        if *base == XSDT {
            bytes[4] = 35;
        }
    }
    assert_eq!(walk(&memory), (["AAAA", "BBBB"].to_vec(), [(4, "table.length", Refused)].to_vec()));
}

#[test]
fn without_any_root_table_there_are_no_tables() {
    let reported = [(16, "rsdp.root", Dropped), (0, "rsdp.root", Refused)];
    assert_eq!(walk(&machine(rsdp(0).as_bytes())), (Vec::new(), reported.to_vec()));
    let reported = [(24, "rsdp.root", Dropped), (16, "rsdp.root", Dropped), (0, "rsdp.root", Refused)];
    assert_eq!(walk(&machine(extended_rsdp(0, 0).as_bytes())), (Vec::new(), reported.to_vec()));
}

#[test]
fn null_and_stray_entries_cost_only_themselves() {
    let mut memory = tables();
    memory.push((POINTER, extended_rsdp(0, XSDT).as_bytes().to_vec()));
    let addresses = [0x10_0000, 0, 0xdead_0000, 0x20_0000, 0, u64::MAX - 7];
    memory.push((XSDT, TableBuilder::xsdt(&addresses).build()));
    let reported = [(52, "root.entry", Dropped), (76, "root.entry", Dropped), (44, "root.entry", Dropped)];
    assert_eq!(walk(&memory), (["AAAA", "BBBB"].to_vec(), reported.to_vec()));
}

#[test]
fn a_partial_address_at_the_end_is_ignored() {
    let mut memory = tables();
    memory.push((POINTER, rsdp(RSDT).as_bytes().to_vec()));
    memory.push((RSDT.into(), TableBuilder::rsdt(&[0x10_0000]).entry(&[0_u8, 0, 0x20]).build()));
    assert_eq!(walk(&memory), (["AAAA"].to_vec(), [(40, "root.length", Repaired)].to_vec()));
}

#[test]
fn a_root_table_with_a_bad_checksum_or_past_memory_is_used() {
    for (byte, value, rule) in [(9, 0x55, "table.checksum"), (5, 0xff, "table.length")] {
        let mut memory = machine(rsdp(RSDT).as_bytes());
        for (base, bytes) in &mut memory {
            if *base == u64::from(RSDT) {
                bytes[byte] = value;
            }
        }
        let (found, reported) = walk(&memory);
        assert_eq!(found, ["AAAA", "BBBB"]);
        assert_eq!(reported.iter().map(|reported| reported.1).collect::<Vec<_>>(), [rule]);
    }
}

#[test]
fn of_too_many_tables_the_first_are_taken() {
    let mut memory = tables();
    memory.push((POINTER, rsdp(RSDT).as_bytes().to_vec()));
    memory.push((RSDT.into(), TableBuilder::rsdt(&[0x10_0000; MAX_TABLES + 9]).build()));
    let (found, reported) = walk(&memory);
    assert_eq!((found.len(), reported), (MAX_TABLES, [(36 + 4 * 256, "tables.full", Dropped)].to_vec()));
}

#[test]
fn a_table_has_the_bytes_that_its_header_and_memory_allow() {
    let mut memory = machine(rsdp(RSDT).as_bytes());
    memory[0].1[4..8].copy_from_slice(&20_u32.to_le_bytes());
    memory[1].1[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut lengths = Vec::new();
    let mut ignore = |_: crate::Finding| {};
    read_tables(PhysAddr(POINTER), &bytes_of(&memory), &mut ignore, &mut |table| lengths.push(table.len()));
    assert_eq!(lengths, [36, 44]);
}

#[test]
fn every_flipped_bit_in_pointer_and_root_table_is_survived_and_reported() {
    for pointer in [rsdp(RSDT).as_bytes(), extended_rsdp(RSDT, XSDT).as_bytes()] {
        let correct = machine(pointer);
        let is_on_path =
            |base: u64| base == POINTER || base == if pointer.len() == 20 { RSDT.into() } else { XSDT };
        for piece in (0..correct.len()).filter(|&piece| is_on_path(correct[piece].0)) {
            for bit in 0..correct[piece].1.len() * 8 {
                let mut memory = correct.clone();
                memory[piece].1[bit / 8] ^= 1 << (bit % 8);
                let (found, reported) = walk(&memory);
                assert!(!reported.is_empty(), "bit {bit} at {:#x}", correct[piece].0);
                // A bit costs at most one table, except in a signature, in the root table's length, and in the address of
                // the only RSDT.
                let leads_on = if correct[piece].0 == POINTER {
                    bit >= 64 && (pointer.len() > 20 || !(120..160).contains(&bit))
                } else {
                    bit >= 64
                };
                assert!(!leads_on || !found.is_empty(), "bit {bit} at {:#x}", correct[piece].0);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_followed_in_bounded_steps(
        pointer in prop::collection::vec(any::<u8>(), 0..60),
        sound_start in any::<bool>(),
        root in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut pointer = pointer;
        if sound_start && pointer.len() >= 36 {
            pointer[..36].copy_from_slice(extended_rsdp(RSDT, XSDT).as_bytes());
        }
        let mut memory = machine(&pointer);
        memory.push((XSDT, TableBuilder::xsdt(&[]).entry(&root[..]).build()));
        let (found, reported) = walk(&memory);
        prop_assert!(found.len() + reported.len() <= root.len() + 16);
    }
}
