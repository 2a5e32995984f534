//! Ids: what firmware calls things, and what the kernel calls them.
use core::fmt;

/// The most NUMA nodes that the kernel keeps apart. The one place that says so.
pub const MAX_NODES: usize = 128;

/// A NUMA node's index in the kernel: dense, `0..node_count`, ascending with the proximity domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(u8);

impl NodeId {
    /// The node that every machine has.
    pub const ZERO: Self = Self(0);

    /// The node with this index; `None` at [`MAX_NODES`] and above.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_NODES { Some(Self(index as u8)) } else { None }
    }

    /// The index, for arrays with an entry for each node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A CPU's index in the kernel: dense, in the order of the MADT's enabled entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CpuId(pub u32);

impl CpuId {
    /// The index, for arrays with an entry for each CPU.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A proximity domain: firmware's name for a node, any 32-bit number (ACPI 6.5 §5.2.16).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ProximityDomain(pub u32);

/// A local APIC's id, which is hardware's name for a CPU (Intel SDM vol. 3 §11.4.6, 32 bits with x2APIC).
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
    fn a_node_id_exists_below_the_limit_only() {
        assert_eq!(NodeId::new(MAX_NODES - 1).map(NodeId::index), Some(MAX_NODES - 1));
        assert_eq!(NodeId::new(MAX_NODES), None);
    }
}
