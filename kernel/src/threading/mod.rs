//! What runs: each CPU's own block, threads, and who has his turn.

pub mod driver;
mod idle;
pub mod lifecycle;
pub mod per_cpu;
pub mod policy;
pub mod scheduler;
pub mod sleep;
pub mod thread;
pub mod thread_list;
mod thread_table;

pub use idle::{main as idle_main, run as run_idle};
