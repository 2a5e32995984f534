//! The machine's one [`NumaTopology`]: built from firmware's tables, told to both serial ports, then read by all.
use super::findings::reporter;
use super::performance;
use crate::event_stream;
use crate::memory::page_allocator;
use alloc::vec::Vec;
use core::convert::Infallible;
use events::Event;
use parameters::Numa;
use spin::{Mutex, MutexGuard, Once};
use topology::{FakeNodes, Inputs, Node, NumaMode, NumaTopology};
use units::{NodeId, PhysRange};

/// Where the topology is put together: it is too large for a stack.
static STORAGE: Mutex<NumaTopology> = Mutex::new(NumaTopology::EMPTY);
static TOPOLOGY: Once<&'static NumaTopology> = Once::new();

/// The topology.
///
/// # Panics
/// Before [`init`].
pub fn get() -> &'static NumaTopology {
    TOPOLOGY.get().expect("the topology is built before anything asks for it")
}

/// Builds the topology from the tables and says on the log what was found, and what was wrong.
pub fn init(tables: &[&'static [u8]], ram: &[PhysRange], numa: Numa) -> &'static NumaTopology {
    TOPOLOGY.call_once(|| {
        let mut findings = reporter();
        let from_tables = Inputs::from_tables(tables.iter().copied(), &mut findings);
        let inputs =
            Inputs { ram, boot_cpu: Some(crate::arch::this_apic_id()), numa: mode(numa, ram), ..from_tables };
        // Nobody else asks for it, now or later.
        let topology = MutexGuard::leak(STORAGE.lock());
        topology.rebuild(&inputs, &mut findings);
        findings.finish();
        log_topology(topology);
        topology
    })
}

/// What the parameter asks of the topology, with a warning where it asks for more than there is.
fn mode(numa: Numa, ram: &[PhysRange]) -> NumaMode {
    let fake = match numa {
        Numa::FromFirmware => return NumaMode::FromFirmware,
        Numa::Off => return NumaMode::Off,
        Numa::FakeCount(count) => FakeNodes::Count(count),
        Numa::FakeSizeBytes(size) => FakeNodes::SizeBytes(size),
    };
    let (wanted, granted) = (fake.wanted(ram), fake.granted(ram));
    if wanted > granted as u64 {
        log::warn!(target: "numa", "numa=fake asks for {wanted} nodes; there is room for {granted}");
    }
    NumaMode::Fake(fake)
}

fn log_topology(topology: &NumaTopology) {
    let count = topology.node_count();
    let plural = if count == 1 { "" } else { "s" };
    log::info!(target: "numa", "Found {count} NUMA node{plural}");
    for node in topology.nodes() {
        let mib = (node.memory_size + (1 << 19)) >> 20;
        let cpus = CpuList(topology, node.id);
        log::info!(target: "numa", "node {} (proximity domain {}): {mib} MiB, {cpus}", node.id, node.domain);
        for range in topology.ranges_of(node.id) {
            let (start, last) = (range.range.start.0, range.range.end.0 - 1);
            log::info!(target: "numa", "  [mem {start:#018x}-{last:#018x}]");
        }
    }
    for from in topology.nodes() {
        log::info!(target: "numa", "distances {}:{}", from.id, DistanceRow(topology, from.id));
    }
    let Ok(()) = topology.describe_performance(|line| {
        log::info!(target: "numa", "{line}");
        Ok::<_, Infallible>(())
    });
}

/// `CPUs 0-1,4`, or `no CPUs`.
struct CpuList<'a>(&'a NumaTopology, NodeId);

impl core::fmt::Display for CpuList<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(topology, node) = self;
        let mut cpus = topology.cpus().iter().filter(|cpu| cpu.node == *node).map(|cpu| cpu.id.0).peekable();
        if cpus.peek().is_none() {
            return out.write_str("no CPUs");
        }
        out.write_str("CPUs ")?;
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if_eq(&(last + 1)) {
                last = next;
            }
            write!(out, "{separator}{first}")?;
            if last > first {
                write!(out, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

/// The distances from a node to each, each behind a space.
struct DistanceRow<'a>(&'a NumaTopology, NodeId);

impl core::fmt::Display for DistanceRow<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        distances(self.0, self.1).try_for_each(|distance| write!(out, " {distance}"))
    }
}

fn distances(topology: &NumaTopology, from: NodeId) -> impl Iterator<Item = u8> {
    topology.nodes().iter().filter_map(move |to| topology.distance(from, to.id))
}

/// Sends the topology event, with the page allocator's counts.
pub fn send_event() {
    let topology = get();
    event_stream::send_long(&Event::Topology {
        source: topology.source().as_str().into(),
        nodes: topology.nodes().iter().map(|node| node_event(topology, node)).collect(),
        distances: topology.nodes().iter().map(|node| distances(topology, node.id).collect()).collect(),
        fallback: topology
            .nodes()
            .iter()
            .map(|node| topology.fallback(node.id).iter().map(|to| to.index() as u32).collect())
            .collect(),
        performance: topology.performance().map(|known| performance::event(topology, known)),
    });
}

fn node_event(topology: &NumaTopology, node: &Node) -> events::Node {
    let pages = page_allocator::node_stats(node.id);
    events::Node {
        id: node.id.index() as u32,
        domain: node.domain.0,
        cpus: topology.cpus().iter().filter(|cpu| cpu.node == node.id).map(|cpu| cpu.id.0).collect(),
        memory: topology
            .ranges_of(node.id)
            .map(|range| events::MemoryRange {
                base: range.range.start.0,
                length: range.range.len_bytes(),
                hotplug: false,
            })
            .collect::<Vec<_>>(),
        pages_total: pages.total,
        pages_free: pages.free,
    }
}
