//! The atomics that CPUs share: the machine's, or in a model those of loom, which tries every interleaving and every value that a
//! load may see.
pub use core::sync::atomic::Ordering;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU8, AtomicU32};

#[cfg(loom)]
pub use modelled::{AtomicU8, AtomicU32, ModelLock};

#[cfg(loom)]
mod modelled;
