//! The atomics of the protocol: the machine's, or in a model those of loom, which tries out every interleaving and every
//! value that a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
