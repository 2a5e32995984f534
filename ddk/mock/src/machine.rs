//! The machine that a test runs on: its nodes and CPUs, and how its CPUs take turns.
use crate::finding::Left;

/// One NUMA node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// The number of its CPUs.
    pub cpus: usize,
    /// The pages of its memory.
    pub pages: u64,
}

/// A machine. It is made for one run of a test, which [`Machine::run`] starts.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) nodes: Vec<Node>,
    pub(crate) distance: fn(usize, usize) -> u32,
    pub(crate) seed: Option<u64>,
    pub(crate) allowed: Left,
    pub(crate) one_page_segments: bool,
    pub(crate) is_echoed: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Returns a machine with one node of two CPUs. Interrupts come at once, and threads run until they wait.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![Node { cpus: 2, pages: 1 << 16 }],
            distance: |from, to| if from == to { 10 } else { 20 },
            seed: None,
            allowed: Left::default(),
            one_page_segments: false,
            is_echoed: std::env::var_os("PROXIMA_MOCK_LOG").is_some(),
        }
    }

    /// Gives the machine these nodes. CPUs are numbered in their order; there are 64 at most.
    ///
    /// # Panics
    /// If there is no CPU on the first node, or more than 64 in all.
    #[must_use]
    pub fn nodes(mut self, nodes: &[Node]) -> Self {
        let cpus: usize = nodes.iter().map(|node| node.cpus).sum();
        assert!(nodes.first().is_some_and(|node| node.cpus > 0) && cpus <= 64, "a machine has 1 to 64 CPUs");
        self.nodes = nodes.to_vec();
        self
    }

    /// Gives the machine one node with so many CPUs.
    #[must_use]
    pub fn cpus(self, cpus: usize) -> Self {
        self.nodes(&[Node { cpus, pages: 1 << 16 }])
    }

    /// Sets the distances between nodes. Without it, they are 10 and 20.
    #[must_use]
    pub fn distance(mut self, distance: fn(usize, usize) -> u32) -> Self {
        self.distance = distance;
        self
    }

    /// Lets a seed decide when interrupts come, when devices work, and which thread runs on: at each call of an export and at each access of
    /// a register. The same seed gives the same order.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Allows the driver to leave at most so much at its end. The kernel takes back what a driver leaves, but a test fails without this.
    #[must_use]
    pub fn allow_left(mut self, left: Left) -> Self {
        self.allowed = left;
        self
    }

    /// Makes `Kernel_MapDma` return a segment for each page, as on a machine whose pages are scattered. Otherwise it returns one for all.
    #[must_use]
    pub fn scattered(mut self) -> Self {
        self.one_page_segments = true;
        self
    }

    pub(crate) fn cpu_count(&self) -> usize {
        self.nodes.iter().map(|node| node.cpus).sum()
    }

    pub(crate) fn node_of_cpu(&self, cpu: i32) -> Option<usize> {
        let mut left = usize::try_from(cpu).ok()?;
        self.nodes.iter().position(|node| {
            let is_here = left < node.cpus;
            left = left.wrapping_sub(node.cpus);
            is_here
        })
    }

    pub(crate) fn has_node(&self, node: i32) -> Option<usize> {
        usize::try_from(node).ok().filter(|node| *node < self.nodes.len())
    }

    pub(crate) fn distance_of(&self, from: usize, to: usize) -> u32 {
        (self.distance)(from, to)
    }

    /// Returns all nodes, nearest first.
    pub(crate) fn nearest(&self, from: usize) -> Vec<usize> {
        let mut nodes: Vec<_> = (0..self.nodes.len()).collect();
        nodes.sort_by_key(|to| (self.distance_of(from, *to), *to));
        nodes
    }

    /// Returns the CPUs of a node, or of the nearest one that has some.
    pub(crate) fn cpus_near(&self, node: usize) -> Vec<usize> {
        let with_cpus = self.nearest(node).into_iter().find(|node| self.nodes[*node].cpus > 0);
        let is_there = |cpu: &usize| self.node_of_cpu(*cpu as i32) == with_cpus;
        (0..self.cpu_count()).filter(is_there).collect()
    }
}
