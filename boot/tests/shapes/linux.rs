//! An independent witness: what Linux reports about the same machine.
//!
//! `boot/oracle.sh` fetches the kernel and writes the program that prints the lines which this file reads.
use std::collections::BTreeMap;
use std::time::Duration;

use boot::event::{Memory, Node, Topology};
use boot::{Run, Verdict, artifacts};

use crate::shape::Shape;

/// The time limit of a boot. Linux takes longer than Proxima.
const LIMIT: Duration = Duration::from_secs(400);

/// A node, in the terms that both kernels report. CPUs are APIC ids and nodes are domains, because each kernel has numbers of
/// its own.
#[derive(PartialEq, Eq, Debug)]
pub struct Seen {
    apic_ids: Vec<u32>,
    /// The ranges of memory: (first address, last address).
    memory: Vec<(u64, u64)>,
    /// The distance to each domain.
    distances: BTreeMap<u32, u8>,
    /// The distances of the fallback order. The order of equally distant nodes is left out: each kernel has its own rule.
    fallback: Vec<u8>,
}

/// A machine, in the terms that both kernels report: its nodes by domain.
pub type Machine = BTreeMap<u32, Seen>;

/// Boots Linux on this shape and returns what it reports.
pub fn linux(shape: &Shape) -> Machine {
    let file = |name: &str| artifacts::workspace().join("target/oracle").join(name).into_os_string();
    let machine = shape
        .machine()
        .arguments(["-kernel".into(), file("vmlinuz"), "-initrd".into(), file("initrd")])
        .arguments(["-append", "console=ttyS0 quiet"]);
    let run = machine.run(LIMIT).unwrap().expect(Verdict::Success);
    Lines::read(&run).machine()
}

/// Returns what Proxima found, in the same terms.
pub fn proxima(run: &Run, topology: &Topology) -> Machine {
    let apic_id: BTreeMap<u32, u32> = run.cpus().iter().map(|cpu| (cpu.index, cpu.apic_id)).collect();
    let seen = |node: &Node| {
        let distances = &topology.distances[node.id as usize];
        Seen {
            apic_ids: sorted(node.cpus.iter().map(|cpu| apic_id[cpu])),
            memory: node.memory.iter().map(|&Memory { base, length }| (base, base + length - 1)).collect(),
            distances: topology.nodes.iter().map(|to| (to.domain, distances[to.id as usize])).collect(),
            fallback: topology.fallback[node.id as usize].iter().map(|&to| distances[to as usize]).collect(),
        }
    };
    topology.nodes.iter().map(|node| (node.domain, seen(node))).collect()
}

/// What Linux's lines say, by Linux's own numbers of nodes.
#[derive(Default)]
struct Lines {
    domains: BTreeMap<u32, u32>,
    apic_ids: BTreeMap<u32, Vec<u32>>,
    memory: BTreeMap<u32, Vec<(u64, u64)>>,
    fallback: BTreeMap<u32, Vec<u32>>,
    /// The online nodes, each with its distances to all of them, in ascending order.
    distances: BTreeMap<u32, Vec<u8>>,
    /// The APIC ids of the online CPUs.
    running: Vec<u32>,
}

impl Lines {
    fn read(run: &Run) -> Self {
        let mut lines = Self::default();
        for line in run.lines().filter_map(|line| line.strip_prefix("oracle ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["SRAT:", "PXM", domain, "->", "APIC", apic_id, "->", "Node", node] => {
                    lines.domains.insert(number(node), number(domain));
                    lines.apic_ids.entry(number(node)).or_default().push(hexadecimal(apic_id) as u32);
                }
                ["ACPI:", "SRAT:", "Node", node, "PXM", domain, "[mem", range] => {
                    lines.domains.insert(number(node), number(domain));
                    let (first, last) = range.trim_end_matches(']').split_once('-').expect("a range");
                    let range = (hexadecimal(first), hexadecimal(last));
                    lines.memory.entry(number(node)).or_default().push(range);
                }
                // A word behind the range marks hot-pluggable or persistent memory.
                ["ACPI:", "SRAT:", "Node", node, "PXM", domain, ..] => {
                    lines.domains.insert(number(node), number(domain));
                }
                ["Fallback", "order", "for", "Node", node, ref order @ ..] => {
                    let order = order.iter().map(|node| number(node)).collect();
                    lines.fallback.insert(number(node.trim_end_matches(':')), order);
                }
                ["apicid", apic_id] => lines.running.push(number(apic_id)),
                ["node", node, "memory", _, "cpus", .., "distances"] => panic!("no distances of node {node}"),
                ["node", node, "memory", ref rest @ ..] => {
                    let distances = rest.iter().skip_while(|word| **word != "distances").skip(1);
                    lines.distances.insert(number(node), distances.map(|word| number(word) as u8).collect());
                }
                _ => (),
            }
        }
        assert!(run.line("oracle end").is_some(), "{}", run.serial);
        lines
    }

    fn machine(self) -> Machine {
        let online: Vec<u32> = self.distances.keys().copied().collect();
        let seen = |node: u32| {
            let distance: BTreeMap<u32, u8> =
                online.iter().copied().zip(self.distances[&node].iter().copied()).collect();
            Seen {
                apic_ids: sorted(
                    // Linux also reports CPUs that can be plugged in.
                    self.apic_ids
                        .get(&node)
                        .into_iter()
                        .flatten()
                        .copied()
                        .filter(|id| self.running.contains(id)),
                ),
                memory: sorted(self.memory.get(&node).into_iter().flatten().copied()),
                distances: distance.iter().map(|(to, distance)| (self.domains[to], *distance)).collect(),
                // In Linux a node without memory comes first in its own fallback order.
                fallback: self.fallback[&node]
                    .iter()
                    .filter(|to| self.memory.contains_key(to))
                    .map(|to| distance[to])
                    .collect(),
            }
        };
        online.iter().map(|&node| (self.domains[&node], seen(node))).collect()
    }
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

fn number(word: &str) -> u32 {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))
}

fn hexadecimal(word: &str) -> u64 {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{word:?} is no number"))
}
