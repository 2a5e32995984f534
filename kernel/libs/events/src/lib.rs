//! The events that the kernel reports to programs: one JSON object per line, on the second serial port.
//!
//! Fields may be added but never renamed or removed. `serde-json-core` writes the JSON without allocating. This crate
//! creates the events of topologies, findings and drivers, so that the kernel and the host tool write the same ones. The tests that
//! boot the kernel read the lines without these types, so that they notice every change of the lines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod driver;
mod driver_line;
mod event;
mod finding;
mod line;
mod topology;

pub use driver::DriverText;
pub use driver_line::DriverLine;
pub use event::{
    Device, DriverStatus, Event, Left, Limits, MemoryRange, Node, Performance, PersistentRange,
    PortPerformance, SideCache,
};
pub use finding::FindingText;
pub use line::{LineError, write_line};
pub use topology::PageCounts;
