//! The atomics of the lock-free parts: the machine's, or in a model those of loom, which tries every interleaving and every value
//! that a load may see.
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU64, fence};

#[cfg(loom)]
pub use modelled::{AtomicU64, ModelLock};

#[cfg(loom)]
pub use loom::sync::atomic::fence;

#[cfg(loom)]
mod modelled;
