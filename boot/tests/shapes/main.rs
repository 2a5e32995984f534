//! Fifty shapes of machine, each with exactly the topology that follows from its description.
#[path = "../common/mod.rs"]
mod common;
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
    assert_eq!(run.findings(), [], "findings about sound tables");
}
