//! Which CPUs a controller's queues are for: those of its node, or of the nearest node that has some.
use core::fmt;
use driver_kit::memory::{self, Node};
use driver_kit::thread::{self, Cpu};

/// The most queues.
pub const MOST_QUEUES: usize = 64;

/// CPUs, in ascending order.
#[derive(Clone, Copy)]
pub struct Cpus {
    cpus: [Cpu; MOST_QUEUES],
    count: usize,
}

impl Cpus {
    /// Returns the CPUs that are near a node. Without a node, these are all.
    pub fn near(node: Option<Node>) -> Self {
        let has_cpus = |node: &Node| !Self::of(|cpu_node| cpu_node == *node).is_empty();
        let nearest = node.and_then(|node| {
            let others = (0..memory::nodes()).filter(has_cpus);
            others.min_by_key(|other| memory::distance(node, *other).unwrap_or(Cpu::MAX))
        });
        Self::of(|cpu_node| nearest.is_none_or(|nearest| nearest == cpu_node))
    }

    fn of(is_wanted: impl Fn(Node) -> bool) -> Self {
        let mut cpus = Self { cpus: [0; MOST_QUEUES], count: 0 };
        let wanted = |cpu: &Cpu| thread::is_online(*cpu) && memory::node_of_cpu(*cpu).is_some_and(&is_wanted);
        for cpu in (0..thread::cpus()).filter(wanted).take(MOST_QUEUES) {
            cpus.cpus[cpus.count] = cpu;
            cpus.count += 1;
        }
        cpus
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns how many CPUs there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Leaves out all but the first `count` CPUs.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    /// Returns the CPU for a queue, of as many queues as there are CPUs here. The kernel sends the requests of CPU i to queue i modulo the
    /// number of queues, so that is one of these CPUs if possible.
    pub fn of_queue(&self, queue: usize) -> Cpu {
        let cpus = &self.cpus[..self.count];
        let own = cpus.iter().find(|cpu| **cpu as usize % self.count == queue);
        own.or(cpus.get(queue)).copied().unwrap_or(0)
    }

    /// Returns the node of the first CPU.
    pub fn node(&self) -> Option<Node> {
        memory::node_of_cpu(*self.cpus[..self.count].first()?)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus = &self.cpus[..self.count];
        to.write_str(if let [_] = cpus { "CPU " } else { "CPUs " })?;
        for (index, run) in cpus.chunk_by(|before, after| before + 1 == *after).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match run {
                [only] => write!(to, "{comma}{only}")?,
                _ => write!(to, "{comma}{}-{}", run[0], run[run.len() - 1])?,
            }
        }
        Ok(())
    }
}
