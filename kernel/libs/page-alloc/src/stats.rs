//! A node's numbers, in numastat's terms.
use crate::node_memory::NodeMemory;

/// A node's numbers at one moment. The allocation counts are in frames, as Linux counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStats {
    /// Frames of the node, those in use at boot included.
    pub total: u64,
    /// Frames that are free.
    pub free: u64,
    /// The order of the largest free chunk, at most [`MAX_ORDER`](crate::MAX_ORDER); `None` when nothing is free.
    pub largest_free_order: Option<u8>,
    /// Frames allocated here as was preferred.
    pub hit: u64,
    /// Frames allocated here though another node was preferred.
    pub miss: u64,
    /// Frames that were to come from here and came from another node.
    pub foreign: u64,
    /// Frames allocated here by a CPU of this node.
    pub local: u64,
    /// Frames allocated here by a CPU of another node.
    pub other: u64,
    /// Calls to `free` with a frame of this node that were refused.
    pub refused_frees: u64,
}

/// The counts that are kept under the node's lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub hit: u64,
    pub miss: u64,
    pub local: u64,
    pub other: u64,
    pub refused_frees: u64,
}

impl NodeStats {
    pub(crate) fn new(total: u64, memory: &NodeMemory<'_>, counts: Counts, foreign: u64) -> Self {
        let Counts { hit, miss, local, other, refused_frees } = counts;
        Self {
            total,
            free: memory.free_frames(),
            largest_free_order: memory.largest_free_order(),
            hit,
            miss,
            foreign,
            local,
            other,
            refused_frees,
        }
    }
}
