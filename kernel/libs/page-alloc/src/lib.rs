//! A page allocator that knows NUMA: a buddy allocator for each node, over metadata that its caller owns.
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, loom))]
extern crate std;

mod add;
mod allocator;
mod atomic;
mod blocks;
mod buddy;
mod bulk;
mod cache;
mod carve;
mod claim;
mod error;
mod frame_map;
mod growth;
mod kept;
mod lists;
mod node;
mod node_memory;
mod policy;
mod region;
mod release;
mod remove;
mod request;
mod seal;
mod setup;
mod span_index;
mod span_table;
mod spans;
mod stats;
mod walk;

pub use allocator::PageAllocator;
#[cfg(loom)]
pub use atomic::ModelLock;
pub use cache::{CACHE_FRAMES, CacheView, CpuCache};
pub use error::{AddError, AllocateError, FreeError, GrowError, NotCached, RemoveError, SetupError};
pub use policy::{Cursor, NodeWeights, Policy};
pub use request::{Grant, Request};
pub use setup::NodeSetup;
pub use spans::NodeFrames;
pub use stats::NodeStats;

/// The largest order that a list is kept for: 2^18 frames are 1 GiB.
pub const MAX_ORDER: u8 = 18;

/// Orders with a list of their own: 0 (4 KiB) to [`MAX_ORDER`].
pub const ORDERS: usize = MAX_ORDER as usize + 1;
