//! What the kernel reports to programs: one JSON object a line, on the second serial port.
//!
//! The kernel writes these types and the tests read them back, so the two cannot drift apart. Fields may be added, never
//! renamed or removed. JSON itself is left to `serde-json-core` in the kernel (no allocation) and to `serde_json` in tests.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod event;
mod line;

pub use event::{DriverStatus, Event, MemoryRange, Node};
pub use line::{LineError, write_line};
