//! Output for people: latency, bandwidth, attachments and side caches from the HMAT.
use std::io::{self, Write};

use topology::{Figure, Inputs, Measure, NumaTopology, Performance};

/// Writes a table for each measure, with a column for each node and each domain of ports, then the initiators that memory is attached to, and the side caches.
pub fn show(inputs: &Inputs<'_>, topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let Some(performance) = topology.performance() else {
        let has_hmat = inputs.hmat.is_some();
        let note = "\nLatency and bandwidth: without a usable SRAT the HMAT is not used";
        return if has_hmat { writeln!(out, "{note}") } else { Ok(()) };
    };
    writeln!(out, "\nLatency and bandwidth from a row's domain to a column's node, from the HMAT")?;
    for measure in Measure::ALL {
        show_measure(topology, performance, measure, out)?;
    }
    let attached = topology.nodes().iter().filter_map(|node| {
        let initiator = performance.attached_initiator(node.id)?;
        Some(format!("memory of node {} is attached to domain {initiator}", node.id))
    });
    let caches = performance.side_caches().iter().map(ToString::to_string);
    let lines: Vec<_> = attached.chain(caches).collect();
    if !lines.is_empty() {
        writeln!(out)?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Writes a row for each initiator, or a note if the HMAT gives no value of this measure.
fn show_measure(
    topology: &NumaTopology,
    performance: &Performance,
    measure: Measure,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = performance.initiators().len();
    let of_port = |initiator, port| {
        performance.reach_port(initiator, port).map_or(Figure::Unspecified, |reach| measure.of(reach))
    };
    let knows_port =
        |initiator| performance.ports().iter().any(|&port| of_port(initiator, port) != Figure::Unspecified);
    if !(0..count).any(|initiator| performance.knows(initiator, measure) || knows_port(initiator)) {
        return writeln!(out, "\n  {}: unspecified", measure.name());
    }
    write!(out, "\n  {}\n  {:>10}", measure.name(), "domain")?;
    topology.nodes().iter().try_for_each(|node| write!(out, " {:>7}", node.id))?;
    performance.ports().iter().try_for_each(|port| write!(out, " {:>12}", format!("port {port}")))?;
    writeln!(out)?;
    for (index, initiator) in performance.initiators().iter().enumerate() {
        write!(out, "  {:>10}", initiator.domain)?;
        for figure in performance.figures(index, measure) {
            write!(out, " {:>7}", measure.display(figure).to_string())?;
        }
        for &port in performance.ports() {
            write!(out, " {:>12}", measure.display(of_port(index, port)).to_string())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
