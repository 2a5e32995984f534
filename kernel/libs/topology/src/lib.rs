//! Builds a machine's NUMA topology from firmware's tables: nodes, CPUs, memory ranges, distances and fallback order.
//!
//! [`NumaTopology::build`] takes the parsed tables and the memory map and returns a plain value that never changes.
//! Whatever firmware says, every frame of RAM belongs to exactly one node, every CPU is on one node, and there is at least
//! one node. `docs/numa.md` gives the rules and their reasons.
//!
//! The crate does not allocate. `ArrayVec` stores a length and a fixed array, so it needs no heap and no clearing.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "invariants"))]
extern crate std;

mod affinity_ranges;
mod apic_offset;
mod build;
mod cell;
mod cpus;
mod description;
mod devices;
mod distances;
mod domains;
mod fake;
mod fallback;
mod figure;
mod hmat_findings;
mod initiators;
mod inputs;
#[cfg(any(test, feature = "invariants"))]
pub mod invariants;
mod limits;
mod measure;
mod numa_topology;
mod performance;
mod persistent;
mod ports;
mod side_caches;
mod smallest;
mod sweep;
#[cfg(test)]
mod tests;
mod uncovered;
mod values;

pub use cell::Reach;
pub use devices::{Device, DeviceKind, MAX_DEVICES};
pub use fake::{FAKE_NODE_UNIT, FakeNodes};
pub use figure::{Figure, LARGEST_FIGURE};
pub use initiators::Initiator;
pub use inputs::{ApicMode, Inputs, NumaMode};
pub use measure::Measure;
pub use numa_topology::NumaTopology;
pub use performance::Performance;
pub use persistent::{MAX_PERSISTENT_RANGES, PersistentRange};
pub use side_caches::{MAX_SIDE_CACHES, SideCache};
pub use values::{Cpu, Limits, MAX_CPUS, MAX_RANGES, MemoryRange, Node, Source};
