//! Single flipped bits of the two-node machine's SRAT and SLIT. The nodes may change, but the machine boots with all of its
//! CPUs and all of its memory.
use std::ops::Range;

use acpi_tables::builder::{TableBuilder, memory_affinity};
use units::ProximityDomain;

use crate::common::{KIB, MIB, many};
use crate::injected::{assert_sound, boot_with, cpus_in, memory};

/// How many of the bits are flipped here. The host tests flip all of them.
const FLIPS: usize = 64;
/// Bytes of a table that QEMU overwrites: length and checksum.
const MENDED: [Range<usize>; 2] = [4..8, 9..10];

struct Flip {
    name: String,
    tables: [Vec<u8>; 2],
}

#[test]
#[ignore = "a soak: ./run.sh soak flips"]
fn no_single_bit_costs_memory_or_cpus() {
    let sound = tables();
    let bits: Vec<(usize, usize)> = (0..2)
        .flat_map(|table| (0..sound[table].len() * 8).map(move |bit| (table, bit)))
        .filter(|(_, bit)| !MENDED.iter().any(|bytes| bytes.contains(&(bit / 8))))
        .collect();
    let flips: Vec<Flip> = (0..FLIPS).map(|index| flip(&sound, bits[index * bits.len() / FLIPS])).collect();
    let pages = pages_with(&sound);
    many::each(
        "flips",
        &flips,
        |flip| &flip.name,
        |flip| assert_eq!(pages_with(&flip.tables), pages, "pages of all nodes"),
    );
}

fn flip(sound: &[Vec<u8>; 2], (table, bit): (usize, usize)) -> Flip {
    let mut tables = sound.clone();
    tables[table][bit / 8] ^= 1 << (bit % 8);
    Flip { name: format!("{}, byte {}, bit {}", ["SRAT", "SLIT"][table], bit / 8, bit % 8), tables }
}

/// Boots with these tables and returns the number of pages of all nodes together.
fn pages_with(tables: &[Vec<u8>; 2]) -> u64 {
    let run = boot_with(tables);
    let topology = run.topology();
    assert!(!topology.nodes.is_empty());
    assert_sound(&run, &topology);
    topology.nodes.iter().map(|node| node.pages_total).sum()
}

fn tables() -> [Vec<u8>; 2] {
    let srat = cpus_in(1, 0, 1)
        .entry(&memory_affinity(0, 640 * KIB, ProximityDomain(0)))
        .entry(&memory_affinity(MIB, 255 * MIB, ProximityDomain(0)))
        .entry(&memory(256, 256, 1));
    [srat.build(), TableBuilder::slit(2, &[10, 20, 20, 10]).build()]
}
