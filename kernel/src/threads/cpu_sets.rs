//! The CPUs of this machine that halt, and those with queued threads.
use run_queue::{IdleSet, QueuedSet};

/// The CPUs that halt or are about to.
pub static IDLE: IdleSet = IdleSet::new();

/// The CPUs at which threads are queued.
pub static QUEUED: QueuedSet = QueuedSet::new();

/// Limits searches to the first `cpus` CPUs. Before this call no search finds a CPU.
pub fn limit(cpus: usize) {
    IDLE.limit(cpus);
    QUEUED.limit(cpus);
}
