//! Waiting for each other: locks that spin, for what is short, and what sleeps, for what may take long.

mod mutex;
mod preemption;
mod rank;
mod semaphore;
mod spin_lock;
mod wait_queue;

pub use mutex::Mutex;
pub use preemption::PreemptionOff;
pub use rank::Rank;
pub use semaphore::Semaphore;
pub use spin_lock::{SpinLock, SpinLockGuard};
pub use wait_queue::WaitQueue;
