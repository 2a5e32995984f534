//! Tests of latency and bandwidth in the topology, and of the effect of faulty matrices.
use acpi_tables::Action::{Dropped, Repaired};
use acpi_tables::DeviceHandle;
use acpi_tables::builder::{TableBuilder, generic_initiator, generic_port, latency_and_bandwidth};
use std::boxed::Box;
use std::vec::Vec;
use units::{MAX_NODES, NodeId, ProximityDomain};

use super::machine::*;
use crate::Figure::{Known, Unreachable, Unspecified};
use crate::{Figure, LARGEST_FIGURE, NumaMode, NumaTopology};

pub(super) const DEVICE: DeviceHandle = DeviceHandle::Pci { segment: 0, bus: 1, device: 2, function: 3 };

/// Data types of matrices.
const ACCESS_LATENCY: u8 = 0;
pub(super) const READ_LATENCY: u8 = 1;
const WRITE_LATENCY: u8 = 2;
const ACCESS_BANDWIDTH: u8 = 3;
const WRITE_BANDWIDTH: u8 = 5;

/// Returns a machine with an HMAT of these structures.
///
/// Nodes 0 and 1 have a CPU and memory each. Node 2 (domain 8) has only memory, domain 5 only a device, and domain 9 only
/// a CPU that may be added later.
pub(super) fn machine(structures: &[Vec<u8>]) -> Machine {
    let srat = TableBuilder::srat(3)
        .entries([cpu(0, 0), cpu(1, 1), cpu(2, 9)])
        .entries([memory(0, MIB, 0), memory(MIB, MIB, 1), memory(2 * MIB, MIB, 8)])
        .entry(&generic_initiator(DEVICE, ProximityDomain(5)));
    let hmat = TableBuilder::hmat(2).entry(&structures.concat()[..]).build();
    Machine { hmat: Some(hmat), ..Machine::of(srat, cpus([0, 1]).entry(&absent_cpu(2))) }
}

pub(super) fn build(structures: &[Vec<u8>]) -> (Box<NumaTopology>, Vec<Reported>) {
    let built = machine(structures).build();
    check(&built.0, &[]);
    built
}

/// Returns the figures of all initiators and nodes, row by row.
fn figures(topology: &NumaTopology, figure: impl Fn(crate::Reach) -> Figure) -> Vec<Vec<Figure>> {
    let performance = topology.performance().expect("an HMAT");
    let rows = 0..performance.initiators().len();
    let nodes = || topology.nodes().iter().map(|node| node.id);
    rows.map(|row| nodes().filter_map(|to| performance.reach(row, to)).map(&figure).collect()).collect()
}

fn read_latencies(topology: &NumaTopology) -> Vec<Vec<Figure>> {
    figures(topology, |reach| reach.read_latency_ps)
}

/// Returns a matrix with one value in nanoseconds or MB/s, from domain 0 to domain 0.
pub(super) fn single(data_type: u8, value: u16) -> Vec<u8> {
    let unit = if data_type < ACCESS_BANDWIDTH { 1000 } else { 1 };
    latency_and_bandwidth(data_type, unit, &[0], &[0], &[value])
}

fn reach_at_home(structures: &[Vec<u8>]) -> ([Figure; 4], Vec<Reported>) {
    let (topology, reported) = build(structures);
    let performance = topology.performance().expect("an HMAT");
    let reach = performance.between(NodeId::ZERO, NodeId::ZERO).expect("a node with CPUs");
    let latencies = [reach.read_latency_ps, reach.write_latency_ps];
    let [read, write] = latencies;
    ([read, write, reach.read_bandwidth_mbps, reach.write_bandwidth_mbps], reported)
}

#[test]
fn without_an_hmat_or_nodes_from_the_srat_there_is_no_performance() {
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
fn nodes_with_cpus_and_devices_are_initiators_and_get_the_values_of_their_rows() {
    let values = [10, 20, 30, 40, 0, 0xffff, 70, 80, 90];
    let matrix = latency_and_bandwidth(READ_LATENCY, 100, &[5, 1, 0], &[8, 0, 1], &values);
    let (topology, reported) = build(&[matrix]);
    assert_eq!(reported, []);
    let performance = topology.performance().expect("an HMAT");
    let initiators = performance.initiators().iter().map(|initiator| (initiator.domain.0, initiator.node));
    assert_eq!(
        initiators.collect::<Vec<_>>(),
        [(0, Some(node(0))), (1, Some(node(1))), (5, None)],
        "by domain; the device's domain is not a node"
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
fn a_value_for_reads_or_writes_alone_precedes_a_value_for_both() {
    let structures = [single(ACCESS_LATENCY, 50), single(WRITE_LATENCY, 70), single(ACCESS_BANDWIDTH, 9)];
    let expected = [Known(50_000), Known(70_000), Known(9), Known(9)];
    for turned in [structures.to_vec(), structures.iter().rev().cloned().collect()] {
        assert_eq!(reach_at_home(&turned), (expected, Vec::new()));
    }
}

#[test]
fn of_two_contradicting_values_the_worse_is_used_in_any_order() {
    for (data_type, values, worse) in [
        (READ_LATENCY, [50, 70], Known(70_000)),
        (READ_LATENCY, [50, 0xffff], Unreachable),
        (WRITE_BANDWIDTH, [50, 70], Known(50)),
        (WRITE_BANDWIDTH, [50, 0xffff], Unreachable),
    ] {
        for values in [values, [values[1], values[0]]] {
            let (found, reported) = reach_at_home(&values.map(|value| single(data_type, value)));
            let found = if data_type == READ_LATENCY { found[0] } else { found[3] };
            assert_eq!((found, reported), (worse, [(82, "hmat.conflict", Repaired)].to_vec()));
        }
    }
    let (_, reported) =
        reach_at_home(&[single(READ_LATENCY, 5), single(READ_LATENCY, 5), single(READ_LATENCY, 0)]);
    assert_eq!(reported, [], "an equal or unspecified value is no contradiction");
}

#[test]
fn a_value_for_some_transfers_yields_to_one_for_all_and_is_no_conflict() {
    let mut some = single(READ_LATENCY, 90);
    some[8] = 1 << 4;
    let mut others = single(READ_LATENCY, 80);
    others[8] = 1 << 5;
    let all = single(READ_LATENCY, 50);
    let (found, reported) = reach_at_home(&[some.clone(), others.clone(), all]);
    assert_eq!((found[0], reported), (Known(50_000), Vec::new()));
    let (found, reported) = reach_at_home(&[some, others]);
    assert_eq!((found[0], reported), (Known(90_000), Vec::new()));
}

#[test]
fn matrices_of_cache_levels_are_ignored() {
    let mut cache = single(READ_LATENCY, 5);
    cache[8] = 1;
    assert_eq!(reach_at_home(&[cache]), ([Unspecified; 4], Vec::new()));
}

#[test]
fn a_value_that_is_too_large_becomes_the_largest_figure() {
    let largest = u64::from(LARGEST_FIGURE);
    for (unit, value, too_large) in
        [(largest, 1, false), (largest + 1, 1, true), (1 << 32, 1, true), (u64::MAX, 0xfffe, true)]
    {
        let (found, reported) =
            reach_at_home(&[latency_and_bandwidth(READ_LATENCY, unit, &[0], &[0], &[value])]);
        let expected = if too_large { [(40, "hmat.value", Repaired)].to_vec() } else { Vec::new() };
        assert_eq!((found[0], reported), (Known(LARGEST_FIGURE), expected), "{value} times {unit}");
    }
}

#[test]
fn domains_that_the_srat_does_not_name_are_reported_once_for_each_matrix() {
    // Domain 9 is an empty slot, which is ignored as an initiator but is known. Domain 8 is a node without CPUs.
    let values = [1; 24];
    let matrix = latency_and_bandwidth(READ_LATENCY, 5000, &[8, 9, 77, 0, 78, 79], &[0, 88, 9, 5], &values);
    let (topology, reported) = build(&[matrix]);
    let (domain, initiator) = ((40, "hmat.domain", Dropped), (40, "hmat.initiator", Dropped));
    assert_eq!(reported, [domain, initiator, domain]);
    assert_eq!(read_latencies(&topology)[0], [Known(5000), Unspecified, Unspecified]);
    assert_eq!(read_latencies(&topology)[1], [Unspecified; 3]);
}

#[test]
fn initiators_without_cpu_or_device_are_reported_once_for_each_matrix() {
    let srat = TableBuilder::srat(3)
        .entry(&cpu(0, 0))
        .entries([memory(0, MIB, 0), memory(MIB, MIB, 8)])
        .entry(&generic_port(DEVICE, ProximityDomain(6)));
    let matrix = latency_and_bandwidth(READ_LATENCY, 1000, &[6, 0, 8], &[0, 8], &[1, 2, 3, 4, 5, 6]);
    let hmat = Some(TableBuilder::hmat(2).entry(&matrix[..]).build());
    let (topology, reported) = Machine { hmat, ..Machine::of(srat, cpus([0])) }.build();
    assert_eq!(reported, [(40, "hmat.initiator", Dropped)]);
    assert_eq!(read_latencies(&topology), [[Known(3000), Known(4000)]]);
}

#[test]
fn a_short_matrix_costs_its_missing_values_and_huge_counts_cost_the_matrix() {
    let short = latency_and_bandwidth(READ_LATENCY, 1000, &[0, 1], &[0, 1], &[5, 6, 7]);
    let mut huge = latency_and_bandwidth(WRITE_LATENCY, 1000, &[0], &[0], &[5]);
    huge[12..20].fill(0xff);
    let (topology, reported) = build(&[short, huge]);
    assert_eq!(reported.iter().map(|reported| reported.1).collect::<Vec<_>>(), ["hmat.matrix.size"; 2]);
    let rows = read_latencies(&topology);
    assert_eq!((rows[0][1], rows[1][0], rows[1][1]), (Known(6000), Known(7000), Unspecified));
}

#[test]
fn the_highest_number_of_nodes_has_all_values_and_further_devices_are_left_out() {
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
    let (topology, reported) = machine.build();
    assert_eq!(reported, [(0, "domains.full", Dropped)]);
    let performance = topology.performance().expect("an HMAT");
    let last = performance.between(node(127), node(127)).map(|reach| reach.read_latency_ps);
    assert_eq!(last, Some(Known(nodes * nodes)));
}

#[test]
fn latencies_below_5_ns_are_read_in_tenths_of_nanoseconds_in_revision_1_and_reported_in_later_ones() {
    for (revision, unit, value, expected, is_reported) in [
        // 76 ns in tenths of nanoseconds, and in picoseconds as a real server has them.
        (1, 1, 760, 76_000, true),
        (1, 10, 76, 76_000, true),
        (1, 100, 760, 76_000, false),
        (1, 1, 4_999, 499_900, true),
        (1, 1, 5_000, 5_000, false),
        (2, 1, 760, 760, true),
        (2, 1000, 5, 5_000, false),
    ] {
        // A smaller value in a matrix with a large enough one is read in the same unit.
        let matrix = latency_and_bandwidth(0, unit, &[0], &[0, 1], &[1, value]);
        let table = TableBuilder::hmat(revision).entry(&matrix[..]).build();
        let machine = Machine { hmat: Some(table), ..Machine::two_nodes() };
        let (topology, reported) = machine.build();
        let reach = topology.performance().unwrap().reach(0, node(1)).unwrap();
        assert_eq!(reach.read_latency_ps, Figure::Known(expected), "{revision} {unit} {value}");
        let finding = (40, "hmat.unit", Repaired);
        assert_eq!(reported, [finding][..usize::from(is_reported)], "{revision} {unit} {value}");
    }
    // Bandwidths have no such limit, and matrices without values have no largest one.
    for (data_type, values) in [(3, [1, 2]), (0, [0, 0xffff])] {
        let matrix = latency_and_bandwidth(data_type, 1, &[0], &[0, 1], &values);
        let table = TableBuilder::hmat(1).entry(&matrix[..]).build();
        assert_eq!(Machine { hmat: Some(table), ..Machine::two_nodes() }.build().1, []);
    }
}

/// Returns the fallback order of node 0 of four nodes, whose distances are these and whose read latencies are those.
fn fallback_of_first(slit: Option<&[u8]>, latencies: &[u16]) -> Vec<usize> {
    let srat =
        TableBuilder::srat(3).entry(&cpu(0, 0)).entries((0..4).map(|n| memory(u64::from(n) * MIB, MIB, n)));
    let matrix = latency_and_bandwidth(READ_LATENCY, 1000, &[0], &[0, 1, 2, 3], latencies);
    let machine = Machine {
        slit: slit.map(|row| TableBuilder::slit(4, &row.repeat(4)).build()),
        hmat: Some(TableBuilder::hmat(2).entry(&matrix[..]).build()),
        ..Machine::of(srat, cpus([0]))
    };
    let (topology, _) = machine.build();
    check(&topology, &[]);
    topology.fallback(node(0)).iter().map(|node| node.index()).collect()
}

#[test]
fn latency_breaks_ties_of_distances() {
    // Without a SLIT, or with equal distances.
    for slit in [None, Some(&[10, 20, 20, 20][..])] {
        assert_eq!(fallback_of_first(slit, &[80, 300, 100, 200]), [0, 2, 3, 1]);
        assert_eq!(fallback_of_first(slit, &[80, 100, 100, 100]), [0, 1, 2, 3], "equal latencies");
        assert_eq!(fallback_of_first(slit, &[80, 0, 0xffff, 100]), [0, 3, 1, 2], "unknown, unreachable");
        assert_eq!(fallback_of_first(slit, &[900, 800, 100, 200]), [0, 2, 3, 1], "the node itself is first");
    }
    // Distances have precedence.
    assert_eq!(fallback_of_first(Some(&[10, 20, 30, 20]), &[80, 300, 100, 200]), [0, 3, 1, 2]);
}

#[test]
fn values_for_generic_ports_are_kept_for_each_initiator() {
    let port = |domain| generic_port(DEVICE, ProximityDomain(domain));
    // Domain 1 is a node and has a port. Domain 7 has two ports of one domain.
    let srat = TableBuilder::srat(3)
        .entry(&cpu(0, 0))
        .entries([memory(0, MIB, 0), memory(MIB, MIB, 1)])
        .entries([port(7), port(1), port(7)]);
    let matrix = latency_and_bandwidth(READ_LATENCY, 1000, &[0], &[0, 1, 7, 9], &[80, 90, 250, 1]);
    let hmat = Some(TableBuilder::hmat(2).entry(&matrix[..]).build());
    let (topology, reported) = Machine { hmat, ..Machine::of(srat, cpus([0])) }.build();
    assert_eq!(reported, [(40, "hmat.domain", Dropped)]);
    let performance = topology.performance().unwrap();
    assert_eq!(performance.ports(), [ProximityDomain(1), ProximityDomain(7)]);
    let latency =
        |domain| performance.reach_port(0, ProximityDomain(domain)).map(|reach| reach.read_latency_ps);
    assert_eq!([latency(1), latency(7), latency(9)], [Some(Known(90_000)), Some(Known(250_000)), None]);
    assert_eq!(read_latencies(&topology), [[Known(80_000), Known(90_000)]]);
    assert_eq!(performance.reach_port(1, ProximityDomain(7)), None);
}
