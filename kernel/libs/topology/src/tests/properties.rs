//! Properties that hold for any machine, and for any bytes in place of its tables.
use acpi_tables::Finding;
use acpi_tables::builder::{TableBuilder, local_x2apic};
use acpi_tables::wire::SratMemoryAffinity;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;
use units::{ApicId, FRAME_SIZE, PhysAddr, PhysRange};

use super::machine::*;
use super::model::{Slab, owners};

/// The number of frames of the small machines in these tests.
const FRAMES: u64 = 64;

/// Generates RAM that starts and ends within frames, in ascending order and without overlaps.
fn ram() -> impl Strategy<Value = Vec<PhysRange>> {
    prop::collection::btree_set(0..FRAMES * 4, 0..12).prop_map(|edges| {
        let edges: Vec<u64> = edges.into_iter().map(|quarter| quarter * FRAME_SIZE / 4).collect();
        edges.as_chunks().0.iter().map(|&[start, end]| PhysRange::new(start, end)).collect()
    })
}

fn slabs() -> impl Strategy<Value = Vec<Slab>> {
    let slab = (0..FRAMES, 1..FRAMES / 2, 0..5_u32, any::<bool>(), prop::bool::weighted(0.2));
    prop::collection::vec(slab, 0..10).prop_map(|slabs| {
        slabs
            .into_iter()
            .map(|(start, frames, domain, hot_pluggable, persistent)| Slab {
                start,
                frames,
                domain,
                hot_pluggable,
                persistent,
            })
            .collect()
    })
}

fn entry(slab: &Slab) -> SratMemoryAffinity {
    let hot = if slab.hot_pluggable { SratMemoryAffinity::HOT_PLUGGABLE } else { 0 };
    let persistent = if slab.persistent { SratMemoryAffinity::NON_VOLATILE } else { 0 };
    memory_with(hot | persistent, slab.start * FRAME_SIZE, slab.frames * FRAME_SIZE, slab.domain)
}

/// A machine with correct tables: ascending domains, each with CPUs and ranges of its own.
#[derive(Clone, Debug)]
struct Correct {
    domains: Vec<u32>,
    /// APIC id, index of the domain, and true if the CPU is enabled.
    cpus: Vec<(u32, usize, bool)>,
    /// Base, length, index of the domain.
    ranges: Vec<(u64, u64, usize)>,
    matrix: Vec<u8>,
}

fn correct() -> impl Strategy<Value = Correct> {
    let domains = prop::collection::btree_set(0..12_u32, 1..7);
    domains.prop_flat_map(|domains| {
        let count = domains.len();
        let cpus = cpu_list(count);
        let ranges = prop::collection::vec((0..3_u64, 1..5_u64, 0..count), 1..20);
        let matrix = prop::collection::vec(11..=255_u8, 144);
        (Just(domains), cpus, ranges, matrix).prop_map(|(domains, cpus, slots, mut matrix)| {
            let mut end = 0;
            let ranges = slots.into_iter().map(|(gap, frames, domain)| {
                let base = end + gap * FRAME_SIZE;
                end = base + frames * FRAME_SIZE;
                (base, frames * FRAME_SIZE, domain)
            });
            (0..12).for_each(|n| matrix[n * 13] = 10);
            Correct { domains: domains.into_iter().collect(), cpus, ranges: ranges.collect(), matrix }
        })
    })
}

/// Generates CPUs in any order, with distinct APIC ids.
fn cpu_list(domains: usize) -> impl Strategy<Value = Vec<(u32, usize, bool)>> {
    let cpus = prop::collection::btree_map(0..400_u32, (0..domains, any::<bool>()), 1..20);
    cpus.prop_map(|map| map.into_iter().map(|(id, (domain, here))| (id, domain, here)).collect::<Vec<_>>())
        .prop_shuffle()
}

impl Correct {
    fn machine(&self) -> Machine {
        let srat = TableBuilder::srat(3)
            .entries(self.cpus.iter().rev().map(|&(id, domain, _)| cpu(id, self.domains[domain])))
            .entries(
                self.ranges
                    .iter()
                    .rev()
                    .map(|&(base, length, domain)| memory(base, length, self.domains[domain])),
            );
        let madt = TableBuilder::madt().entries(
            self.cpus.iter().map(
                |&(id, _, here)| {
                    if here { local_x2apic(id, ApicId(id)) } else { absent_cpu(id) }
                },
            ),
        );
        let ram = self.ranges.iter().map(|&(base, length, _)| PhysRange::new(base, base + length)).collect();
        let slit = Some(TableBuilder::slit(12, &self.matrix).build());
        Machine { slit, ram, ..Machine::of(srat, madt) }
    }
}

proptest! {
    #[test]
    fn the_topology_of_a_correct_machine_matches_its_tables(correct in correct()) {
        let machine = correct.machine();
        let (topology, reported) = machine.build();
        check(&topology, &machine.ram);
        prop_assert_eq!(reported, []);

        let here = || correct.cpus.iter().filter(|cpu| cpu.2);
        let used: BTreeSet<usize> = here().map(|cpu| cpu.1).chain(correct.ranges.iter().map(|range| range.2)).collect();
        let used: Vec<usize> = used.into_iter().collect();
        let index = |domain: usize| used.iter().position(|&used| used == domain).unwrap();
        prop_assert_eq!(domains(&topology), used.iter().map(|&domain| correct.domains[domain]).collect::<Vec<_>>());
        prop_assert_eq!(placed(&topology), here().map(|&(id, domain, _)| (id, index(domain))).collect::<Vec<_>>());
        let expected: Vec<_> = correct.ranges.iter().map(|&(base, length, domain)| (base, base + length, index(domain))).collect();
        prop_assert_eq!(ranges(&topology), expected);
        for (from, &first) in used.iter().enumerate() {
            for (to, &second) in used.iter().enumerate() {
                let written = correct.matrix[(correct.domains[first] * 12 + correct.domains[second]) as usize];
                prop_assert_eq!(topology.distance(node(from), node(to)), Some(written));
            }
        }
    }

    #[test]
    fn every_frame_has_the_owner_that_the_naive_model_gives(slabs in slabs(), ram in ram()) {
        let srat = TableBuilder::srat(3).entries(slabs.iter().map(entry)).build();
        let machine = Machine { srat: Some(srat), ram, ..Machine::default() };
        let (topology, _) = machine.build();
        check(&topology, &machine.ram);
        if topology.source() != crate::Source::Srat {
            return Ok(());
        }
        for (frame, owner) in (0..).zip(owners(&slabs, &machine.ram, 2 * FRAMES)) {
            let bytes = (frame * FRAME_SIZE..(frame + 1) * FRAME_SIZE).step_by(FRAME_SIZE as usize / 4);
            let found: BTreeSet<u32> = bytes
                .filter_map(|address| topology.node_of_address(PhysAddr(address)))
                .map(|node| topology.node(node).unwrap().domain.0)
                .collect();
            prop_assert_eq!(found, owner.into_iter().collect::<BTreeSet<_>>(), "frame {}", frame);
        }
    }

    #[test]
    fn permuting_entries_changes_nothing(
        slabs in slabs(),
        ram in ram(),
        cpu_entries in prop::collection::vec((0..12_u32, 0..5_u32), 0..12),
        seed in any::<u64>(),
    ) {
        let mut entries: Vec<Vec<u8>> = Vec::new();
        entries.extend(slabs.iter().map(|slab| zerocopy::IntoBytes::as_bytes(&entry(slab)).to_vec()));
        entries.extend(cpu_entries.iter().map(|&(id, domain)| zerocopy::IntoBytes::as_bytes(&cpu(id, domain)).to_vec()));
        let build = |entries: &[Vec<u8>]| {
            let machine = Machine { ram: ram.clone(), ..Machine::of(TableBuilder::srat(3).entry(&entries.concat()[..]), cpus(0..8)) };
            machine.build()
        };
        let (topology, reported) = build(&entries);
        // Sorts by a hash with the seed, so that each seed gives another order.
        entries.sort_by_key(|entry| entry.iter().fold(seed, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)));
        let (permuted, reported_permuted) = build(&entries);
        prop_assert_eq!(topology, permuted);
        let rules = |reported: Vec<Reported>| reported.into_iter().map(|reported| reported.1).collect::<BTreeSet<_>>();
        prop_assert_eq!(rules(reported), rules(reported_permuted));
    }

    #[test]
    fn any_bytes_give_a_valid_topology(
        srat in prop::collection::vec(any::<u8>(), 0..300),
        madt in prop::collection::vec(any::<u8>(), 0..200),
        localities in prop_oneof![0..20_u64, any::<u64>()],
        matrix in prop::collection::vec(any::<u8>(), 0..300),
        ram in ram(),
        boot_cpu in prop::option::of(any::<u32>()),
        revision in 0..4_u8,
    ) {
        let machine = Machine {
            slit: Some(TableBuilder::slit(localities, &matrix).build()),
            boot_cpu: boot_cpu.map(ApicId),
            ram,
            ..Machine::of(TableBuilder::srat(revision).entry(&srat[..]), TableBuilder::madt().entry(&madt[..]))
        };
        let (topology, reported) = machine.build();
        check(&topology, &machine.ram);
        prop_assert!(reported.len() <= srat.len() + madt.len() + machine.ram.len() + 2 * topology.node_count() + 300);
    }

    #[test]
    fn flipped_bits_and_cut_tables_of_a_correct_machine_lose_no_frame(
        correct in correct(),
        flips in prop::collection::vec((0..3_usize, any::<prop::sample::Index>(), 0..8_u32), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut machine = correct.machine();
        for (table, index, bit) in flips {
            let table = [&mut machine.srat, &mut machine.slit, &mut machine.madt][table].as_mut().unwrap();
            let index = 4 + index.index(table.len() - 4);
            table[index] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            let srat = machine.srat.as_mut().unwrap();
            srat.truncate(cut.index(srat.len()));
        }
        let (topology, _) = machine.build();
        check(&topology, &machine.ram);
    }
}

#[test]
fn no_finding_is_longer_than_a_line() {
    let machine = Machine::two_nodes();
    let mut srat = machine.srat.unwrap_or_default();
    for index in 48..srat.len() {
        let old = core::mem::replace(&mut srat[index], 0xff);
        let mut findings = |finding: Finding| {
            let text = std::format!("{finding}");
            assert!(text.len() < 160 && !text.contains('\n'), "{text}");
        };
        let srat_read = acpi_tables::find_srat([&srat[..]], &mut findings);
        let inputs = crate::Inputs { srat: srat_read, ram: &machine.ram, ..crate::Inputs::default() };
        let _ = crate::NumaTopology::build(&inputs, &mut findings);
        srat[index] = old;
    }
}
