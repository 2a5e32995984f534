//! The fifty shapes, a line or a few each.
use serde_json::{Value, json};

use crate::common::{GIB, MIB};
use crate::shape::{Home, Shape, each_with_a_cpu, n, shape};

/// Returns all shapes. Neighbours in the list are similar, so that evenly spaced shapes are a sample of all kinds.
pub fn shapes() -> Vec<Shape> {
    [counts(), ways(), memory(), halves(), slots(), processors(), performance()].concat()
}

/// Returns shapes with different numbers of nodes.
fn counts() -> Vec<Shape> {
    vec![
        shape("one node of one CPU", [n([0], 256)]),
        shape("one node of four CPUs", [n(0..4, 512)]),
        shape("two nodes without distances", [n(0..2, 256), n(2..4, 256)]),
        shape("two nodes", two_nodes()).far(|_, _| 20),
        shape("", two_nodes()).far(|_, _| 20).uefi("two nodes under UEFI"),
        shape("three nodes in a line", each_with_a_cpu(3, 128)).far(line),
        shape("sixteen nodes on a ring", each_with_a_cpu(16, 32)).far(|from, to| ring(16, from, to)),
        shape("64 nodes, eight of them with a CPU", few_cpus(64, 16)).far(line),
        shape("128 nodes", few_cpus(128, 8)),
        shape("", few_cpus(128, 8)).uefi("128 nodes under UEFI"),
        shape("128 nodes on a ring", few_cpus(128, 8)).far(|from, to| ring(128, from, to)),
    ]
}

/// Returns shapes with different distances.
fn ways() -> Vec<Shape> {
    let four = || each_with_a_cpu(4, 128);
    let eight = || each_with_a_cpu(8, 64);
    let hub = |hub: u32| move |from, to| if from == hub || to == hub { 15 } else { 30 };
    vec![
        shape("one way is longer", two_nodes()).far(|from, _| if from == 0 { 21 } else { 40 }),
        shape("neither node can reach the other", two_nodes()).far(|_, _| 255),
        shape("four nodes, all at one distance", four()).far(|_, _| 31),
        shape("all to the first", four()).far(hub(0)),
        shape("all to the last", eight()).far(hub(7)),
        shape("a ring of four, one way round", four()).far(|from, to| one_way_ring(4, from, to)),
        shape("a ring of eight, one way round", eight()).far(|from, to| one_way_ring(8, from, to)),
        shape("a cube of eight", eight()).far(hypercube),
        shape("a hypercube of sixteen", each_with_a_cpu(16, 32)).far(hypercube),
        shape("two sockets of four nodes", eight()).far(|from, to| if from / 4 == to / 4 { 12 } else { 32 }),
    ]
}

/// Returns shapes whose memory lies differently.
fn memory() -> Vec<Shape> {
    let across = || [n([0], 5120), n([1], 1024)];
    vec![
        shape("uneven memory", [n([0], 176), n(1..3, 1024)]),
        shape("each twice the one before", (0..5).map(|cpu| n([cpu], 32 << cpu))),
        shape("a boundary off every power of two", [n([0], 257), n([1], 257)]),
        shape("odd boundaries", [n([0], 129), n([1], 131), n([2], 67), n([3], 193)]),
        shape("a boundary at the 4 GiB hole", [n([0], 2048), n([1], 1024)]),
        shape("the first node across the hole", across()),
        shape("", across()).uefi("the first node across the hole, under UEFI"),
        shape("the last node across the hole", [n([0], 1024), n([1], 3072)]),
        shape("a middle node across the hole", [n([0], 1024), n([1], 1536), n([2], 1024)]),
        shape("memory that just needs no hole", [n([0], 1408), n([1], 1407)]),
        shape("memory that just needs one", [n([0], 1408), n([1], 1408)]),
        shape("another chipset's hole", [n([0], 2560), n([1], 1536)]).i440fx(),
    ]
}

/// Returns shapes with nodes that lack CPUs or memory.
fn halves() -> Vec<Shape> {
    let cpuless = || [n([], 256), n(0..2, 256)];
    vec![
        shape("no memory on the first", [n(0..2, 0), n(2..4, 512)]).far(|_, _| 20),
        shape("no memory on the last", [n(0..2, 512), n(2..4, 0)]),
        shape("memory on the middle one alone", [n([0], 0), n([1], 512), n([2], 0)]).far(line),
        shape("no CPU on the first", cpuless()),
        shape("", cpuless()).uefi("no CPU on the first, under UEFI"),
        shape("no CPU on the last", [n(0..2, 256), n([], 256)]).far(|_, _| 28),
        shape("CPUs and memory apart", [n(0..4, 0), n([], 256), n([], 256)]).far(line),
        shape("a domain of nothing between", [n([0], 256), n([], 0), n([1], 256)]).far(line),
    ]
}

/// Returns shapes with empty slots, DIMMs and NVDIMMs.
fn slots() -> Vec<Shape> {
    let dimm = "-object memory-backend-ram,id=d1,size=128M -device pc-dimm,id=dimm1,memdev=d1,node=1";
    let nvdimm = "-object memory-backend-ram,id=nv,size=128M -device nvdimm,id=nv1,memdev=nv";
    vec![
        shape("slots for memory", two_nodes()).with("-m slots=4,maxmem=8G"),
        // Firmware's memory map does not list it.
        shape("a plugged DIMM", two_nodes()).with("-m slots=4,maxmem=8G").with(dimm).finding("memory.dimm"),
        shape("an NVDIMM with a domain of its own", [n(0..2, 256), n(2..4, 256), n([], 0)])
            .with("-machine nvdimm=on -m slots=4,maxmem=8G")
            .with(nvdimm)
            .with("-set device.nv1.node=2")
            .persistent(
                json!([{"base": 4 * GIB, "length": 128 * MIB, "domain": 2, "node": 0, "persistent": true}]),
            ),
        shape("slots for CPUs", [n(0..4, 256), n(4..8, 256)]).present(2),
    ]
}

/// Returns shapes with different CPUs and APIC ids.
fn processors() -> Vec<Shape> {
    let eights = |count: u32| (0..count).map(|node| n(node * 16..(node + 1) * 16, 128));
    vec![
        shape("CPUs dealt out alternately", [n([0, 2, 4, 6], 256), n([1, 3, 5, 7], 256)]).packed(8, 1, 1, 1),
        shape("APIC ids with gaps", [n(0..6, 256), n(6..12, 256)]).packed(2, 1, 3, 2),
        shape("64 CPUs on four nodes", eights(4)).far(|_, _| 20),
        shape("255 CPUs on two nodes", [n(0..127, 512), n(127..255, 512)]),
    ]
}

/// Returns shapes with an HMAT.
fn performance() -> Vec<Shape> {
    vec![
        shape("an HMAT with reads and writes", two_nodes())
            .far(|_, _| 20)
            .with("-machine hmat=on")
            .with("-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-latency,latency=100")
            .with("-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=130")
            .with("-numa hmat-lb,initiator=1,target=0,hierarchy=memory,data-type=read-latency,latency=140")
            .with("-numa hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=read-latency,latency=90")
            .with("-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=write-latency,latency=120")
            .with("-numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=write-latency,latency=150")
            .with(
                "-numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-bandwidth,bandwidth=10G",
            )
            .with(
                "-numa hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=write-bandwidth,bandwidth=5G",
            )
            .performing(reads_and_writes()),
    ]
}

fn reads_and_writes() -> Value {
    json!({
        "initiators": [0, 1],
        "read_latency_ps": [[100_000, 130_000], [140_000, 90_000]],
        "write_latency_ps": [[120_000, 150_000], [null, null]],
        "read_bandwidth_mbps": [[10_240, null], [null, null]],
        "write_bandwidth_mbps": [[null, null], [null, 5_120]],
        "attached": [0, 1],
        "side_caches": [],
    })
}

fn two_nodes() -> [Home; 2] {
    [n(0..2, 256), n(2..4, 256)]
}

/// Returns `count` nodes. The first eight have a CPU each, the others have memory alone.
fn few_cpus(count: u32, memory_mib: u64) -> Vec<Home> {
    (0..count).map(|node| n((node < 8).then_some(node), memory_mib)).collect()
}

fn line(from: u32, to: u32) -> u8 {
    10 + 2 * from.abs_diff(to) as u8
}

fn ring(count: u32, from: u32, to: u32) -> u8 {
    let way = from.abs_diff(to);
    10 + 2 * way.min(count - way) as u8
}

fn one_way_ring(count: u32, from: u32, to: u32) -> u8 {
    10 + 5 * ((to + count - from) % count) as u8
}

fn hypercube(from: u32, to: u32) -> u8 {
    10 + 6 * (from ^ to).count_ones() as u8
}
