//! Tests of attachments, side caches and MSCT limits in the topology.
use acpi_tables::Action::{Dropped, Repaired};
use acpi_tables::builder::{TableBuilder, attachment, side_cache};
use std::vec::Vec;
use units::ProximityDomain;

use super::hmat::build;
use super::machine::*;
use crate::{MAX_SIDE_CACHES, SideCache};

pub(super) fn attach(memory: u32, initiator: u32) -> Vec<u8> {
    let entry = attachment(ProximityDomain(memory), Some(ProximityDomain(initiator)));
    zerocopy::IntoBytes::as_bytes(&entry).to_vec()
}

#[test]
fn memory_is_attached_to_its_initiator_and_of_two_to_the_lower_domain() {
    let attached = |structures: &[Vec<u8>]| {
        let (topology, reported) = build(structures);
        let performance = topology.performance().expect("an HMAT");
        let domains = (0..3).map(|index| performance.attached_initiator(node(index)).map(|domain| domain.0));
        (domains.collect::<Vec<_>>(), reported)
    };
    let valid = [attach(0, 0), attach(1, 5), attach(1, 5), attach(8, 1)];
    assert_eq!(attached(&valid), ([Some(0), Some(5), Some(1)].to_vec(), Vec::new()));
    for (first, second) in [(0, 1), (1, 0)] {
        let (found, reported) = attached(&[attach(8, first), attach(8, second)]);
        assert_eq!((found[2], reported), (Some(0), [(80, "hmat.conflict", Repaired)].to_vec()));
    }
    // Empty slots are ignored. Nodes without CPUs and unknown domains are reported.
    let faulty = [attach(0, 9), attach(0, 8), attach(9, 0), attach(0, 77), attach(88, 0)];
    let reported =
        [(80, "hmat.initiator", Dropped), (160, "hmat.domain", Dropped), (200, "hmat.domain", Dropped)];
    assert_eq!(attached(&faulty), ([None; 3].to_vec(), reported.to_vec()));
    // Memory without an initiator is attached to none, but its domain is checked.
    let unattached = [0, 9, 88]
        .map(|domain| zerocopy::IntoBytes::as_bytes(&attachment(ProximityDomain(domain), None)).to_vec());
    assert_eq!(attached(&unattached), ([None; 3].to_vec(), [(120, "hmat.domain", Dropped)].to_vec()));
}

pub(super) fn cache(domain: u32, size: u64, levels: u8, level: u8) -> Vec<u8> {
    side_cache(ProximityDomain(domain), size, [levels, level, 1, 2], 64, &[])
}

fn kept(node_index: usize, size: u64, levels: u8, level: u8) -> SideCache {
    let node = node(node_index);
    SideCache { node, level, size, levels, associativity: 1, write_policy: 2, line_size: 64 }
}

#[test]
fn side_caches_are_kept_by_node_and_level() {
    let structures =
        [cache(8, 3, 2, 2), cache(8, 4, 2, 1), cache(0, 5, 1, 1), cache(0, 5, 1, 1), cache(9, 6, 1, 1)];
    let (topology, reported) = build(&structures);
    let caches = topology.performance().map(|performance| performance.side_caches().to_vec());
    assert_eq!(caches, Some([kept(0, 5, 1, 1), kept(2, 4, 2, 1), kept(2, 3, 2, 2)].to_vec()));
    assert_eq!(reported, []);
}

#[test]
fn a_side_cache_without_bytes_or_with_an_invalid_level_or_domain_or_a_second_one_is_dropped() {
    let caches = |structures: &[Vec<u8>]| {
        let (topology, reported) = build(structures);
        let rules = reported.iter().map(|reported| (reported.1, reported.2)).collect::<Vec<_>>();
        (topology.performance().expect("an HMAT").side_caches().to_vec(), rules)
    };
    for wrong in [cache(0, 5, 1, 0), cache(0, 5, 1, 2), cache(0, 5, 0, 1), cache(0, 0, 1, 1)] {
        assert_eq!(caches(&[wrong]), (Vec::new(), [("hmat.cache", Dropped)].to_vec()));
    }
    assert_eq!(caches(&[cache(77, 5, 1, 1)]), (Vec::new(), [("hmat.domain", Dropped)].to_vec()));
    for twice in [[cache(0, 5, 1, 1), cache(0, 6, 1, 1)], [cache(0, 6, 1, 1), cache(0, 5, 1, 1)]] {
        assert_eq!(caches(&twice), ([kept(0, 5, 1, 1)].to_vec(), [("hmat.cache", Dropped)].to_vec()));
    }
}

#[test]
fn of_too_many_side_caches_the_lowest_are_kept_in_any_order() {
    let nodes = 20_u32;
    let srat = TableBuilder::srat(3).entries((0..nodes).map(|n| memory(u64::from(n) * MIB, MIB, n)));
    let mut caches: Vec<_> =
        (0..nodes).flat_map(|n| (1..=15).map(move |level| cache(n, 1, 15, level))).collect();
    let mut machine = Machine::of(srat, cpus([0]));
    let mut build = |caches: &[Vec<u8>]| {
        machine.hmat = Some(TableBuilder::hmat(2).entry(&caches.concat()[..]).build());
        let (topology, reported) = machine.build();
        let full = reported.iter().filter(|reported| reported.1 == "caches.full").count();
        assert_eq!(full, 300 - MAX_SIDE_CACHES);
        topology.performance().expect("an HMAT").side_caches().to_vec()
    };
    let kept = build(&caches);
    assert_eq!(kept.last().map(|cache| (cache.node, cache.level)), Some((node(17), 1)));
    caches.reverse();
    assert_eq!(build(&caches), kept);
}
