//! Latency and bandwidth as both serial ports show them.
use alloc::vec::Vec;
use core::fmt;
use topology::{Figure, NumaTopology, Performance, Reach, SideCache};
use units::NodeId;

/// One of the four figures.
type Pick = fn(Reach) -> Figure;

/// Says what is known of latency and bandwidth, if anything is.
pub fn log_performance(topology: &NumaTopology) {
    let Some(performance) = topology.performance() else { return };
    let matrices: [(&str, Unit, Pick); 4] = [
        ("read latency (ns)", Unit::Nanoseconds, |reach| reach.read_latency_ps),
        ("write latency (ns)", Unit::Nanoseconds, |reach| reach.write_latency_ps),
        ("read bandwidth (MB/s)", Unit::MegabytesPerSecond, |reach| reach.read_bandwidth_mbps),
        ("write bandwidth (MB/s)", Unit::MegabytesPerSecond, |reach| reach.write_bandwidth_mbps),
    ];
    for (name, unit, pick) in matrices {
        for (index, initiator) in performance.initiators().iter().enumerate() {
            let row = Row { topology, performance, index, unit, pick };
            if row.is_known() {
                log::info!(target: "numa", "{name} from domain {}:{row}", initiator.domain);
            }
        }
    }
    for node in topology.nodes() {
        if let Some(domain) = performance.attached_initiator(node.id) {
            log::info!(target: "numa", "memory of node {} is attached to domain {domain}", node.id);
        }
    }
    for cache in performance.side_caches() {
        log::info!(target: "numa", "{}", CacheWords(cache));
    }
}

#[derive(Clone, Copy)]
enum Unit {
    /// Of figures in picoseconds.
    Nanoseconds,
    MegabytesPerSecond,
}

/// One initiator's figures, each behind a space.
struct Row<'a> {
    topology: &'a NumaTopology,
    performance: &'a Performance,
    index: usize,
    unit: Unit,
    pick: Pick,
}

impl Row<'_> {
    fn figures(&self) -> impl Iterator<Item = Figure> {
        let nodes = self.topology.nodes().iter();
        nodes.filter_map(|node| self.performance.reach(self.index, node.id)).map(self.pick)
    }

    fn is_known(&self) -> bool {
        self.figures().any(|figure| figure != Figure::Unspecified)
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures().try_for_each(|figure| match (figure, self.unit) {
            (Figure::Unspecified, _) => out.write_str(" ?"),
            (Figure::Unreachable, _) => out.write_str(" -"),
            (Figure::Known(ps), Unit::Nanoseconds) if ps % 1000 != 0 => {
                write!(out, " {}.{:03}", ps / 1000, ps % 1000)
            }
            (Figure::Known(ps), Unit::Nanoseconds) => write!(out, " {}", ps / 1000),
            (Figure::Known(mbps), Unit::MegabytesPerSecond) => write!(out, " {mbps}"),
        })
    }
}

/// `node 0 has a side cache of 10 KiB, level 1 of 1, direct mapped, write-back, lines of 64 bytes`.
struct CacheWords<'a>(&'a SideCache);

impl fmt::Display for CacheWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &SideCache { node, level, size, levels, associativity, write_policy, line_size } = self.0;
        let kib = size.div_ceil(1024);
        write!(out, "node {node} has a side cache of {kib} KiB, level {level} of {levels}")?;
        out.write_str(match associativity {
            1 => ", direct mapped",
            2 => ", complex indexing",
            _ => "",
        })?;
        out.write_str(match write_policy {
            1 => ", write-back",
            2 => ", write-through",
            _ => "",
        })?;
        write!(out, ", lines of {line_size} bytes")
    }
}

/// The same for the topology event.
pub fn event(topology: &NumaTopology, performance: &Performance) -> events::Performance {
    let node_ids = || topology.nodes().iter().map(|node| node.id);
    let row = |index, pick: Pick| -> Vec<Option<i32>> {
        node_ids().filter_map(|to: NodeId| performance.reach(index, to)).map(pick).map(number).collect()
    };
    let matrix = |pick| (0..performance.initiators().len()).map(|index| row(index, pick)).collect();
    events::Performance {
        initiators: performance.initiators().iter().map(|initiator| initiator.domain.0).collect(),
        read_latency_ps: matrix(|reach| reach.read_latency_ps),
        write_latency_ps: matrix(|reach| reach.write_latency_ps),
        read_bandwidth_mbps: matrix(|reach| reach.read_bandwidth_mbps),
        write_bandwidth_mbps: matrix(|reach| reach.write_bandwidth_mbps),
        attached: node_ids()
            .map(|node| performance.attached_initiator(node).map(|domain| domain.0))
            .collect(),
        side_caches: performance.side_caches().iter().map(cache_event).collect(),
    }
}

/// A figure as the event has it.
fn number(figure: Figure) -> Option<i32> {
    match figure {
        Figure::Unspecified => None,
        Figure::Unreachable => Some(-1),
        // At most 30 bits.
        Figure::Known(value) => Some(value as i32),
    }
}

fn cache_event(cache: &SideCache) -> events::SideCache {
    let &SideCache { node, level, size, levels, associativity, write_policy, line_size } = cache;
    let node = node.index() as u32;
    events::SideCache { node, level, levels, size, line_size, associativity, write_policy }
}
