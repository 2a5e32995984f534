//! Each machine has the topology that it was built with, and boots to completion.
mod common;

use boot::{Firmware, Machine, Node, Verdict};
use common::{
    Expected, ExpectedNode as N, GIB, KIB, MIB, assert_boots, assert_complete, assert_cpus,
    assert_nothing_skipped, assert_pages, boot,
};

/// The topology of the two-node machine, under either firmware.
const TWO_NODES: Expected<'_> = Expected {
    source: "srat",
    nodes: &[N(0, &[0, 1], &[(0, 640 * KIB), (MIB, 255 * MIB)]), N(1, &[2, 3], &[(256 * MIB, 256 * MIB)])],
    distances: &[&[10, 20], &[20, 10]],
    fallback: &[&[0, 1], &[1, 0]],
};

#[test]
fn two_nodes_under_bios() {
    assert_nothing_skipped(&assert_boots(Machine::two_nodes(), &TWO_NODES));
}

#[test]
fn two_nodes_under_uefi() {
    assert_nothing_skipped(&assert_boots(Machine::two_nodes().firmware(Firmware::Uefi), &TWO_NODES));
}

#[test]
fn firmware_without_nodes_makes_one_of_all_memory_and_all_cpus() {
    let run = boot(&Machine::without_numa(4, 512).parameters("selftest"), Verdict::Success);
    let topology = run.topology();
    assert_eq!(topology.source, "none");
    let [node] = &topology.nodes[..] else { panic!("{topology:?}") };
    assert_eq!((node.id, node.domain, &node.cpus[..]), (0, 0, &[0, 1, 2, 3][..]));
    assert_eq!((&topology.distances[..], &topology.fallback[..]), (&[vec![10]][..], &[vec![0]][..]));
    let memory = node.memory.iter().map(|range| range.length).sum::<u64>();
    assert!((508 * MIB..=512 * MIB).contains(&memory), "{node:?}");
    assert!(node.memory.iter().all(|range| range.base + range.length <= 512 * MIB), "{node:?}");
    assert_pages(&topology);
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
}

#[test]
fn one_node() {
    let machine = Machine::with_nodes([Node::new(0..4, 512)]);
    let expected = Expected {
        source: "srat",
        nodes: &[N(0, &[0, 1, 2, 3], &[(0, 640 * KIB), (MIB, 511 * MIB)])],
        distances: &[&[10]],
        fallback: &[&[0]],
    };
    assert_boots(machine, &expected);
}

#[test]
fn one_cpu_and_no_distances() {
    let machine = Machine::with_nodes([Node::new([0], 128), Node::without_cpus(128)]);
    let expected = Expected {
        source: "srat",
        nodes: &[N(0, &[0], &[(0, 640 * KIB), (MIB, 127 * MIB)]), N(1, &[], &[(128 * MIB, 128 * MIB)])],
        distances: &[&[10, 20], &[20, 10]],
        fallback: &[&[0, 1], &[1, 0]],
    };
    assert_boots(machine, &expected);
}

#[test]
fn four_nodes_with_a_longer_way_there_than_back() {
    let distances: [&[u8]; 4] = [&[10, 21, 31, 41], &[22, 10, 52, 32], &[33, 53, 10, 23], &[44, 34, 24, 10]];
    let machine = Machine::with_nodes((0..4).map(|cpu| Node::new([cpu], 128))).distances(&distances);
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0], &[(0, 640 * KIB), (MIB, 127 * MIB)]),
            N(1, &[1], &[(128 * MIB, 128 * MIB)]),
            N(2, &[2], &[(256 * MIB, 128 * MIB)]),
            N(3, &[3], &[(384 * MIB, 128 * MIB)]),
        ],
        distances: &distances,
        fallback: &[&[0, 1, 2, 3], &[1, 0, 3, 2], &[2, 3, 0, 1], &[3, 2, 1, 0]],
    };
    assert_boots(machine, &expected);
}

#[test]
fn four_nodes_at_equal_distances_fall_back_each_on_the_next() {
    let machine = Machine::with_nodes((0..4).map(|cpu| Node::new([cpu], 128)));
    let run = boot(&machine.parameters("selftest"), Verdict::Success);
    let expected = [vec![0, 1, 2, 3], vec![1, 2, 3, 0], vec![2, 3, 0, 1], vec![3, 0, 1, 2]];
    assert_eq!(run.topology().fallback, expected);
}

#[test]
fn a_node_without_memory_takes_the_nearest_nodes() {
    let distances: [&[u8]; 3] = [&[10, 20, 30], &[20, 10, 15], &[30, 15, 10]];
    let nodes = [Node::new([0], 128), Node::without_memory([1]), Node::new([2], 128)];
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0], &[(0, 640 * KIB), (MIB, 127 * MIB)]),
            N(1, &[1], &[]),
            N(2, &[2], &[(128 * MIB, 128 * MIB)]),
        ],
        distances: &distances,
        fallback: &[&[0, 2], &[2, 0], &[2, 0]],
    };
    assert_boots(Machine::with_nodes(nodes).distances(&distances), &expected);
}

#[test]
fn a_node_without_cpus_lends_its_memory() {
    let distances: [&[u8]; 3] = [&[10, 15, 20], &[15, 10, 25], &[20, 25, 10]];
    let nodes = [Node::new(0..2, 128), Node::without_cpus(128), Node::new(2..4, 128)];
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0, 1], &[(0, 640 * KIB), (MIB, 127 * MIB)]),
            N(1, &[], &[(128 * MIB, 128 * MIB)]),
            N(2, &[2, 3], &[(256 * MIB, 128 * MIB)]),
        ],
        distances: &distances,
        fallback: &[&[0, 1, 2], &[1, 0, 2], &[2, 0, 1]],
    };
    assert_boots(Machine::with_nodes(nodes).distances(&distances), &expected);
}

#[test]
fn cpus_dealt_out_in_turn_are_each_on_its_node() {
    let machine = Machine::with_nodes([Node::new([0, 2], 128), Node::new([1, 3], 128)]).sockets(4);
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0, 2], &[(0, 640 * KIB), (MIB, 127 * MIB)]),
            N(1, &[1, 3], &[(128 * MIB, 128 * MIB)]),
        ],
        distances: &[&[10, 20], &[20, 10]],
        fallback: &[&[0, 1], &[1, 0]],
    };
    assert_boots(machine, &expected);
}

#[test]
fn as_many_nodes_as_there_can_be() {
    // 128 nodes are the most that QEMU and the kernel have.
    let nodes = (0..128).map(|id| Node::new((id < 8).then_some(id), 16));
    let run = boot(&Machine::with_nodes(nodes).parameters("selftest"), Verdict::Success);
    let topology = run.topology();
    assert_eq!(topology.nodes.len(), 128);
    let memory = |node: &boot::event::Node| node.memory.iter().map(|range| range.length).sum::<u64>();
    assert!(topology.nodes[1..].iter().all(|node| memory(node) == 16 * MIB), "{:?}", topology.nodes);
    assert_eq!(topology.fallback[127][..3], [127, 0, 1]);
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
}

#[test]
fn a_tebibyte() {
    // A q35 with this much memory has 2 GiB below 4 GiB, and the rest above the hole at the end of the first tebibyte.
    let first = (1 << 40, (512 << 30) - 2 * GIB);
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0, 1], &[(0, 640 * KIB), (MIB, 2 * GIB - MIB), first]),
            N(1, &[2, 3], &[((1 << 40) + (510 << 30), 512 << 30)]),
        ],
        distances: &[&[10, 20], &[20, 10]],
        fallback: &[&[0, 1], &[1, 0]],
    };
    assert_boots(Machine::two_nodes_of(512 << 10), &expected);
}

#[test]
fn memory_on_both_sides_of_the_4_gib_hole() {
    // A q35 with this much memory has 2 GiB below the hole, so node 0 continues above it.
    let machine = Machine::with_nodes([Node::new(0..2, 3072), Node::new(2..4, 3072)]);
    let expected = Expected {
        source: "srat",
        nodes: &[
            N(0, &[0, 1], &[(0, 640 * KIB), (MIB, 2 * GIB - MIB), (4 * GIB, GIB)]),
            N(1, &[2, 3], &[(5 * GIB, 3 * GIB)]),
        ],
        distances: &[&[10, 20], &[20, 10]],
        fallback: &[&[0, 1], &[1, 0]],
    };
    assert_boots(machine, &expected);
}

#[test]
fn latency_and_bandwidth_of_an_hmat_are_in_the_event() {
    let value = |from: u32, to: u32, kind: &str, value: &str| {
        [
            "-numa".to_owned(),
            format!("hmat-lb,initiator={from},target={to},hierarchy=memory,data-type={kind},{value}"),
        ]
    };
    let machine = Machine::two_nodes()
        .arguments(["-machine", "hmat=on"])
        .arguments(value(0, 0, "read-latency", "latency=100"))
        .arguments(value(0, 1, "read-latency", "latency=130"))
        .arguments(value(1, 1, "read-latency", "latency=90"))
        .arguments(value(0, 0, "access-bandwidth", "bandwidth=10G"))
        .arguments(value(1, 0, "access-bandwidth", "bandwidth=5G"))
        .arguments(value(1, 1, "access-bandwidth", "bandwidth=20G"))
        .arguments([
            "-numa",
            "hmat-cache,node-id=1,size=1M,level=1,associativity=direct,policy=write-back,line=64",
        ]);
    let run = boot(&machine, Verdict::Success);
    let topology = run.events.iter().find(|event| event["event"] == "topology").unwrap();
    let expected = serde_json::json!({
        "initiators": [0, 1],
        "read_latency_ps": [[100_000, 130_000], [null, 90_000]],
        "write_latency_ps": [[null, null], [null, null]],
        "read_bandwidth_mbps": [[10_240, null], [5_120, 20_480]],
        "write_bandwidth_mbps": [[10_240, null], [5_120, 20_480]],
        "attached": [0, 1],
        "side_caches": [{
            "node": 1, "level": 1, "levels": 1, "size": 1 << 20, "line_size": 64, "associativity": 1, "write_policy": 1,
        }],
    });
    assert_eq!(topology["performance"], expected);
    assert!(run.line("numa: read latency (ns) from domain 0: 100 130").is_some(), "{}", run.serial);
    assert_eq!(run.findings(), []);
}
