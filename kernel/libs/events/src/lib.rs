//! What the kernel reports to programs: one JSON object a line, on the second serial port.
//!
//! Fields may be added, never renamed or removed. JSON itself is left to `serde-json-core`, which writes it without
//! allocating. The tests that boot the kernel read the lines as any program would, without these types, so that a change
//! of the lines does not go by unnoticed.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod event;
mod line;

pub use event::{DriverStatus, Event, MemoryRange, Node, Performance, SideCache};
pub use line::{LineError, write_line};
