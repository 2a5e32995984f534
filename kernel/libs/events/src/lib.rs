//! What the kernel reports to programs: one JSON object a line, on the second serial port.
//!
//! Fields may be added, never renamed or removed. JSON itself is left to `serde-json-core`, which writes it without
//! allocating. What an event says of the topology and of findings is made of them here, so that the kernel and the host
//! tool say the same. The tests that boot the kernel read the lines as any program would, without these types, so that a
//! change of the lines does not go by unnoticed.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod event;
mod finding;
mod line;
mod topology;

pub use event::{DriverStatus, Event, MemoryRange, Node, Performance, SideCache};
pub use finding::FindingWords;
pub use line::{LineError, write_line};
pub use topology::PageCounts;
