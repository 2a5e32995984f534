//! A node's numbers, in numastat's terms.
use crate::node_memory::NodeMemory;

/// A node's numbers at one moment. The allocation counts are in frames, as Linux counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeStats {
    /// Frames of the node's spans: those in use since boot and those that were removed included.
    pub total: u64,
    /// Frames that were added and not removed again: the free and the granted ones.
    pub managed: u64,
    /// Frames that are free, those in caches included.
    pub free: u64,
    /// Frames that are free and in a CPU's cache.
    pub cached: u64,
    /// The order of the largest free chunk, at most [`MAX_ORDER`](crate::MAX_ORDER); `None` when nothing is free.
    pub largest_free_order: Option<u8>,
    /// Frames allocated here as was preferred.
    pub hit: u64,
    /// Frames allocated here though another node was preferred.
    pub miss: u64,
    /// Frames that were to come from here and came from another node.
    pub foreign: u64,
    /// Frames allocated here as interleaving had chosen; those of `hit` that were asked for in that way.
    pub interleave_hit: u64,
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
    pub interleave_hit: u64,
    pub local: u64,
    pub other: u64,
    pub refused_frees: u64,
}

impl Counts {
    /// Counts frames that were granted as preferred, to a CPU of the node or of another.
    #[inline]
    pub fn count_hit(&mut self, frames: u64, local: bool) {
        self.hit += frames;
        *(if local { &mut self.local } else { &mut self.other }) += frames;
    }
}

/// What a node's caches hold and have handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheCounts {
    pub held: u64,
    pub granted: u64,
}

/// What a node's memory says, over all its regions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FreeSums {
    pub free: u64,
    pub managed: u64,
    pub largest_order: Option<u8>,
}

impl FreeSums {
    pub fn of<'n, 'm: 'n>(memories: impl Iterator<Item = &'n mut NodeMemory<'m>>) -> Self {
        memories.fold(Self::default(), |sums, memory| Self {
            free: sums.free + memory.free_frames(),
            managed: sums.managed + memory.managed_frames(),
            largest_order: sums.largest_order.max(memory.largest_free_order()),
        })
    }
}

impl NodeStats {
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
