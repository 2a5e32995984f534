//! Every bit of the two-node machine's SRAT and SLIT flipped, one at a time, on the way that the kernel takes: from the root
//! pointer through memory to the topology.
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

/// Where the tables lie: at the end of RAM, as firmware has them.
const BASE: u64 = 511 * MIB;

/// The machine's memory around the tables, and where each of them is in it.
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

    /// What the kernel does with its memory.
    fn boot(&self, machine: &Machine, topology: &mut NumaTopology) -> Vec<Told> {
        let known = [PhysRange::new(BASE, BASE + self.bytes.len() as u64)];
        let memory = |address: PhysAddr, length| {
            let readable = KnownMemory::new(&known).readable(address, length);
            let start = address.0.checked_sub(BASE).map_or(usize::MAX, |start| start as usize);
            self.bytes.get(start..start.saturating_add(readable)).unwrap_or_default()
        };
        let mut told = Vec::new();
        let mut findings = |finding: Finding| told.push((finding.offset, finding.rule.id(), finding.action));
        let mut tables = ArrayVec::<&[u8], MAX_TABLES>::new();
        read_tables(PhysAddr(BASE), &memory, &mut findings, &mut |table| tables.push(table));
        let from_tables = Inputs::from_tables(tables.iter().copied(), &mut findings);
        let inputs = Inputs { ram: &machine.ram, boot_cpu: machine.boot_cpu, ..from_tables };
        topology.rebuild(&inputs, &mut findings);
        told
    }
}

/// Where each CPU is, and the domain of every half MiB of RAM.
fn homes(topology: &NumaTopology, ram: &[PhysRange]) -> (Vec<u32>, Vec<u32>) {
    let domain = |node| topology.node(node).expect("a node").domain.0;
    let addresses = ram.iter().flat_map(|ram| (ram.start.0..ram.end.0).step_by(MIB as usize / 2));
    let owner = |address| topology.node_of_address(PhysAddr(address)).map(domain).expect("an owner");
    (topology.cpus().iter().map(|cpu| domain(cpu.node)).collect(), addresses.map(owner).collect())
}

/// The table's own checksum made right for the length that it has now.
fn seal_at(bytes: &mut [u8], start: usize) {
    let table = &mut bytes[start..];
    let length = table.as_chunks().0.get(1).map_or(0, |&length| u32::from_le_bytes(length) as usize);
    let end = length.clamp(10, table.len());
    seal(&mut table[..end]);
}

/// What a byte of the two-node machine's SRAT says.
#[derive(PartialEq, Eq, Debug)]
enum Field {
    Signature,
    /// Nothing that counts.
    Reserved,
    Domain,
    /// Anything else.
    Other,
}

/// Four CPUs from 48 on, three ranges from 112 on; the domains' upper bits do not count in revision 1.
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

/// With the checksum made right nothing but the flipped bit itself can be told of.
#[test]
fn a_flipped_bit_under_a_right_checksum_is_told_of_or_moves_nothing() {
    let machine = Machine::two_nodes();
    let mut image = Image::of(&machine);
    let mut topology = Box::new(NumaTopology::EMPTY);
    let mut sound = Box::new(NumaTopology::EMPTY);
    assert_eq!(image.boot(&machine, &mut sound), []);
    let expected = homes(&sound, &machine.ram);
    let bits = |table: &Option<Vec<u8>>| table.as_ref().map_or(0, Vec::len) * 8;
    let flip = |image: &mut Image, topology: &mut NumaTopology, start: usize, bit: usize| {
        let saved = image.bytes.clone();
        image.bytes[start + bit / 8] ^= 1 << (bit % 8);
        seal_at(&mut image.bytes, start);
        let told = image.boot(&machine, topology);
        image.bytes = saved;
        check(topology, &machine.ram);
        assert_eq!(topology.cpus().len(), 4, "bit {bit}");
        assert!(told.iter().all(|told| told.1 != "table.checksum"), "bit {bit}: {told:?}");
        told
    };
    for bit in 0..bits(&machine.srat) {
        let start = image.srat;
        let told = flip(&mut image, &mut topology, start, bit);
        let same_homes = homes(&topology, &machine.ram) == expected;
        match field_of_srat(bit / 8) {
            Field::Signature => assert_eq!((topology.source(), told), (Source::None, Vec::new())),
            Field::Reserved => assert!(topology == sound && told.is_empty(), "bit {bit}: {told:?}"),
            // Another domain is as good, but not to the SLIT.
            Field::Domain => assert!(!same_homes && told.iter().all(|told| told.1 == "slit.domain")),
            Field::Other => assert!(same_homes || !told.is_empty(), "bit {bit} is not told of"),
        }
    }
    for bit in 0..bits(&machine.slit) {
        let start = image.slit;
        let told = flip(&mut image, &mut topology, start, bit);
        assert_eq!(homes(&topology, &machine.ram), expected, "SLIT bit {bit}");
        match bit / 8 {
            0..4 => assert!(!topology.has_distance_matrix() && told.is_empty(), "bit {bit}: {told:?}"),
            8..36 => assert!(topology == sound && told.is_empty(), "bit {bit}: {told:?}"),
            4..44 => assert!(!told.is_empty(), "bit {bit} is not told of"),
            byte => {
                let (from, to) = (node((byte - 44) / 2), node(byte % 2));
                let written = image.bytes[start + byte] ^ 1 << (bit % 8);
                let is_sound = from != to && written >= 10;
                assert_eq!(told.is_empty(), is_sound, "bit {bit}: {told:?}");
                let used = if is_sound { Some(written) } else { sound.distance(from, to) };
                assert_eq!(topology.distance(from, to), used, "bit {bit}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_two_node_machine_is_told_of_and_costs_no_more_than_its_table() {
    let machine = Machine::two_nodes();
    let mut image = Image::of(&machine);
    // A test's stack has no room for them.
    let mut topology = Box::new(NumaTopology::EMPTY);
    let mut sound = Box::new(NumaTopology::EMPTY);
    assert_eq!(image.boot(&machine, &mut sound), []);
    assert_eq!(sound.node_count(), 2);

    for (name, start, bytes) in [("SRAT", image.srat, &machine.srat), ("SLIT", image.slit, &machine.slit)] {
        let mut outcomes = BTreeMap::<_, usize>::new();
        let bits = bytes.as_ref().map_or(0, Vec::len) * 8;
        for bit in 0..bits {
            let flip = 1 << (bit % 8);
            image.bytes[start + bit / 8] ^= flip;
            let told = image.boot(&machine, &mut topology);
            image.bytes[start + bit / 8] ^= flip;

            check(&topology, &machine.ram);
            assert_eq!(topology.cpus().len(), 4, "{name} bit {bit}");
            // A table by another name is no SRAT and no SLIT.
            assert_eq!(told.is_empty(), bit < 32, "{name} bit {bit}");
            match name {
                "SLIT" => assert_eq!(topology.ranges(), sound.ranges(), "SLIT bit {bit}"),
                _ if topology.source() == Source::None => assert!(may_cost_all(bit / 8), "SRAT bit {bit}"),
                _ => {}
            }
            let mut rules: Vec<_> = told.iter().map(|told| told.1).collect();
            rules.sort_unstable();
            rules.dedup();
            *outcomes.entry((topology.node_count(), topology == sound, rules)).or_default() += 1;
        }
        println!("{name}: {bits} bits");
        for ((nodes, same, rules), count) in outcomes {
            let told = if rules.is_empty() { "nothing".into() } else { rules.join(", ") };
            let which = if same { ", as before" } else { "" };
            println!("  {count:>4} bits: {nodes} nodes{which}; told: {told}");
        }
    }
}

/// Whether all of the SRAT may hang on this byte: its signature, its length, and the length of its first entry.
fn may_cost_all(byte: usize) -> bool {
    byte < 8 || byte == 49
}
