//! The atomics of the ring: the machine's, or in a model those of loom, which tries out every interleaving and every value that
//! a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU64, fence};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, fence};
