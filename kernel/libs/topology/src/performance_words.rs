//! Latency, bandwidth and side caches in words, a line each.
use core::fmt;

use crate::{Figure, NumaTopology, Performance, Reach, SideCache};

/// One of the four figures.
type Pick = fn(Reach) -> Figure;

impl NumaTopology {
    /// Says line by line what is known of latency and bandwidth, if anything is.
    ///
    /// # Errors
    /// The first that `say` has.
    pub fn describe_performance<E>(
        &self,
        mut say: impl FnMut(fmt::Arguments<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(performance) = self.performance() else { return Ok(()) };
        let matrices: [(&str, Unit, Pick); 4] = [
            ("read latency (ns)", Unit::Nanoseconds, |reach| reach.read_latency_ps),
            ("write latency (ns)", Unit::Nanoseconds, |reach| reach.write_latency_ps),
            ("read bandwidth (MB/s)", Unit::MegabytesPerSecond, |reach| reach.read_bandwidth_mbps),
            ("write bandwidth (MB/s)", Unit::MegabytesPerSecond, |reach| reach.write_bandwidth_mbps),
        ];
        for (name, unit, pick) in matrices {
            for (index, initiator) in performance.initiators().iter().enumerate() {
                let row = Row { topology: self, performance, index, unit, pick };
                if row.is_known() {
                    say(format_args!("{name} from domain {}:{row}", initiator.domain))?;
                }
            }
        }
        for node in self.nodes() {
            if let Some(domain) = performance.attached_initiator(node.id) {
                say(format_args!("memory of node {} is attached to domain {domain}", node.id))?;
            }
        }
        performance.side_caches().iter().try_for_each(|cache| say(format_args!("{}", CacheWords(cache))))
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
