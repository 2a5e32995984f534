//! All threads by their ids.
use super::thread::{ThreadBox, ThreadId};
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock, SpinLockGuard};

/// The number of slots: twice the most threads at a time.
const SLOTS: usize = 16_384;

type Threads = thread_table::ThreadTable<ThreadBox, SLOTS>;

static TABLE: SpinLock<Threads, PreemptionOff> = SpinLock::new(Rank::Threads, Threads::new());

/// Locks the table. Until the guard is dropped, no thread leaves the table, so the references that it returns stay valid.
pub fn lock() -> SpinLockGuard<'static, Threads, PreemptionOff> {
    TABLE.lock()
}

/// Why a thread could not be joined, found or moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadError {
    /// There is no thread with this id.
    NoSuchThread(ThreadId),
    /// Another thread joins it already, or it is a thread that nobody may join.
    Joined(ThreadId),
    /// A thread cannot join itself.
    Itself,
    /// None of the CPUs is online.
    NoCpu,
    /// The driver whose code the running thread runs is being stopped.
    Stopping,
}
