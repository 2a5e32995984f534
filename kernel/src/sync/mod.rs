//! Locks that spin, and the order in which they are taken.

mod rank;
mod spin_lock;

pub use rank::{Rank, none_held};
pub use spin_lock::{SpinLock, SpinLockGuard};
