//! The proximity domains that may become nodes, in ascending order.
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::smallest::Smallest;

/// The lowest [`MAX_NODES`] of the domains inserted.
pub struct Domains(Smallest<ProximityDomain, MAX_NODES>);

impl Domains {
    pub const fn new() -> Self {
        Self(Smallest::new())
    }

    /// Takes a domain in, in place of the highest one where there is no room for both.
    pub fn insert(&mut self, domain: ProximityDomain) {
        self.0.offer(domain);
    }

    /// The domain's index among those here.
    pub fn index(&self, domain: ProximityDomain) -> Option<NodeId> {
        self.0.items().binary_search(&domain).ok().and_then(NodeId::new)
    }

    /// Whether the domain was inserted for all that is known: what there was no room for may have been.
    pub fn may_have(&self, domain: ProximityDomain) -> bool {
        self.0.may_have(domain)
    }

    /// The domains, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = ProximityDomain> {
        self.0.items().iter().copied()
    }
}
