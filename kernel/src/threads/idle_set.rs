//! The CPUs of this machine that halt.
use run_queue::IdleSet;

/// The CPUs that halt or are about to.
pub static IDLE: IdleSet = IdleSet::new();
