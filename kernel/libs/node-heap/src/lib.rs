//! A heap for NUMA machines: slabs for each node, magazines for each CPU, over memory that its caller owns.
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, loom))]
extern crate std;

mod atomic;
mod class;
mod cpu_heap;
mod elsewhere;
mod error;
mod give;
mod growth;
mod magazine;
mod node_heap;
mod owner;
mod reclaim;
mod record;
mod set;
mod sets;
mod slabs;
mod stats;
mod take;
mod window;

#[cfg(loom)]
pub use atomic::ModelLock;
pub use class::{Class, LARGEST_BLOCK};
pub use cpu_heap::{AtHand, CpuHeap, NodeHeaps};
pub use error::{FreeError, NeedsFrame};
pub use growth::{METADATA_STEP, System, TRIM_BATCH};
pub use node_heap::NodeHeap;
pub use owner::{OWNERS, OwnerId};
pub use stats::NodeHeapStats;
pub use window::{METADATA_BYTES, Metadata, RECORD_BYTES, STATES_PER_FRAME, Window};

/// Bytes of a granule: blocks begin at multiples of it, and each granule has a state byte.
pub const GRANULE: usize = 32;

/// Bytes of a frame.
pub const FRAME: usize = 4096;

/// Granules of a frame.
pub(crate) const FRAME_GRANULES: usize = FRAME / GRANULE;
