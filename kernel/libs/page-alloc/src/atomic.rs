//! The atomics of the lock-free parts: the machine's, or in a model those of loom, which tries every interleaving and every value
//! that a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU8, AtomicU64};

#[cfg(loom)]
pub use modelled::{AtomicU8, AtomicU64, ModelLock};

#[cfg(loom)]
mod modelled;
