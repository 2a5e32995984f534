//! What runs: each CPU's own block, and the threads.

pub mod per_cpu;
pub mod thread;
