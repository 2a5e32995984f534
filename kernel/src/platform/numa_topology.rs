//! The machine's [`NumaTopology`]: built once from firmware's tables and reported on both serial ports.
use super::findings::reporter;
use crate::arch;
use crate::report::{event_stream, verdict};
use core::fmt::{self, Display};
use events::{Event, PageCounts};
use memory_map::MemoryMap;
use parameters::Numa;
use spin::{Mutex, MutexGuard, Once};
use topology::{ApicMode, FakeNodes, Inputs, Measure, Node, NumaMode, NumaTopology};
use units::{NodeId, PhysRange};

/// The memory of the topology, which is too large for a stack.
static STORAGE: Mutex<NumaTopology> = Mutex::new(NumaTopology::EMPTY);
static TOPOLOGY: Once<&'static NumaTopology> = Once::new();

/// Returns the topology.
///
/// # Panics
/// If [`init`] was not called.
pub fn get() -> &'static NumaTopology {
    TOPOLOGY.get().expect("the topology is built before anything asks for it")
}

/// Builds the topology from the tables. Logs the topology, and what was wrong in the tables.
pub fn init(tables: &[&'static [u8]], map: &MemoryMap, numa: Numa) -> &'static NumaTopology {
    TOPOLOGY.call_once(|| {
        let mut findings = reporter();
        let from_tables = Inputs::from_tables(tables.iter().copied(), &mut findings);
        let (ram, known) = (&map.ram[..], &map.known[..]);
        let inputs = Inputs {
            ram,
            known,
            boot_cpu: Some(arch::this_apic_id()),
            apic_mode: if arch::has_x2apic() { ApicMode::X2Apic } else { ApicMode::XApic },
            numa: mode(numa, ram),
            ..from_tables
        };
        // `call_once` calls this once, so the lock is free. It is kept for good.
        let topology = MutexGuard::leak(STORAGE.lock());
        topology.rebuild(&inputs, &mut findings);
        findings.finish();
        log_topology(topology);
        topology
    })
}

/// Returns what the parameter asks of the topology. Warns if it asks for more nodes than there is room for.
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
        let (mib, cpus) = (node.memory_mib(), cpus_of(topology, node));
        log::info!(target: "numa", "node {} (proximity domain {}): {mib} MiB, {cpus}", node.id, node.domain);
        for range in topology.ranges_of(node.id) {
            log::info!(target: "numa", "  {range}");
        }
    }
    for from in topology.nodes() {
        log::info!(target: "numa", "distances {}:{}", from.id, row(topology.distances_from(from.id)));
    }
    for range in topology.persistent_ranges() {
        log::info!(target: "numa", "persistent {range}");
    }
    log_performance(topology);
}

/// Writes the node's CPUs: `CPUs 0-1,4`, or `no CPUs`.
fn cpus_of(topology: &NumaTopology, node: &Node) -> impl Display {
    fmt::from_fn(move |out| match node.cpu_count {
        0 => out.write_str("no CPUs"),
        _ => write!(out, "CPUs {}", topology.cpu_list(node.id)),
    })
}

/// Logs latency and bandwidth, as far as firmware describes them.
fn log_performance(topology: &NumaTopology) {
    let Some(performance) = topology.performance() else { return };
    for measure in Measure::ALL {
        let initiators = performance.initiators().iter().enumerate();
        for (index, initiator) in initiators.filter(|(index, _)| performance.knows(*index, measure)) {
            let figures = row(performance.figures(index, measure).map(|figure| measure.display(figure)));
            log::info!(target: "numa", "{} from domain {}:{figures}", measure.name(), initiator.domain);
        }
    }
    for node in topology.nodes() {
        if let Some(domain) = performance.attached_initiator(node.id) {
            log::info!(target: "numa", "memory of node {} is attached to domain {domain}", node.id);
        }
    }
    performance.side_caches().iter().for_each(|cache| log::info!(target: "numa", "{cache}"));
}

/// Writes the values, each behind a space.
fn row<T: Display>(values: impl Iterator<Item = T> + Clone) -> impl Display {
    fmt::from_fn(move |out| values.clone().try_for_each(|value| write!(out, " {value}")))
}

/// Sends the topology event. `pages` returns a node's page counts. If there is not enough memory for it, the verdict is failure.
pub fn send_event(pages: impl Fn(NodeId) -> PageCounts) {
    let sent = Event::of_machine(get(), pages).and_then(|event| event_stream::send_long(&event));
    if let Err(error) = sent {
        log::error!(target: "numa", "the topology event is left out: {error}");
        verdict::fail();
    }
}
