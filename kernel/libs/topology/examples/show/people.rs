//! Output for people: the tables and their findings, then the machine as a table, a matrix and a tree.
use std::io::{self, Write};

use acpi_tables::Finding;
use topology::{Cpu, Inputs, Node, NumaTopology, Source};
use units::NodeId;

use super::size::size;
use super::tables::Table;
use super::{arm, bridges, extras, performance};

const NONE: &str = "-";

/// Writes all parts, each with a heading. Those about the machine are left out if its topology is unknown.
pub fn show(
    tables: &[Table],
    findings: &[Finding],
    inputs: &Inputs<'_>,
    topology: Option<&NumaTopology>,
    out: &mut dyn Write,
) -> io::Result<()> {
    show_tables(tables, out)?;
    show_findings(findings, out)?;
    if let Some(note) = arm::note(inputs) {
        writeln!(out, "\n{note}")?;
    }
    let Some(topology) = topology else { return Ok(()) };
    show_nodes(topology, out)?;
    show_distances(topology, out)?;
    performance::show(inputs, topology, out)?;
    extras::show(inputs, topology, out)?;
    bridges::show(tables, topology, out)?;
    show_tree(topology, out)
}

fn show_tables(tables: &[Table], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Tables\n")?;
    for table in tables {
        let (signature, length) = (table.signature().to_string(), table.bytes.len());
        let note = if table.is_skipped() && !table.is_aml() { ", skipped" } else { "" };
        writeln!(out, "  {signature:<4} {length:>8} bytes  {}{note}", table.file.display())?;
    }
    if tables.is_empty() { writeln!(out, "  none") } else { Ok(()) }
}

fn show_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nFindings\n")?;
    for finding in findings {
        writeln!(out, "  {}", finding.in_full())?;
    }
    if findings.is_empty() { writeln!(out, "  none") } else { Ok(()) }
}

fn show_nodes(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let source = if topology.source() == Source::Srat { "from the SRAT" } else { "without a usable SRAT" };
    writeln!(out, "\nNodes, {source}\n")?;
    let heading = ["node", "domain", "memory", "from", "hot-pluggable"];
    let [node, domain, memory, base, window] = heading;
    writeln!(out, "  {node:>4}  {domain:>10}  {memory:>12}  {base:>18}  {window:>16}  CPUs")?;
    for node in topology.nodes() {
        let size_of = |hot_pluggable| {
            let ranges = topology.ranges_of(node.id).filter(|range| range.hot_pluggable == hot_pluggable);
            ranges.map(|range| range.range.len_bytes()).sum()
        };
        let (memory, window) = (rounded(size_of(false)), rounded(size_of(true)));
        let base = topology.ranges_of(node.id).find(|range| !range.hot_pluggable);
        let base = base.map_or_else(|| NONE.into(), |range| format!("{:#x}", range.range.start.0));
        let cpus = topology.cpu_list(node.id).to_string();
        let cpus = if cpus.is_empty() { NONE } else { &cpus };
        let (id, domain) = (node.id, node.domain);
        writeln!(out, "  {id:>4}  {domain:>10}  {memory:>12}  {base:>18}  {window:>16}  {cpus}")?;
    }
    Ok(())
}

/// Returns a number of bytes in MiB, rounded to the nearest number. Sizes below 1 MiB are not rounded.
fn rounded(bytes: u64) -> String {
    match bytes {
        0 => NONE.into(),
        1..0x10_0000 => size(bytes),
        _ => format!("{} MiB", (bytes >> 19).div_ceil(2)),
    }
}

fn show_distances(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    let source = if topology.has_distance_matrix() { "from the SLIT" } else { "assumed" };
    writeln!(out, "\nDistances from a row's node to a column's, {source}\n")?;
    write!(out, "      ")?;
    topology.nodes().iter().try_for_each(|to| write!(out, " {:>3}", to.id))?;
    writeln!(out)?;
    for from in topology.nodes() {
        write!(out, "  {:>4}", from.id)?;
        topology.distances_from(from.id).try_for_each(|distance| write!(out, " {distance:>3}"))?;
        writeln!(out)?;
    }
    Ok(())
}

fn show_tree(topology: &NumaTopology, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nMachine\n")?;
    for (index, node) in topology.nodes().iter().enumerate() {
        let is_last = index + 1 == topology.node_count();
        writeln!(out, "  {} node {} (proximity domain {})", branch(is_last), node.id, node.domain)?;
        let leaves = leaves(topology, node);
        for (index, leaf) in leaves.iter().enumerate() {
            let trunk = if is_last { ' ' } else { '│' };
            writeln!(out, "  {trunk}  {} {leaf}", branch(index + 1 == leaves.len()))?;
        }
    }
    Ok(())
}

const fn branch(is_last: bool) -> &'static str {
    if is_last { "└─" } else { "├─" }
}

/// Returns a node's CPUs and memory, and the nodes that its allocations try.
fn leaves(topology: &NumaTopology, node: &Node) -> Vec<String> {
    let mut leaves: Vec<String> =
        runs(topology, node.id).map(|run| format!("CPU {} (APIC {})", run.cpus(), run.apic_ids())).collect();
    leaves.extend(topology.ranges_of(node.id).map(|range| {
        let note = if range.hot_pluggable { ", hot-pluggable" } else { "" };
        format!("{range} {}{note}", size(range.range.len_bytes()))
    }));
    let order = topology.fallback(node.id).iter().map(|to| format!(" {to}")).collect::<String>();
    if !order.is_empty() {
        leaves.push(format!("memory from node{order}"));
    }
    leaves
}

/// CPUs whose ids and APIC ids both ascend by one.
struct Run {
    first: Cpu,
    last: Cpu,
}

impl Run {
    fn cpus(&self) -> String {
        span(self.first.id.0, self.last.id.0)
    }

    fn apic_ids(&self) -> String {
        span(self.first.apic_id.0, self.last.apic_id.0)
    }
}

fn span(first: u32, last: u32) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn runs(topology: &NumaTopology, node: NodeId) -> impl Iterator<Item = Run> {
    let mut cpus = topology.cpus().iter().copied().filter(move |cpu| cpu.node == node).peekable();
    std::iter::from_fn(move || {
        let first = cpus.next()?;
        let mut last = first;
        let follows = |cpu: &Cpu, last: Cpu| {
            cpu.id.0 == last.id.0 + 1 && Some(cpu.apic_id.0) == last.apic_id.0.checked_add(1)
        };
        while let Some(next) = cpus.next_if(|cpu| follows(cpu, last)) {
            last = next;
        }
        Some(Run { first, last })
    })
}
