//! On which node memory lies: policies, and what each node has left.
use crate::machine::Machine;
use abi::{
    NUMA_POLICY_INTERLEAVE, NUMA_POLICY_LOCAL, NUMA_POLICY_PREFERRED, NUMA_POLICY_SET, NUMA_POLICY_STRICT,
    NUMA_POLICY_WEIGHTED,
};

/// A policy that was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// One of the `NUMA_POLICY_` numbers.
    pub kind: u32,
    /// The node of a preferred or strict policy.
    pub node: usize,
    /// The nodes of the other kinds, ascending, without those that have no memory or weight 0.
    pub nodes: Vec<usize>,
    /// The weights of all nodes, for a weighted policy.
    pub weights: Vec<u8>,
    /// The turns taken so far.
    turns: usize,
}

impl Policy {
    /// Checks a policy. `weights` reads the weight of each node, if they are there.
    pub fn new(
        machine: &Machine,
        given: &abi::NumaPolicy,
        weights: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let count = machine.nodes.len();
        let mut policy = Self { kind: given.Kind, node: 0, nodes: Vec::new(), weights: Vec::new(), turns: 0 };
        if given.Reserved != 0 || given.Kind > NUMA_POLICY_WEIGHTED {
            return None;
        }
        if matches!(given.Kind, NUMA_POLICY_PREFERRED | NUMA_POLICY_STRICT) {
            policy.node = machine.has_node(given.Node)?;
        }
        if given.Kind >= NUMA_POLICY_SET {
            let named: Vec<_> =
                (0..128).filter(|node| given.Nodes[node / 64] >> (node % 64) & 1 != 0).collect();
            if named.iter().any(|node| *node >= count) {
                return None;
            }
            if given.Kind == NUMA_POLICY_WEIGHTED {
                policy.weights = weights()?;
            }
            let has_turn = |node: &usize| policy.weights.get(*node).is_none_or(|weight| *weight > 0);
            let usable = |node: &usize| machine.nodes[*node].pages > 0 && has_turn(node);
            policy.nodes = named.into_iter().filter(usable).collect();
            if policy.nodes.is_empty() {
                return None;
            }
        }
        Some(policy)
    }

    /// Returns the nodes to try, in their order, for a call on a CPU of node `here`; and takes a turn.
    pub fn order(&mut self, machine: &Machine, here: usize) -> Vec<usize> {
        let all = |node| machine.nearest(node);
        match self.kind {
            NUMA_POLICY_LOCAL => all(here),
            NUMA_POLICY_PREFERRED => all(self.node),
            NUMA_POLICY_STRICT => vec![self.node],
            NUMA_POLICY_SET => all(here).into_iter().filter(|node| self.nodes.contains(node)).collect(),
            NUMA_POLICY_INTERLEAVE => {
                self.turns += 1;
                all(self.nodes[(self.turns - 1) % self.nodes.len()])
            }
            _ => {
                let rounds = self
                    .nodes
                    .iter()
                    .flat_map(|node| std::iter::repeat_n(*node, usize::from(self.weights[*node])));
                let turns: Vec<_> = rounds.collect();
                self.turns += 1;
                all(turns[(self.turns - 1) % turns.len()])
            }
        }
    }
}

/// What each node has handed out.
#[derive(Debug)]
pub struct Memory {
    used_pages: Vec<u64>,
    next_page: Vec<u64>,
}

/// The first physical address of a node, and the distance to the next node's.
const NODE_BYTES: u64 = 1 << 40;

impl Memory {
    /// Returns the memory of a machine, all of it free.
    pub fn new(machine: &Machine) -> Self {
        Self { used_pages: vec![0; machine.nodes.len()], next_page: vec![1; machine.nodes.len()] }
    }

    /// Takes pages from the first of these nodes that has them. Returns the node.
    pub fn take(&mut self, machine: &Machine, nodes: &[usize], pages: u64) -> Option<usize> {
        let has_room = |node: &&usize| pages <= self.free_pages(machine, **node);
        let node = *nodes.iter().find(has_room)?;
        self.used_pages[node] += pages;
        Some(node)
    }

    /// Gives pages back to a node.
    pub fn give_back(&mut self, node: usize, pages: u64) {
        self.used_pages[node] -= pages;
    }

    /// Returns how many pages of a node are free.
    pub fn free_pages(&self, machine: &Machine, node: usize) -> u64 {
        machine.nodes[node].pages.saturating_sub(self.used_pages[node])
    }

    /// Returns a physical address for pages of a node. No address is used twice.
    pub fn address(&mut self, node: usize, pages: u64, alignment: u64) -> u64 {
        let base = Self::base(node);
        let first = (self.next_page[node] * 4096).next_multiple_of(alignment.max(4096)) / 4096;
        self.next_page[node] = first + pages + 1;
        base + first * 4096
    }

    /// Returns the first physical address of a node.
    pub const fn base(node: usize) -> u64 {
        (node as u64 + 1) * NODE_BYTES
    }

    /// Returns the node of a physical address.
    pub fn node_of(machine: &Machine, address: u64) -> Option<usize> {
        let node = (address / NODE_BYTES).checked_sub(1)? as usize;
        (node < machine.nodes.len()).then_some(node)
    }
}
