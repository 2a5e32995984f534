//! The ids of nodes and CPUs, as firmware and as the kernel use them.
use core::fmt;

/// The highest number of NUMA nodes. Every array of nodes has this size.
pub const MAX_NODES: usize = 128;

/// A NUMA node's index in the kernel. Indices are dense, from 0, and ascend with the proximity domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(u8);

impl NodeId {
    /// Node 0, which every machine has.
    pub const ZERO: Self = Self(0);

    /// Creates the id of the node with this index, or returns `None` if the index is not below [`MAX_NODES`].
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_NODES { Some(Self(index as u8)) } else { None }
    }

    /// Returns the index for arrays with an entry for each node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A CPU's index in the kernel. Indices are dense, from 0, in the order of the MADT's enabled entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CpuId(pub u32);

impl CpuId {
    /// Returns the index for arrays with an entry for each CPU.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A proximity domain: firmware's id of a node, any 32-bit number (ACPI 6.5 §5.2.16).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProximityDomain(pub u32);

/// A local APIC's id: hardware's id of a CPU (Intel SDM vol. 3 §11.4.6). It has 32 bits with x2APIC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ApicId(pub u32);

macro_rules! display_as_number {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, out)
            }
        }
    )*};
}
display_as_number!(NodeId, CpuId, ProximityDomain, ApicId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_exists_only_below_the_limit() {
        assert_eq!(NodeId::new(MAX_NODES - 1).map(NodeId::index), Some(MAX_NODES - 1));
        assert_eq!(NodeId::new(MAX_NODES), None);
    }
}
