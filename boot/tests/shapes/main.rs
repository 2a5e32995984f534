//! Fifty shapes of machine. Each has exactly the topology that follows from its description, and Linux sees the same.
#[path = "../common/mod.rs"]
mod common;
mod linux;
mod shape;
mod table;

use boot::Verdict;
use common::{assert_cpus, assert_pages, boot, without_pages};
use shape::Shape;

#[test]
#[ignore = "a soak: ./run.sh soak shapes"]
fn shapes_are_understood_as_they_are_described() {
    let shapes = table::shapes();
    assert_eq!(shapes.len(), 50);
    common::many::each("shapes", &shapes, |shape| shape.name, assert_understood);
}

/// The shapes on which Linux is booted as well.
const ASKED: [&str; 10] = [
    "two nodes",
    "sixteen nodes on a ring",
    "one way is longer",
    "a ring of four, one way round",
    "a cube of eight",
    "the first node across the hole",
    "no memory on the first",
    "no CPU on the first",
    "an NVDIMM with a domain of its own",
    "APIC ids with gaps",
];

#[test]
#[ignore = "a soak: ./run.sh soak oracle"]
fn linux_sees_the_same() {
    let shapes: Vec<Shape> =
        table::shapes().into_iter().filter(|shape| ASKED.contains(&shape.name)).collect();
    assert_eq!(shapes.len(), ASKED.len());
    common::many::each("oracle", &shapes, |shape| shape.name, assert_linux_agrees);
}

fn assert_linux_agrees(shape: &Shape) {
    let run = boot(&shape.machine(), Verdict::Success);
    assert_eq!(linux::linux(shape), linux::proxima(&run, &run.topology()), "Linux, and Proxima");
}

fn assert_understood(shape: &Shape) {
    let run = boot(&shape.machine(), Verdict::Success);
    let topology = run.topology();
    assert_eq!(without_pages(topology.clone()), shape.expected());
    assert_pages(&topology);
    assert_cpus(&run, &topology);
    let apic_ids: Vec<u32> = run.cpus().iter().map(|cpu| cpu.apic_id).collect();
    assert_eq!(apic_ids, shape.apic_ids());
    let event = run.events.iter().find(|event| event["event"] == "topology").unwrap();
    assert_eq!(event["performance"], shape.performance);
    assert_eq!(event["persistent_ranges"], shape.persistent);
    let findings: Vec<String> = run.findings().into_iter().map(|finding| finding.rule).collect();
    assert_eq!(findings, Vec::from_iter(shape.finding), "findings about sound tables");
}
