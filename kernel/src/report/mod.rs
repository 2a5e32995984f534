//! The kernel's output: the log, the event stream, reports of faults and panics, the verdict.

pub mod console;
pub mod event_stream;
pub mod fault;
pub mod findings_seen;
mod last_words;
mod machine_end;
mod output;
mod panic;
pub mod phases;
mod pixel_memory;
mod place;
pub mod screen;
pub mod stack_trace;
pub mod verdict;

pub use machine_end::{ExitStatus, exit_with};
pub use output::{is_waiting, leave_lines_to_ticks};
pub use pixel_memory::PixelMemory;
pub use place::{ForeignCode, describe_task_with, find_code_with};

/// Sends some of the bytes that wait for the two ports. The tick calls this while [`is_waiting`] is true.
#[cold]
pub fn send_some() {
    output::send_some(&[&console::OUTPUT, &event_stream::OUTPUT]);
}
