//! The proximity domains that may become nodes, in ascending order.
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::smallest::Smallest;

/// The lowest [`MAX_NODES`] of the domains inserted.
pub struct Domains(Smallest<ProximityDomain, MAX_NODES>);

impl Domains {
    pub const fn new() -> Self {
        Self(Smallest::new())
    }

    /// Adds a domain. If there is no room, the highest domain is removed.
    pub fn insert(&mut self, domain: ProximityDomain) {
        self.0.offer(domain);
    }

    /// Returns the domain's index in ascending order.
    pub fn index(&self, domain: ProximityDomain) -> Option<NodeId> {
        self.0.items().binary_search(&domain).ok().and_then(NodeId::new)
    }

    /// Returns true if the domain may have been inserted: it is in the list, or the list is full of lower domains.
    pub fn may_have(&self, domain: ProximityDomain) -> bool {
        self.0.may_have(domain)
    }

    /// Returns the domains in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ProximityDomain> {
        self.0.items().iter().copied()
    }
}
