//! For people: what the HMAT says of the ways to memory.
use std::io::{self, Write};

use topology::{Inputs, Measure, NumaTopology, Performance};

/// Latency and bandwidth, a table each, then what memory is attached to, and the caches in front of it.
pub fn show(inputs: &Inputs<'_>, topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let Some(performance) = topology.performance() else {
        let is_put_aside = inputs.hmat.is_some();
        let note = "\nLatency and bandwidth: without an SRAT of use the HMAT is not asked";
        return if is_put_aside { writeln!(out, "{note}") } else { Ok(()) };
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

/// A row for each initiator, or a word where nothing is known of any.
fn show_measure(
    topology: &NumaTopology,
    performance: &Performance,
    measure: Measure,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = performance.initiators().len();
    if !(0..count).any(|initiator| performance.knows(initiator, measure)) {
        return writeln!(out, "\n  {}: not said", measure.name());
    }
    write!(out, "\n  {}\n  {:>10}", measure.name(), "domain")?;
    topology.nodes().iter().try_for_each(|node| write!(out, " {:>7}", node.id))?;
    writeln!(out)?;
    for (index, initiator) in performance.initiators().iter().enumerate() {
        write!(out, "  {:>10}", initiator.domain)?;
        for figure in performance.figures(index, measure) {
            write!(out, " {:>7}", measure.words(figure).to_string())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
