//! The kernel's output: the log, the event stream, reports of faults and panics, the verdict.

pub mod console;
pub mod event_stream;
pub mod fault;
mod panic;
pub mod phases;
mod place;
pub mod verdict;

pub use place::describe_task_with;
