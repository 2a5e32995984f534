//! A page allocator that knows NUMA: a buddy allocator for each node, over metadata that its caller owns.
//!
//! It hands out runs of physical frames and takes them back, and never reads or writes a frame that it manages, so the
//! same code runs in a kernel and in a test on the host. It has no global state and allocates nothing.
//!
//! ```
//! use core::mem::MaybeUninit;
//! use page_alloc::{NodeFrames, NodeSetup, PageAllocator, Request};
//! use units::{FrameRange, NodeId};
//!
//! type Pages = PageAllocator<'static>;
//! // A kernel takes these bytes from the node itself; contents do not matter.
//! fn take(layout: core::alloc::Layout) -> &'static mut [MaybeUninit<u8>] {
//!     Box::leak(vec![MaybeUninit::uninit(); layout.size() + layout.align()].into_boxed_slice())
//! }
//!
//! let node = NodeId::ZERO;
//! let spans = [NodeFrames { node, frames: FrameRange::new(0, 4096) }];
//! let table = take(Pages::table_layout(&spans)?);
//! let metadata = take(Pages::node_layout(&spans, node)?);
//! let pages = Pages::new(&spans, table, [NodeSetup { metadata, fallback: &[NodeId::ZERO] }])?;
//! pages.add_free(FrameRange::new(256, 4096))?;
//!
//! let grant = pages.allocate(&Request::new(8, node))?;
//! assert_eq!(grant.frame.0 % 8, 0);
//! pages.free(grant.frame, grant.count)?;
//! assert!(pages.free(grant.frame, grant.count).is_err());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! How it is built, what each path costs and why: `docs/page-allocator.md`.
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
pub use error::{AddError, AllocateError, FreeError, GrowError, RemoveError, SetupError};
pub use policy::{Cursor, NodeWeights, Policy};
pub use request::{Grant, Request};
pub use setup::NodeSetup;
pub use spans::NodeFrames;
pub use stats::NodeStats;

/// The largest order that a list is kept for: 2^18 frames are 1 GiB.
pub const MAX_ORDER: u8 = 18;

/// Orders with a list of their own: 0 (4 KiB) to [`MAX_ORDER`].
pub const ORDERS: usize = MAX_ORDER as usize + 1;
