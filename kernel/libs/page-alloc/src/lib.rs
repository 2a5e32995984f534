//! A page allocator for NUMA machines: a buddy allocator for each node, over metadata that its caller owns.
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, loom))]
extern crate std;

mod add;
mod allocator;
mod atomic;
mod blocks;
mod buddy;
mod cached_frames;
mod carve;
mod contents;
mod count_grants;
mod cpu_cache;
mod error;
mod extent;
mod frame_map;
mod grant_step;
mod grant_walk;
mod growth;
mod guarded;
mod hot;
mod hot_chunks;
mod isolate;
mod kernel_owned;
mod lists;
mod node;
mod node_memory;
mod owner;
mod owners;
mod policy;
mod refill;
mod region;
mod release;
mod request;
mod setup;
mod span_index;
mod span_table;
mod spans;
mod stats;
mod take;
mod take_back;
mod walk;
mod word;

pub use allocator::PageAllocator;
#[cfg(loom)]
pub use atomic::ModelLock;
pub use contents::{CACHE_FRAMES, CacheView};
pub use count_grants::CountGrants;
pub use cpu_cache::CpuCache;
pub use error::{AddError, AllocateError, FreeError, GrowError, IsolateError, Refusal, SetupError};
pub use owner::{AtomicPageOwner, PageOwner};
pub use policy::{Cursor, NodeWeights, Policy};
pub use request::{Grant, Request};
pub use setup::NodeSetup;
pub use spans::NodeFrames;
pub use stats::NodeStats;
pub use take_back::TakeBack;

/// The largest order with a list: 2^18 frames are 1 GiB.
pub const MAX_ORDER: u8 = 18;

/// The number of orders with a list: 0 (4 KiB) to [`MAX_ORDER`].
pub const ORDERS: usize = MAX_ORDER as usize + 1;
