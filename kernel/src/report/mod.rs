//! What the kernel says: the log, the event stream, faults in words, the verdict.

pub mod console;
pub mod event_stream;
pub mod fault;
pub mod phases;
pub mod verdict;
