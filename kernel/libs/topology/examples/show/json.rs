//! For programs: the lines that the kernel writes to its second serial port.
use std::io::{self, Write};

use acpi_tables::Finding;
use events::{Event, LineError, MemoryRange, Node};
use topology::NumaTopology;

use super::performance;

/// No event is longer: 128 nodes with their distances and 1024 CPUs take some 200 KiB.
const LONGEST: usize = 1 << 24;

/// The event of a finding.
pub fn finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    write(
        &Event::Finding {
            table: finding.table.to_string().into(),
            offset: finding.offset,
            rule: finding.rule.id().into(),
            action: finding.action.as_str().into(),
            what: finding.to_string().into(),
        },
        out,
    )
}

/// The event of the topology. Pages are not counted, for there are none yet.
pub fn topology(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let nodes = topology.nodes();
    let row = |from| nodes.iter().filter_map(move |to| topology.distance(from, to.id)).collect();
    let order = |from| topology.fallback(from).iter().map(|to| to.index() as u32).collect();
    write(
        &Event::Topology {
            source: topology.source().as_str().into(),
            nodes: nodes.iter().map(|node| node_event(topology, node)).collect(),
            distances: nodes.iter().map(|node| row(node.id)).collect(),
            fallback: nodes.iter().map(|node| order(node.id)).collect(),
            performance: topology.performance().map(|known| performance::event(topology, known)),
        },
        out,
    )
}

fn node_event(topology: &NumaTopology, node: &topology::Node) -> Node {
    let range = |range: &topology::MemoryRange| MemoryRange {
        base: range.range.start.0,
        length: range.range.len_bytes(),
        hotplug: range.hot_pluggable,
    };
    Node {
        id: node.id.index() as u32,
        domain: node.domain.0,
        cpus: topology.cpus().iter().filter(|cpu| cpu.node == node.id).map(|cpu| cpu.id.0).collect(),
        memory: topology.ranges_of(node.id).map(range).collect(),
        pages_total: 0,
        pages_free: 0,
    }
}

fn write(event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 12];
    loop {
        match events::write_line(event, &mut buffer) {
            Ok(line) => return out.write_all(line),
            Err(LineError::BufferTooShort(size)) if size < LONGEST => buffer.resize(size * 4, 0),
            Err(error) => return Err(io::Error::other(format!("{error:?}"))),
        }
    }
}
