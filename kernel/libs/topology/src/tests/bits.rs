//! Tests that flip each bit of the two-node machine's SRAT and SLIT, and then build the topology as the kernel does: from
//! the root pointer, through memory.
use acpi_tables::builder::{TableBuilder, extended_rsdp, seal};
use acpi_tables::{Finding, KnownMemory, MAX_TABLES, read_tables};
use arrayvec::ArrayVec;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::println;
use std::vec::Vec;
use units::{PhysAddr, PhysRange};
use zerocopy::IntoBytes;

use super::machine::*;
use crate::{Inputs, NumaTopology, Source};

/// The address of the tables: at the end of RAM, where firmware usually puts them.
const BASE: u64 = 511 * MIB;

/// The memory that contains the tables, and the offsets of two of them.
struct Image {
    bytes: Vec<u8>,
    srat: usize,
    slit: usize,
}

impl Image {
    fn of(machine: &Machine) -> Self {
        let mut bytes = extended_rsdp(0, 0).as_bytes().to_vec();
        let mut place = |table: &Option<Vec<u8>>| {
            let at = bytes.len();
            bytes.extend_from_slice(table.as_deref().expect("a table"));
            at
        };
        let [madt, srat, slit] = [&machine.madt, &machine.srat, &machine.slit].map(&mut place);
        let addresses = [madt, srat, slit].map(|at| BASE + at as u64);
        let xsdt = place(&Some(TableBuilder::xsdt(&addresses).build()));
        let pointer = extended_rsdp(0, BASE + xsdt as u64);
        bytes[..size_of_val(&pointer)].copy_from_slice(pointer.as_bytes());
        Self { bytes, srat, slit }
    }

    /// Builds the topology as the kernel does. Returns the findings.
    fn boot(&self, machine: &Machine, topology: &mut NumaTopology) -> Vec<Reported> {
        let known = [PhysRange::new(BASE, BASE + self.bytes.len() as u64)];
        let memory = |address: PhysAddr, length| {
            let readable = KnownMemory::new(&known).readable(address, length);
            let start = address.0.checked_sub(BASE).map_or(usize::MAX, |start| start as usize);
            self.bytes.get(start..start.saturating_add(readable)).unwrap_or_default()
        };
        let mut reported = Vec::new();
        let mut findings =
            |finding: Finding| reported.push((finding.offset, finding.rule.id(), finding.action));
        let mut tables = ArrayVec::<&[u8], MAX_TABLES>::new();
        read_tables(PhysAddr(BASE), &memory, &mut findings, &mut |table| tables.push(table));
        let from_tables = Inputs::from_tables(tables.iter().copied(), &mut findings);
        let inputs = Inputs { ram: &machine.ram, boot_cpu: machine.boot_cpu, ..from_tables };
        topology.rebuild(&inputs, &mut findings);
        reported
    }
}

/// Returns the domain of each CPU and of every half MiB of RAM.
fn domains_of(topology: &NumaTopology, ram: &[PhysRange]) -> (Vec<u32>, Vec<u32>) {
    let domain = |node| topology.node(node).expect("a node").domain.0;
    let addresses = ram.iter().flat_map(|ram| (ram.start.0..ram.end.0).step_by(MIB as usize / 2));
    let owner = |address| topology.node_of_address(PhysAddr(address)).map(domain).expect("an owner");
    (topology.cpus().iter().map(|cpu| domain(cpu.node)).collect(), addresses.map(owner).collect())
}

/// Makes the table's checksum correct for its current length.
fn seal_at(bytes: &mut [u8], start: usize) {
    let table = &mut bytes[start..];
    let length = table.as_chunks().0.get(1).map_or(0, |&length| u32::from_le_bytes(length) as usize);
    let end = length.clamp(10, table.len());
    seal(&mut table[..end]);
}

/// The kind of field that a byte of the two-node machine's SRAT belongs to.
#[derive(PartialEq, Eq, Debug)]
enum Field {
    Signature,
    /// A byte without influence.
    Reserved,
    Domain,
    /// Any other field.
    Other,
}

/// Returns the field of a byte. CPUs start at 48, ranges at 112. Revision 1 ignores the upper bits of a domain.
fn field_of_srat(byte: usize) -> Field {
    match byte {
        0..4 => Field::Signature,
        8..48 => Field::Reserved,
        48..112 => match (byte - 48) % 16 {
            2 => Field::Domain,
            8 | 12.. => Field::Reserved,
            _ => Field::Other,
        },
        112.. => match (byte - 112) % 40 {
            2 => Field::Domain,
            6 | 7 | 24..28 | 32.. => Field::Reserved,
            _ => Field::Other,
        },
        _ => Field::Other,
    }
}

/// With a correct checksum, only the flipped bit itself can cause a finding.
#[test]
fn a_flipped_bit_with_a_correct_checksum_is_reported_or_changes_no_domain() {
    let machine = Machine::two_nodes();
    let mut image = Image::of(&machine);
    let mut topology = Box::new(NumaTopology::EMPTY);
    let mut correct = Box::new(NumaTopology::EMPTY);
    assert_eq!(image.boot(&machine, &mut correct), []);
    let expected = domains_of(&correct, &machine.ram);
    let bits = |table: &Option<Vec<u8>>| table.as_ref().map_or(0, Vec::len) * 8;
    let flip = |image: &mut Image, topology: &mut NumaTopology, start: usize, bit: usize| {
        let saved = image.bytes.clone();
        image.bytes[start + bit / 8] ^= 1 << (bit % 8);
        seal_at(&mut image.bytes, start);
        let reported = image.boot(&machine, topology);
        image.bytes = saved;
        check(topology, &machine.ram);
        assert_eq!(topology.cpus().len(), 4, "bit {bit}");
        assert!(reported.iter().all(|reported| reported.1 != "table.checksum"), "bit {bit}: {reported:?}");
        reported
    };
    for bit in 0..bits(&machine.srat) {
        let start = image.srat;
        let reported = flip(&mut image, &mut topology, start, bit);
        let unchanged = domains_of(&topology, &machine.ram) == expected;
        match field_of_srat(bit / 8) {
            // Without an SRAT, the SLIT says nothing.
            Field::Signature => {
                let rules: Vec<_> = reported.iter().map(|reported| reported.1).collect();
                assert_eq!((topology.source(), rules), (Source::None, std::vec!["slit.srat"]));
            }
            Field::Reserved => assert!(topology == correct && reported.is_empty(), "bit {bit}: {reported:?}"),
            // Another domain is equally valid, but the SLIT has no row for it.
            Field::Domain => {
                assert!(!unchanged && reported.iter().all(|reported| reported.1 == "slit.domain"))
            }
            Field::Other => assert!(unchanged || !reported.is_empty(), "bit {bit} is not reported"),
        }
    }
    for bit in 0..bits(&machine.slit) {
        let start = image.slit;
        let reported = flip(&mut image, &mut topology, start, bit);
        assert_eq!(domains_of(&topology, &machine.ram), expected, "SLIT bit {bit}");
        match bit / 8 {
            0..4 => {
                assert!(!topology.has_distance_matrix() && reported.is_empty(), "bit {bit}: {reported:?}")
            }
            8..36 => assert!(topology == correct && reported.is_empty(), "bit {bit}: {reported:?}"),
            4..44 => assert!(!reported.is_empty(), "bit {bit} is not reported"),
            byte => {
                let (from, to) = (node((byte - 44) / 2), node(byte % 2));
                let written = image.bytes[start + byte] ^ 1 << (bit % 8);
                let is_valid = from != to && written >= 10;
                assert_eq!(reported.is_empty(), is_valid, "bit {bit}: {reported:?}");
                let used = if is_valid { Some(written) } else { correct.distance(from, to) };
                assert_eq!(topology.distance(from, to), used, "bit {bit}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_two_node_machine_is_reported_and_costs_at_most_its_table() {
    let machine = Machine::two_nodes();
    let mut image = Image::of(&machine);
    // Two topologies do not fit on a test's stack.
    let mut topology = Box::new(NumaTopology::EMPTY);
    let mut correct = Box::new(NumaTopology::EMPTY);
    assert_eq!(image.boot(&machine, &mut correct), []);
    assert_eq!(correct.node_count(), 2);

    for (name, start, bytes) in [("SRAT", image.srat, &machine.srat), ("SLIT", image.slit, &machine.slit)] {
        let mut outcomes = BTreeMap::<_, usize>::new();
        let bits = bytes.as_ref().map_or(0, Vec::len) * 8;
        for bit in 0..bits {
            let flip = 1 << (bit % 8);
            image.bytes[start + bit / 8] ^= flip;
            let reported = image.boot(&machine, &mut topology);
            image.bytes[start + bit / 8] ^= flip;

            check(&topology, &machine.ram);
            assert_eq!(topology.cpus().len(), 4, "{name} bit {bit}");
            // With another signature, the table is not a SLIT, which is no finding. Without an SRAT, the SLIT says nothing.
            assert_eq!(reported.is_empty(), name == "SLIT" && bit < 32, "{name} bit {bit}");
            match name {
                "SLIT" => assert_eq!(topology.ranges(), correct.ranges(), "SLIT bit {bit}"),
                _ if topology.source() == Source::None => assert!(may_cost_all(bit / 8), "SRAT bit {bit}"),
                _ => {}
            }
            let mut rules: Vec<_> = reported.iter().map(|reported| reported.1).collect();
            rules.sort_unstable();
            rules.dedup();
            *outcomes.entry((topology.node_count(), topology == correct, rules)).or_default() += 1;
        }
        println!("{name}: {bits} bits");
        for ((nodes, same, rules), count) in outcomes {
            let reported = if rules.is_empty() { "nothing".into() } else { rules.join(", ") };
            let which = if same { ", as before" } else { "" };
            println!("  {count:>4} bits: {nodes} nodes{which}; findings: {reported}");
        }
    }
}

/// Returns true if a change of this byte may make the SRAT unusable: the signature, the length, the first entry's length.
fn may_cost_all(byte: usize) -> bool {
    byte < 8 || byte == 49
}
