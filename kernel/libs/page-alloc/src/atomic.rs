//! The atomics of the lock-free parts: the machine's, or in a model those of loom, which tries every interleaving and every value
//! that a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::AtomicU64;

#[cfg(loom)]
pub use modelled::{AtomicU64, ModelLock};

#[cfg(loom)]
mod modelled;
