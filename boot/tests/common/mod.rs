//! What tests that boot machines share: the boot itself, and the comparison with what is expected.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod many;

use std::time::Duration;

use boot::event::{Cpu, Memory, Node, Topology};
use boot::{Machine, Run, Verdict};

/// Far more than a boot takes: it ends a kernel that hangs.
const LIMIT: Duration = Duration::from_secs(180);

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Boots the machine and sees it end with this verdict.
#[track_caller]
pub fn boot(machine: &Machine, verdict: Verdict) -> Run {
    machine.run(LIMIT).unwrap().expect(verdict)
}

/// A node as a test expects it: domain, CPUs, and memory as (base, length).
pub struct ExpectedNode<'a>(pub u32, pub &'a [u32], pub &'a [(u64, u64)]);

/// A topology as a test expects it; page counts have rules instead of values.
pub struct Expected<'a> {
    pub source: &'a str,
    pub nodes: &'a [ExpectedNode<'a>],
    pub distances: &'a [&'a [u8]],
    pub fallback: &'a [&'a [u32]],
}

/// Self-tests the machine and sees exactly this topology, every CPU online on its node, nothing found wrong with the
/// firmware, and a boot that says what is complete.
#[track_caller]
pub fn assert_boots(machine: Machine, expected: &Expected<'_>) {
    let run = boot(&machine.parameters("selftest"), Verdict::Success);
    let topology = run.topology();
    assert_eq!(without_pages(topology.clone()), expected.topology());
    assert_pages(&topology);
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
    assert_drivers(&run);
    assert_eq!(run.findings(), [], "findings about sound tables");
}

impl Expected<'_> {
    fn topology(&self) -> Topology {
        let node = |(id, ExpectedNode(domain, cpus, memory)): (u32, &ExpectedNode<'_>)| Node {
            id,
            domain: *domain,
            cpus: cpus.to_vec(),
            memory: memory.iter().map(|&(base, length)| Memory { base, length }).collect(),
            pages_total: 0,
            pages_free: 0,
        };
        Topology {
            source: self.source.into(),
            nodes: (0..).zip(self.nodes).map(node).collect(),
            distances: self.distances.iter().map(|row| row.to_vec()).collect(),
            fallback: self.fallback.iter().map(|order| order.to_vec()).collect(),
        }
    }
}

/// The topology with its page counts, which have rules instead of values, set to 0.
pub fn without_pages(mut topology: Topology) -> Topology {
    for node in &mut topology.nodes {
        (node.pages_total, node.pages_free) = (0, 0);
    }
    topology
}

/// A node's pages are those of its memory, but for what the firmware and the kernel keep.
#[track_caller]
pub fn assert_pages(topology: &Topology) {
    for node in &topology.nodes {
        let all = node.memory.iter().map(|range| range.length).sum::<u64>() / 4096;
        assert!(node.pages_total <= all && node.pages_free <= node.pages_total, "{node:?}");
        // Firmware keeps a few MiB, the kernel and its metadata some more.
        assert!(node.pages_total + 32 * MIB / 4096 >= all, "too little usable: {node:?}");
        assert!(node.pages_free + 64 * MIB / 4096 >= all, "too little free: {node:?}");
    }
}

/// One event for each CPU of the topology, and each is online on its node.
#[track_caller]
pub fn assert_cpus(run: &Run, topology: &Topology) {
    let mut seen: Vec<(u32, u32)> = run
        .cpus()
        .into_iter()
        .map(|Cpu { index, node, online, .. }| {
            assert!(online, "CPU {index}");
            (index, node)
        })
        .collect();
    seen.sort_unstable();
    let mut expected: Vec<(u32, u32)> =
        topology.nodes.iter().flat_map(|node| node.cpus.iter().map(|&cpu| (cpu, node.id))).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "(CPU, node)");
    assert!(seen.iter().map(|(index, _)| *index).eq(0..seen.len() as u32), "CPU numbers have a gap");
}

/// The example drivers look at the machine, and are content with it.
#[track_caller]
pub fn assert_drivers(run: &Run) {
    let drivers = run.drivers();
    assert!(!drivers.is_empty(), "no driver was started\n{}", run.serial);
    assert!(drivers.iter().all(|driver| driver.status == "loaded"), "{drivers:?}\n{}", run.serial);
}

/// The last line counts what is there, each part of the self-test has passed, and nothing follows the exit event.
#[track_caller]
pub fn assert_complete(run: &Run, topology: &Topology) {
    let loaded = run.drivers().iter().filter(|driver| driver.status == "loaded").count();
    let line = format!(
        "boot: complete, {} on {}, {}",
        count(run.cpus().len(), "CPU"),
        count(topology.nodes.len(), "node"),
        count(loaded, "driver")
    );
    assert_eq!(run.line("boot: complete"), Some(line.as_str()), "\n{}", run.serial);
    let tests = run.tests();
    assert!(!tests.is_empty(), "no self-test was run\n{}", run.serial);
    assert!(tests.iter().all(|test| test.ok), "{tests:?}");
    let last = run.events.last().unwrap();
    assert_eq!((&last["event"], &last["ok"]), (&"exit".into(), &true.into()));
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
