//! Latency, bandwidth, attachments and side caches in the topology, and what a wrong HMAT costs.
use acpi_tables::Action::{Dropped, Mended};
use acpi_tables::DeviceHandle;
use acpi_tables::builder::{
    TableBuilder, attachment, generic_initiator, generic_port, latency_and_bandwidth, msct_domains, seal,
    side_cache,
};
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;
use units::{MAX_NODES, NodeId, PhysAddr, ProximityDomain};

use super::machine::*;
use crate::Figure::{Known, Unreachable, Unspecified};
use crate::{Figure, LARGEST_FIGURE, Limits, MAX_SIDE_CACHES, NumaMode, NumaTopology, SideCache};

const DEVICE: DeviceHandle = DeviceHandle::Pci { segment: 0, bus: 1, device: 2, function: 3 };

/// Data types of matrices.
const ACCESS_LATENCY: u8 = 0;
const READ_LATENCY: u8 = 1;
const WRITE_LATENCY: u8 = 2;
const ACCESS_BANDWIDTH: u8 = 3;
const WRITE_BANDWIDTH: u8 = 5;

/// Nodes 0 and 1 with a CPU and memory each, node 2 with memory alone (domain 8), and a device alone in domain 5. Domain
/// 9 has a CPU that may come later.
fn machine(structures: &[Vec<u8>]) -> Machine {
    let srat = TableBuilder::srat(3)
        .entries([cpu(0, 0), cpu(1, 1), cpu(2, 9)])
        .entries([memory(0, MIB, 0), memory(MIB, MIB, 1), memory(2 * MIB, MIB, 8)])
        .entry(&generic_initiator(DEVICE, ProximityDomain(5)));
    let hmat = TableBuilder::hmat(2).entry(&structures.concat()[..]).build();
    Machine { hmat: Some(hmat), ..Machine::of(srat, cpus([0, 1]).entry(&absent_cpu(2))) }
}

fn build(structures: &[Vec<u8>]) -> (Box<NumaTopology>, Vec<Told>) {
    let built = machine(structures).build();
    check(&built.0, &[]);
    built
}

/// The figures of all initiators and nodes, row by row.
fn figures(topology: &NumaTopology, figure: impl Fn(crate::Reach) -> Figure) -> Vec<Vec<Figure>> {
    let performance = topology.performance().expect("an HMAT");
    let rows = 0..performance.initiators().len();
    let nodes = || topology.nodes().iter().map(|node| node.id);
    rows.map(|row| nodes().filter_map(|to| performance.reach(row, to)).map(&figure).collect()).collect()
}

fn read_latencies(topology: &NumaTopology) -> Vec<Vec<Figure>> {
    figures(topology, |reach| reach.read_latency_ps)
}

/// One matrix from domain 0 to domain 0 with this value.
fn single(data_type: u8, value: u16) -> Vec<u8> {
    latency_and_bandwidth(data_type, 1, &[0], &[0], &[value])
}

fn reach_at_home(structures: &[Vec<u8>]) -> ([Figure; 4], Vec<Told>) {
    let (topology, told) = build(structures);
    let performance = topology.performance().expect("an HMAT");
    let reach = performance.between(NodeId::ZERO, NodeId::ZERO).expect("a node with CPUs");
    let latencies = [reach.read_latency_ps, reach.write_latency_ps];
    let [read, write] = latencies;
    ([read, write, reach.read_bandwidth_mbps, reach.write_bandwidth_mbps], told)
}

#[test]
fn without_an_hmat_or_without_nodes_of_the_srats_there_is_no_performance() {
    let mut machine = machine(&[single(ACCESS_LATENCY, 7)]);
    assert!(machine.build().0.performance().is_some());
    machine.numa = NumaMode::Off;
    assert_eq!(machine.build().0.performance(), None);
    machine.numa = NumaMode::FromFirmware;
    machine.hmat = None;
    assert_eq!(machine.build().0.performance(), None);
    assert_eq!(Machine::default().build().0.performance(), None);
}

#[test]
fn nodes_with_cpus_and_devices_are_the_initiators_and_every_value_has_its_place() {
    let values = [10, 20, 30, 40, 0, 0xffff, 70, 80, 90];
    let matrix = latency_and_bandwidth(READ_LATENCY, 100, &[5, 1, 0], &[8, 0, 1], &values);
    let (topology, told) = build(&[matrix]);
    assert_eq!(told, []);
    let performance = topology.performance().expect("an HMAT");
    let initiators = performance.initiators().iter().map(|initiator| (initiator.domain.0, initiator.node));
    assert_eq!(
        initiators.collect::<Vec<_>>(),
        [(0, Some(node(0))), (1, Some(node(1))), (5, None)],
        "by domain; the device's is no node"
    );
    let expected = [
        [Known(8000), Known(9000), Known(7000)],
        [Unspecified, Unreachable, Known(4000)],
        [Known(2000), Known(3000), Known(1000)],
    ];
    assert_eq!(read_latencies(&topology), expected);
    assert_eq!(figures(&topology, |reach| reach.write_bandwidth_mbps), [[Unspecified; 3]; 3]);
    assert_eq!(performance.between(node(1), node(1)), performance.reach(1, node(1)));
    assert_eq!(performance.between(node(2), node(0)), None, "a node without CPUs");
    assert_eq!(performance.reach(3, node(0)), None);
    assert_eq!(performance.reach(0, node(3)), None);
}

#[test]
fn what_is_said_of_reads_or_writes_alone_goes_before_what_is_said_of_both() {
    let structures = [single(ACCESS_LATENCY, 50), single(WRITE_LATENCY, 70), single(ACCESS_BANDWIDTH, 9)];
    let expected = [Known(50), Known(70), Known(9), Known(9)];
    for turned in [structures.to_vec(), structures.iter().rev().cloned().collect()] {
        assert_eq!(reach_at_home(&turned), (expected, Vec::new()));
    }
}

#[test]
fn of_two_values_for_one_thing_the_worse_is_used_whatever_their_order() {
    for (data_type, values, worse) in [
        (READ_LATENCY, [50, 70], Known(70)),
        (READ_LATENCY, [50, 0xffff], Unreachable),
        (WRITE_BANDWIDTH, [50, 70], Known(50)),
        (WRITE_BANDWIDTH, [50, 0xffff], Unreachable),
    ] {
        for values in [values, [values[1], values[0]]] {
            let (found, told) = reach_at_home(&values.map(|value| single(data_type, value)));
            let found = if data_type == READ_LATENCY { found[0] } else { found[3] };
            assert_eq!((found, told), (worse, [(82, "hmat.conflict", Mended)].to_vec()));
        }
    }
    let (_, told) =
        reach_at_home(&[single(READ_LATENCY, 5), single(READ_LATENCY, 5), single(READ_LATENCY, 0)]);
    assert_eq!(told, [], "saying it twice, or saying nothing, contradicts nothing");
}

#[test]
fn what_holds_for_some_transfers_gives_way_and_is_no_conflict() {
    let mut some = single(READ_LATENCY, 90);
    some[8] = 1 << 4;
    let mut others = single(READ_LATENCY, 80);
    others[8] = 1 << 5;
    let all = single(READ_LATENCY, 50);
    let (found, told) = reach_at_home(&[some.clone(), others.clone(), all]);
    assert_eq!((found[0], told), (Known(50), Vec::new()));
    let (found, told) = reach_at_home(&[some, others]);
    assert_eq!((found[0], told), (Known(90), Vec::new()));
}

#[test]
fn levels_of_cache_are_not_memory() {
    let mut cache = single(READ_LATENCY, 5);
    cache[8] = 1;
    assert_eq!(reach_at_home(&[cache]), ([Unspecified; 4], Vec::new()));
}

#[test]
fn a_value_too_large_to_be_kept_is_the_largest_that_is() {
    let largest = u64::from(LARGEST_FIGURE);
    for (unit, value, too_large) in
        [(largest, 1, false), (largest + 1, 1, true), (1 << 32, 1, true), (u64::MAX, 0xfffe, true)]
    {
        let (found, told) = reach_at_home(&[latency_and_bandwidth(READ_LATENCY, unit, &[0], &[0], &[value])]);
        let expected = if too_large { [(40, "hmat.value", Mended)].to_vec() } else { Vec::new() };
        assert_eq!((found[0], told), (Known(LARGEST_FIGURE), expected), "{value} times {unit}");
    }
}

#[test]
fn domains_that_the_srat_does_not_name_are_told_once_a_matrix_and_others_passed_over() {
    // 9 is a slot's: as an initiator it is nothing, but known. 8 is a node without CPUs.
    let values = [1; 24];
    let matrix = latency_and_bandwidth(READ_LATENCY, 1, &[8, 9, 77, 0, 78, 79], &[0, 88, 9, 5], &values);
    let (topology, told) = build(&[matrix]);
    let (domain, initiator) = ((40, "hmat.domain", Dropped), (40, "hmat.initiator", Dropped));
    assert_eq!(told, [domain, initiator, domain]);
    assert_eq!(read_latencies(&topology)[0], [Known(1), Unspecified, Unspecified]);
    assert_eq!(read_latencies(&topology)[1], [Unspecified; 3]);
}

#[test]
fn initiators_where_nothing_initiates_are_told_once_a_matrix() {
    let srat = TableBuilder::srat(3)
        .entry(&cpu(0, 0))
        .entries([memory(0, MIB, 0), memory(MIB, MIB, 8)])
        .entry(&generic_port(DEVICE, ProximityDomain(6)));
    let matrix = latency_and_bandwidth(READ_LATENCY, 1, &[6, 0, 8], &[0, 8], &[1, 2, 3, 4, 5, 6]);
    let hmat = Some(TableBuilder::hmat(2).entry(&matrix[..]).build());
    let (topology, told) = Machine { hmat, ..Machine::of(srat, cpus([0])) }.build();
    assert_eq!(told, [(40, "hmat.initiator", Dropped)]);
    assert_eq!(read_latencies(&topology), [[Known(3), Known(4)]]);
}

#[test]
fn a_short_matrix_and_one_of_huge_counts_cost_what_they_lack() {
    let short = latency_and_bandwidth(READ_LATENCY, 1, &[0, 1], &[0, 1], &[5, 6, 7]);
    let mut huge = latency_and_bandwidth(WRITE_LATENCY, 1, &[0], &[0], &[5]);
    huge[12..20].fill(0xff);
    let (topology, told) = build(&[short, huge]);
    assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>(), ["hmat.matrix.size"; 2]);
    let rows = read_latencies(&topology);
    assert_eq!((rows[0][1], rows[1][0], rows[1][1]), (Known(6), Known(7), Unspecified));
}

fn attach(memory: u32, initiator: u32) -> Vec<u8> {
    let entry = attachment(ProximityDomain(memory), Some(ProximityDomain(initiator)));
    zerocopy::IntoBytes::as_bytes(&entry).to_vec()
}

#[test]
fn memory_is_attached_to_its_initiator_and_of_two_to_the_lower() {
    let attached = |structures: &[Vec<u8>]| {
        let (topology, told) = build(structures);
        let performance = topology.performance().expect("an HMAT");
        let domains = (0..3).map(|index| performance.attached_initiator(node(index)).map(|domain| domain.0));
        (domains.collect::<Vec<_>>(), told)
    };
    let sound = [attach(0, 0), attach(1, 5), attach(1, 5), attach(8, 1)];
    assert_eq!(attached(&sound), ([Some(0), Some(5), Some(1)].to_vec(), Vec::new()));
    for (first, second) in [(0, 1), (1, 0)] {
        let (found, told) = attached(&[attach(8, first), attach(8, second)]);
        assert_eq!((found[2], told), (Some(0), [(80, "hmat.conflict", Mended)].to_vec()));
    }
    // Slots initiate nothing; nodes without CPUs and domains that nobody knows are told.
    let odd = [attach(0, 9), attach(0, 8), attach(9, 0), attach(0, 77), attach(88, 0)];
    let told =
        [(80, "hmat.initiator", Dropped), (160, "hmat.domain", Dropped), (200, "hmat.domain", Dropped)];
    assert_eq!(attached(&odd), ([None; 3].to_vec(), told.to_vec()));
    // Memory without an initiator is attached to none, and is some node's or a slot's all the same.
    let nobodys = [0, 9, 88]
        .map(|domain| zerocopy::IntoBytes::as_bytes(&attachment(ProximityDomain(domain), None)).to_vec());
    assert_eq!(attached(&nobodys), ([None; 3].to_vec(), [(120, "hmat.domain", Dropped)].to_vec()));
}

fn cache(domain: u32, size: u64, levels: u8, level: u8) -> Vec<u8> {
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
    let (topology, told) = build(&structures);
    let caches = topology.performance().map(|performance| performance.side_caches().to_vec());
    assert_eq!(caches, Some([kept(0, 5, 1, 1), kept(2, 4, 2, 1), kept(2, 3, 2, 2)].to_vec()));
    assert_eq!(told, []);
}

#[test]
fn a_side_cache_at_no_level_or_twice_or_of_nobodys_memory_is_dropped() {
    let caches = |structures: &[Vec<u8>]| {
        let (topology, told) = build(structures);
        let rules = told.iter().map(|told| (told.1, told.2)).collect::<Vec<_>>();
        (topology.performance().expect("an HMAT").side_caches().to_vec(), rules)
    };
    for wrong in [cache(0, 5, 1, 0), cache(0, 5, 1, 2), cache(0, 5, 0, 1)] {
        assert_eq!(caches(&[wrong]), (Vec::new(), [("hmat.cache", Dropped)].to_vec()));
    }
    assert_eq!(caches(&[cache(77, 5, 1, 1)]), (Vec::new(), [("hmat.domain", Dropped)].to_vec()));
    for twice in [[cache(0, 5, 1, 1), cache(0, 6, 1, 1)], [cache(0, 6, 1, 1), cache(0, 5, 1, 1)]] {
        assert_eq!(caches(&twice), ([kept(0, 5, 1, 1)].to_vec(), [("hmat.cache", Dropped)].to_vec()));
    }
}

#[test]
fn of_too_many_side_caches_the_lowest_are_kept_whatever_their_order() {
    let nodes = 20_u32;
    let srat = TableBuilder::srat(3).entries((0..nodes).map(|n| memory(u64::from(n) * MIB, MIB, n)));
    let mut caches: Vec<_> =
        (0..nodes).flat_map(|n| (1..=15).map(move |level| cache(n, 1, 15, level))).collect();
    let mut machine = Machine::of(srat, cpus([0]));
    let mut build = |caches: &[Vec<u8>]| {
        machine.hmat = Some(TableBuilder::hmat(2).entry(&caches.concat()[..]).build());
        let (topology, told) = machine.build();
        let full = told.iter().filter(|told| told.1 == "caches.full").count();
        assert_eq!(full, 300 - MAX_SIDE_CACHES);
        topology.performance().expect("an HMAT").side_caches().to_vec()
    };
    let kept = build(&caches);
    assert_eq!(kept.last().map(|cache| (cache.node, cache.level)), Some((node(17), 1)));
    caches.reverse();
    assert_eq!(build(&caches), kept);
}

#[test]
fn as_many_nodes_as_there_are_reach_each_other_and_devices_beyond_them_are_left_out() {
    let nodes = MAX_NODES as u32;
    let srat = TableBuilder::srat(3)
        .entries((0..nodes).map(|n| memory(u64::from(n) * MIB, MIB, n)))
        .entries((0..nodes).map(|n| cpu(n, n)))
        .entry(&generic_initiator(DEVICE, ProximityDomain(nodes)));
    let domains: Vec<u32> = (0..nodes).collect();
    let values: Vec<u16> = (0..nodes * nodes).map(|n| n as u16 + 1).collect();
    let matrix = latency_and_bandwidth(READ_LATENCY, 1, &domains, &domains, &values);
    let hmat = Some(TableBuilder::hmat(2).entry(&matrix[..]).build());
    let machine = Machine { hmat, ..Machine::of(srat, cpus(0..128)) };
    let (topology, told) = machine.build();
    assert_eq!(told, [(0, "domains.full", Dropped)]);
    let performance = topology.performance().expect("an HMAT");
    let last = performance.between(node(127), node(127)).map(|reach| reach.read_latency_ps);
    assert_eq!(last, Some(Known(nodes * nodes)));
}

/// Structures of all types, with domains that are nodes, slots, a device or nobody, and few distinct values.
fn structures() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let domain = || prop::sample::select(&[0_u32, 0, 1, 8, 5, 9, 77][..]);
    let value = prop::sample::select(&[0_u16, 1, 2, 0xfffe, 0xffff][..]);
    let lists = (prop::collection::vec(domain(), 1..4), prop::collection::vec(domain(), 1..4));
    let data_type = prop::sample::select(&[0_u8, 0, 1, 1, 4, 4, 5, 6][..]);
    let flags = prop::sample::select(&[0_u8, 0, 0, 0x10, 0x20, 1][..]);
    let matrix = (data_type, flags, 0..4_u64, lists, prop::collection::vec(value, 9));
    let matrix = matrix.prop_map(|(data_type, flags, unit, (from, to), values)| {
        let mut bytes = latency_and_bandwidth(data_type, unit, &from, &to, &values[..from.len() * to.len()]);
        bytes[8] = flags;
        bytes
    });
    let attached = (domain(), domain()).prop_map(|(memory, initiator)| attach(memory, initiator));
    let cached = (domain(), 1..4_u64, 0..3_u8, 0..3_u8)
        .prop_map(|(domain, size, levels, level)| cache(domain, size, levels, level));
    prop::collection::vec(prop_oneof![3 => matrix, 1 => attached, 1 => cached], 0..16)
}

proptest! {
    #[test]
    fn the_order_of_structures_changes_nothing(structures in structures(), turn in 0..10_usize) {
        let (topology, _) = build(&structures);
        let mut permuted = structures;
        permuted.reverse();
        let turn = turn % permuted.len().max(1);
        permuted.rotate_left(turn);
        prop_assert_eq!(topology, build(&permuted).0);
    }

    #[test]
    fn any_bytes_behind_an_hmats_header_give_a_topology_that_holds(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        length in 0..100_u8,
        kind in 0..4_u8,
    ) {
        let mut bytes = bytes;
        bytes.splice(0..0, [kind, 0, 0, 0, length, 0, 0, 0]);
        let (topology, told) = build(&[bytes]);
        prop_assert_eq!(topology.node_count(), 3);
        prop_assert!(told.len() <= 300);
    }
}

#[test]
fn any_flipped_bit_of_an_hmat_leaves_nodes_and_distances_as_they_are() {
    let structures = [attach(8, 1), single(READ_LATENCY, 50), cache(0, 5, 1, 1)];
    let sound = machine(&structures);
    let (expected, _) = sound.build();
    let bytes = sound.hmat.as_ref().map_or(0, Vec::len);
    let flipped = |bit: usize, is_sealed| {
        let mut machine = sound.clone();
        if let Some(hmat) = &mut machine.hmat {
            hmat[bit / 8] ^= 1 << (bit % 8);
            if is_sealed {
                seal(hmat);
            }
        }
        let (topology, told) = machine.build();
        check(&topology, &[]);
        assert_eq!((topology.nodes(), topology.ranges()), (expected.nodes(), expected.ranges()), "bit {bit}");
        (topology, told)
    };
    for bit in 32..bytes * 8 {
        assert!(!flipped(bit, false).1.is_empty(), "bit {bit}");
        let (topology, told) = flipped(bit, true);
        match bit / 8 {
            // The checksum, names and what is reserved.
            9..40 => assert!(topology == expected && told.is_empty(), "bit {bit}: {told:?}"),
            // Types and lengths of the structures.
            40..42 | 44..48 | 80..82 | 84..88 | 122..124 | 126..130 => {
                assert!(told.iter().any(|told| told.1 != "table.checksum"), "bit {bit}: {told:?}");
            }
            _ => {}
        }
    }
}

#[test]
fn the_limits_of_an_msct_are_kept_and_change_nothing() {
    let msct = TableBuilder::msct(4, 2, 0xffff_ffff).entry(&msct_domains(3, 2, 1, 1)).build();
    let machine = Machine { msct: Some(msct), ..Machine::two_nodes() };
    let (topology, told) = machine.build();
    let limits = Limits { domains: 4, clock_domains: 2, address: PhysAddr(0xffff_ffff) };
    assert_eq!((topology.limits(), told), (Some(limits), [(56, "msct.domains", Dropped)].to_vec()));
    assert_eq!(topology.nodes(), Machine::two_nodes().build().0.nodes());
    assert_eq!(Machine::two_nodes().build().0.limits(), None);
}
