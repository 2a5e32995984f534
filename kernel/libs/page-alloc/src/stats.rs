//! A node's numbers, in numastat's terms.
use units::NodeId;

use crate::node_memory::NodeMemory;
use crate::request::Purpose;

/// A node's numbers at one moment. The allocation counts are in frames, as in Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStats {
    /// Frames of the node's spans, including those in use since boot and those that are offline.
    pub total: u64,
    /// Frames that were added and are not offline: the free and the granted ones.
    pub managed: u64,
    /// Frames that are free, including those in caches.
    pub free: u64,
    /// Frames that are free and in a CPU's cache.
    pub cached: u64,
    /// The order of the largest free chunk, at most [`MAX_ORDER`](crate::MAX_ORDER); `None` if nothing is free.
    pub largest_free_order: Option<u8>,
    /// Frames allocated here that were wanted from here.
    pub hit: u64,
    /// Frames allocated here that were wanted from another node.
    pub miss: u64,
    /// Frames that were wanted from here and came from another node.
    pub foreign: u64,
    /// Frames allocated here as interleaving chose: a part of `hit`.
    pub interleave_hit: u64,
    /// Frames allocated here by a CPU of this node.
    pub local: u64,
    /// Frames allocated here by a CPU of another node.
    pub other: u64,
    /// Refused frees of frames of this node.
    pub refused_frees: u64,
}

/// The counts under the node's lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub hit: u64,
    pub miss: u64,
    pub interleave_hit: u64,
    pub local: u64,
    pub other: u64,
    pub refused_frees: u64,
}

impl Counts {
    /// Counts frames of the node `id` that were granted.
    pub fn count(&mut self, frames: u64, id: NodeId, purpose: Purpose) {
        let local = purpose.cpu_node == id;
        if purpose.wanted == id {
            self.interleave_hit += if purpose.interleaved { frames } else { 0 };
            return self.count_hit(frames, local);
        }
        self.miss += frames;
        *(if local { &mut self.local } else { &mut self.other }) += frames;
    }

    /// Counts frames that were granted by the node that they were wanted from. `local`: to a CPU of the node.
    #[inline]
    pub fn count_hit(&mut self, frames: u64, local: bool) {
        self.hit += frames;
        *(if local { &mut self.local } else { &mut self.other }) += frames;
    }
}

/// Frames in a node's caches, and frames that the caches have granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheCounts {
    pub held: u64,
    pub granted: u64,
}

/// Sums over a node's regions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FreeSums {
    pub free: u64,
    pub managed: u64,
    pub largest_order: Option<u8>,
}

impl FreeSums {
    /// Adds up the memory of all regions.
    pub fn of<'n, 'm: 'n>(memories: impl Iterator<Item = &'n mut NodeMemory<'m>>) -> Self {
        memories.fold(Self::default(), |sums, memory| Self {
            free: sums.free + memory.free_frames(),
            managed: sums.managed + memory.managed_frames(),
            largest_order: sums.largest_order.max(memory.largest_free_order()),
        })
    }
}

impl NodeStats {
    /// Puts a node's numbers together.
    pub(crate) fn new(
        total: u64,
        memory: FreeSums,
        counts: Counts,
        foreign: u64,
        caches: CacheCounts,
    ) -> Self {
        let Counts { hit, miss, interleave_hit, local, other, refused_frees } = counts;
        Self {
            total,
            managed: memory.managed,
            free: memory.free + caches.held,
            cached: caches.held,
            largest_free_order: memory.largest_order.or((caches.held > 0).then_some(0)),
            hit: hit + caches.granted,
            miss,
            foreign,
            interleave_hit,
            local: local + caches.granted,
            other,
            refused_frees,
        }
    }
}
