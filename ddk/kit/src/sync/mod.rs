//! Locks and events. All are unlocked or unset when they are new, and a `static` may hold each.

mod interrupts;
mod spin_lock;

pub use spin_lock::{SpinGuard, SpinLock};
