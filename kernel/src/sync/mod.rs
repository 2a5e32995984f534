//! Spin locks, and the order in which CPUs take them.

mod rank;
mod spin_lock;

pub use rank::{Rank, none_held};
pub use spin_lock::{SpinLock, SpinLockGuard};
