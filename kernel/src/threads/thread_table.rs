//! All threads by their ids.
use super::thread::ThreadBox;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock, SpinLockGuard};

/// The number of slots: twice the most threads at a time.
const SLOTS: usize = 16_384;

type Threads = thread_table::ThreadTable<ThreadBox, SLOTS>;

static TABLE: SpinLock<Threads, PreemptionOff> = SpinLock::new(Rank::Threads, Threads::new());

/// Locks the table. Until the guard is dropped, no thread leaves the table, so the references that it gives out stay valid.
pub fn lock() -> SpinLockGuard<'static, Threads, PreemptionOff> {
    TABLE.lock()
}
