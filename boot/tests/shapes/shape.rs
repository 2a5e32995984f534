//! A shape of machine: its description, the machine that QEMU makes of it, and the topology that follows from it.
use boot::event::{Memory, Node as NodeEvent, Topology};
use boot::{Firmware, Machine, Node};
use serde_json::Value;

use crate::common::{GIB, KIB, MIB};

/// A shape of machine. What is expected is computed from these fields by the rules of QEMU's chipsets.
#[derive(Clone)]
pub struct Shape {
    /// Its name, which says what is special about it.
    pub name: &'static str,
    nodes: Vec<Home>,
    distances: Option<Vec<Vec<u8>>>,
    packages: Option<Packages>,
    /// How many of the nodes' CPUs are present. The others are empty slots.
    present: Option<u32>,
    chipset: Chipset,
    firmware: Firmware,
    arguments: Vec<&'static str>,
    /// The value of `performance` in the topology event.
    pub performance: Value,
    pub persistent: Value,
    /// The rule of the one finding, if there is one.
    pub finding: Option<&'static str>,
}

/// A node's CPUs by QEMU's index, and its memory in MiB.
pub type Home = (Vec<u32>, u64);

/// Returns a node of these CPUs and this much memory.
pub fn n(cpus: impl IntoIterator<Item = u32>, memory_mib: u64) -> Home {
    (cpus.into_iter().collect(), memory_mib)
}

/// Returns `count` nodes with one CPU and this much memory each.
pub fn each_with_a_cpu(count: u32, memory_mib: u64) -> Vec<Home> {
    (0..count).map(|cpu| n([cpu], memory_mib)).collect()
}

/// How CPUs are packed into sockets, dies and cores. Their APIC ids follow from it.
#[derive(Clone, Copy)]
struct Packages {
    sockets: u32,
    dies: u32,
    cores: u32,
    threads: u32,
}

#[derive(Clone, Copy)]
enum Chipset {
    Q35,
    I440fx,
}

impl Chipset {
    /// Returns where memory ends below 4 GiB on a machine with this much memory. The rest lies above 4 GiB.
    fn low_memory(self, total: u64) -> u64 {
        let (hole, low) = match self {
            Self::Q35 => (2816 * MIB, 2 * GIB),
            Self::I440fx => (3584 * MIB, 3 * GIB),
        };
        if total < hole { total } else { low }
    }
}

/// Returns a shape of these nodes, with all CPUs in one package, under BIOS, without distances.
pub fn shape(name: &'static str, nodes: impl IntoIterator<Item = Home>) -> Shape {
    Shape {
        name,
        nodes: nodes.into_iter().collect(),
        distances: None,
        packages: None,
        present: None,
        chipset: Chipset::Q35,
        firmware: Firmware::Bios,
        arguments: Vec::new(),
        performance: Value::Null,
        persistent: Value::Null,
        finding: None,
    }
}

impl Shape {
    /// Sets the distance between any two different nodes.
    pub fn far(self, distance: impl Fn(u32, u32) -> u8) -> Self {
        let count = self.nodes.len() as u32;
        let entry = |from, to| if from == to { 10 } else { distance(from, to) };
        let rows = (0..count).map(|from| (0..count).map(|to| entry(from, to)).collect());
        Self { distances: Some(rows.collect()), ..self }
    }

    /// Packs the CPUs into sockets, dies, cores and threads of these counts.
    pub fn packed(self, sockets: u32, dies: u32, cores: u32, threads: u32) -> Self {
        Self { packages: Some(Packages { sockets, dies, cores, threads }), ..self }
    }

    /// Leaves all slots empty but those of the first `cpus` CPUs.
    pub fn present(self, cpus: u32) -> Self {
        Self { present: Some(cpus), ..self }
    }

    /// Selects the chipset i440FX, whose hole lies elsewhere.
    pub fn i440fx(self) -> Self {
        Self { chipset: Chipset::I440fx, ..self }
    }

    /// Selects UEFI firmware.
    pub fn uefi(self, name: &'static str) -> Self {
        Self { name, firmware: Firmware::Uefi, ..self }
    }

    /// Adds arguments for QEMU, separated by spaces.
    pub fn with(mut self, arguments: &'static str) -> Self {
        self.arguments.extend(arguments.split_whitespace());
        self
    }

    /// Sets what the topology event says of latency and bandwidth.
    pub fn performing(self, performance: Value) -> Self {
        Self { performance, ..self }
    }

    /// The rule of the one finding.
    pub fn finding(self, rule: &'static str) -> Self {
        Self { finding: Some(rule), ..self }
    }

    /// The ranges of persistent memory.
    pub fn persistent(self, ranges: Value) -> Self {
        Self { persistent: ranges, ..self }
    }

    pub fn machine(&self) -> Machine {
        let nodes = self.nodes.iter().map(|(cpus, memory)| Node::new(cpus.iter().copied(), *memory));
        let mut machine = Machine::with_nodes(nodes).firmware(self.firmware);
        if let Some(rows) = &self.distances {
            machine = machine.distances(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>());
        }
        if let Chipset::I440fx = self.chipset {
            machine = machine.arguments(["-machine", "pc"]);
        }
        let slots = self.slots();
        if let Some(Packages { sockets, dies, cores, threads }) = self.packages {
            let packed = format!("{slots},sockets={sockets},dies={dies},cores={cores},threads={threads}");
            machine = machine.arguments(["-smp", &packed]);
        }
        if let Some(present) = self.present {
            machine = machine.arguments(["-smp", &format!("{present},maxcpus={slots}")]);
        }
        machine.arguments(self.arguments.iter().copied())
    }

    /// Returns the topology that the kernel has to find, without page counts.
    pub fn expected(&self) -> Topology {
        let present = self.present.unwrap_or(u32::MAX);
        let homes: Vec<(u32, NodeEvent)> = (0..)
            .zip(&self.nodes)
            .zip(self.memory())
            .map(|((domain, (cpus, _)), memory)| {
                let cpus: Vec<u32> = cpus.iter().copied().filter(|&cpu| cpu < present).collect();
                (domain, NodeEvent { id: 0, domain, cpus, memory, pages_total: 0, pages_free: 0 })
            })
            // A domain with neither CPU nor memory does not become a node.
            .filter(|(_, node)| !node.cpus.is_empty() || !node.memory.is_empty())
            .collect();
        let domains: Vec<u32> = homes.iter().map(|(domain, _)| *domain).collect();
        let nodes: Vec<NodeEvent> =
            (0..).zip(homes).map(|(id, (_, node))| NodeEvent { id, ..node }).collect();
        let distances: Vec<Vec<u8>> =
            domains.iter().map(|&from| domains.iter().map(|&to| self.distance(from, to)).collect()).collect();
        let fallback = fallback(&nodes, &distances);
        Topology { source: "srat".into(), nodes, distances, fallback }
    }

    /// Returns the APIC id of each CPU that is present.
    pub fn apic_ids(&self) -> Vec<u32> {
        let present = 0..self.present.unwrap_or(self.slots());
        let Some(Packages { dies, cores, threads, .. }) = self.packages else { return present.collect() };
        present
            .map(|cpu| {
                let (thread, core) = (cpu % threads, cpu / threads % cores);
                let (die, socket) = (cpu / threads / cores % dies, cpu / threads / cores / dies);
                // Each part of the APIC id has as many bits as its count needs.
                [(die, dies), (core, cores), (thread, threads)]
                    .into_iter()
                    .fold(socket, |id, (part, count)| id << count.next_power_of_two().trailing_zeros() | part)
            })
            .collect()
    }

    fn slots(&self) -> u32 {
        self.nodes.iter().map(|(cpus, _)| cpus.len() as u32).sum()
    }

    fn distance(&self, from: u32, to: u32) -> u8 {
        match &self.distances {
            Some(rows) => rows[from as usize][to as usize],
            None if from == to => 10,
            None => 20,
        }
    }

    /// Returns each node's memory. QEMU gives memory to the nodes in order, with holes from 640 KiB to 1 MiB and below 4 GiB.
    fn memory(&self) -> Vec<Vec<Memory>> {
        let total = self.nodes.iter().map(|(_, mib)| mib * MIB).sum();
        let low = self.chipset.low_memory(total);
        // Pieces of the machine's memory: how much memory is before the piece's start, before its end, and its address.
        let pieces =
            [(0, 640 * KIB, 0), (MIB, low, MIB), (low, total, 4 * GIB)].map(|(first, end, address)| {
                move |from: u64, to: u64| {
                    let (from, to) = (from.max(first), to.min(end));
                    (from < to).then(|| Memory { base: address + from - first, length: to - from })
                }
            });
        let mut next = 0;
        let mut deal = |mib: u64| {
            let from = next;
            next += mib * MIB;
            pieces.iter().filter_map(|piece| piece(from, next)).collect()
        };
        self.nodes.iter().map(|(_, mib)| deal(*mib)).collect()
    }
}

/// Returns each node's fallback order: nodes with memory by distance, equally distant ones in cyclic order from the node.
fn fallback(nodes: &[NodeEvent], distances: &[Vec<u8>]) -> Vec<Vec<u32>> {
    let count = nodes.len() as u32;
    let order = |from: u32| {
        let mut order: Vec<u32> = (0..count).filter(|&to| !nodes[to as usize].memory.is_empty()).collect();
        order.sort_by_key(|&to| {
            (to != from, distances[from as usize][to as usize], (to + count - from) % count)
        });
        order
    };
    (0..count).map(order).collect()
}
