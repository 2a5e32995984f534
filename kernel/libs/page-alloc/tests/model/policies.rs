//! The plainest possible policies: turns are taken one node at a time, and orders are lists.
use page_alloc::{NodeWeights, Policy, Request};
use proptest::prelude::*;
use units::{MAX_NODES, NodeId, NodeSet};

/// A policy over the lowest nodes of a machine, as its user writes it.
#[derive(Clone, Debug)]
pub enum Plan {
    Local,
    Preferred(NodeId),
    Strict(NodeId),
    Set(Vec<bool>),
    Interleave(Vec<bool>),
    Weighted(Vec<u8>),
}

pub fn policies(nodes: usize) -> impl Strategy<Value = Plan> {
    let node = || (0..nodes).prop_map(|index| NodeId::new(index).unwrap());
    let set = || prop::collection::vec(any::<bool>(), nodes);
    let weight = prop_oneof![Just(0), 1..4u8, any::<u8>()];
    prop_oneof![
        1 => Just(Plan::Local),
        1 => node().prop_map(Plan::Preferred),
        1 => node().prop_map(Plan::Strict),
        3 => set().prop_map(Plan::Set),
        3 => set().prop_map(Plan::Interleave),
        3 => prop::collection::vec(weight, nodes).prop_map(Plan::Weighted),
    ]
}

/// Returns sets of nodes, most of which contain all nodes.
pub fn sets(nodes: usize) -> impl Strategy<Value = NodeSet> {
    let some = prop::collection::vec(any::<bool>(), nodes).prop_map(|members| set_of(&members));
    prop_oneof![2 => Just(NodeSet::ALL), 1 => some]
}

fn set_of(members: &[bool]) -> NodeSet {
    let members = members.iter().enumerate().filter(|(_, is_in)| **is_in);
    members.map(|(index, _)| NodeId::new(index).unwrap()).collect()
}

impl Plan {
    /// Calls `use_it` with the policy.
    pub fn with<R>(&self, use_it: impl FnOnce(Policy<'_>) -> R) -> R {
        match self {
            Self::Local => use_it(Policy::Local),
            Self::Preferred(node) => use_it(Policy::Preferred(*node)),
            Self::Strict(node) => use_it(Policy::Strict(*node)),
            Self::Set(members) => use_it(Policy::Set(set_of(members))),
            Self::Interleave(members) => use_it(Policy::Interleave(set_of(members))),
            Self::Weighted(weights) => {
                use_it(Policy::Weighted(NodeSet::ALL, &NodeWeights::from_iter(weights.iter().copied())))
            }
        }
    }

    /// Returns what the policy allows a thread on a CPU of the node.
    pub fn wish(&self, node: NodeId, turns: &mut Turns, fallback: &[Vec<NodeId>]) -> Wish {
        let whole = |node: NodeId| Wish::new(node, order_from(node, fallback));
        let in_turn = |chosen: Option<NodeId>| match chosen {
            Some(node) => Wish { interleaved: true, ..whole(node) },
            None => Wish { wanted: None, order: Vec::new(), interleaved: false },
        };
        match self {
            Self::Local => whole(node),
            Self::Preferred(preferred) => whole(*preferred),
            Self::Strict(strict) => Wish::new(*strict, vec![*strict]),
            Self::Set(members) => whole(node).within(set_of(members)),
            Self::Interleave(members) => {
                in_turn(turns.next(false, |node| members.get(node).map_or(0, |is_in| u8::from(*is_in))))
            }
            Self::Weighted(weights) => {
                let weight = |node: usize| weights.get(node).copied().unwrap_or(0);
                in_turn(turns.next(true, weight))
            }
        }
    }
}

/// The nodes that may serve a request, in order.
#[derive(Debug)]
pub struct Wish {
    pub order: Vec<NodeId>,
    /// The first choice, although it may have no memory or not be asked at all.
    pub wanted: Option<NodeId>,
    pub interleaved: bool,
}

impl Wish {
    pub fn new(wanted: NodeId, order: Vec<NodeId>) -> Self {
        Self { order, wanted: Some(wanted), interleaved: false }
    }

    pub fn of(request: &Request, cpu_node: NodeId, fallback: &[Vec<NodeId>]) -> Self {
        let preferred = request.preferred.unwrap_or(cpu_node);
        let order = if request.strict { vec![preferred] } else { order_from(preferred, fallback) };
        let all = Self { interleaved: request.interleaved, ..Self::new(preferred, order) };
        all.within(request.nodes)
    }

    fn within(mut self, nodes: NodeSet) -> Self {
        self.order.retain(|node| nodes.contains(*node));
        let stands_in = || self.order.first().copied();
        self.wanted = self.wanted.filter(|node| nodes.contains(*node)).or_else(stands_in);
        self
    }
}

/// Returns the nodes that are asked when this one is preferred: itself, then the others of its fallback order.
fn order_from(node: NodeId, fallback: &[Vec<NodeId>]) -> Vec<NodeId> {
    let others = fallback[node.index()].iter().copied().filter(|other| *other != node);
    std::iter::once(node).chain(others).collect()
}

/// A thread's interleaving: the node that had the last turn, and how many more turns it has.
#[derive(Debug, Default)]
pub struct Turns {
    last: Option<usize>,
    to_come: u8,
}

impl Turns {
    /// Returns the next node in turn. The weight of a node outside the set is 0.
    fn next(&mut self, weighted: bool, weight: impl Fn(usize) -> u8) -> Option<NodeId> {
        let has_turns = |last: &usize| (1..weight(*last)).contains(&self.to_come);
        if let Some(last) = self.last.filter(|last| weighted && has_turns(last)) {
            self.to_come -= 1;
            return NodeId::new(last);
        }
        let start = self.last.map_or(0, |last| last + 1);
        let chosen =
            (start..start + MAX_NODES).map(|number| number % MAX_NODES).find(|node| weight(*node) > 0)?;
        *self = Self { last: Some(chosen), to_come: weight(chosen) - 1 };
        NodeId::new(chosen)
    }
}
