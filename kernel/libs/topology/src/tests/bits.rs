//! Every bit of the two-node machine's SRAT and SLIT flipped, one at a time, on the way that the kernel takes: from the root
//! pointer through memory to the topology.
use acpi_tables::builder::{TableBuilder, extended_rsdp};
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
