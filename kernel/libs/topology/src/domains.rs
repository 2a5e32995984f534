//! The proximity domains that may become nodes, in ascending order.
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, ProximityDomain};

/// The lowest [`MAX_NODES`] of the domains inserted.
pub struct Domains(ArrayVec<ProximityDomain, MAX_NODES>);

impl Domains {
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// Takes a domain in, in place of the highest one where there is no room for both.
    pub fn insert(&mut self, domain: ProximityDomain) {
        let Err(place) = self.0.binary_search(&domain) else { return };
        if place == MAX_NODES {
            return;
        }
        if self.0.is_full() {
            self.0.pop();
        }
        self.0.insert(place, domain);
    }

    /// The domain's index among those here.
    pub fn index(&self, domain: ProximityDomain) -> Option<NodeId> {
        self.0.binary_search(&domain).ok().and_then(NodeId::new)
    }

    /// Whether the domain was inserted for all that is known: what there was no room for may have been.
    pub fn may_have(&self, domain: ProximityDomain) -> bool {
        let forgotten = self.0.is_full() && self.0.last().is_some_and(|&last| last < domain);
        forgotten || self.index(domain).is_some()
    }

    /// The domains, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = ProximityDomain> {
        self.0.iter().copied()
    }
}
