//! From firmware's values to the machine's one NUMA topology: dense nodes and CPUs, memory ranges, distances and the
//! order in which nodes help each other out.
//!
//! [`NumaTopology::build`] takes the parsed tables and the memory map and gives a plain value that never changes. It
//! holds whatever firmware says: every frame of RAM is in exactly one node, every CPU on one, and there is at least one
//! node. `docs/numa.md` has the rules and their reasons. Nothing allocates; the arrays are `arrayvec`'s, which keeps a
//! length beside a fixed array and so needs neither a heap nor clearing.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "invariants"))]
extern crate std;

mod build;
mod cpus;
mod distances;
mod domains;
mod fake;
mod fallback;
mod figure;
mod initiators;
mod inputs;
#[cfg(any(test, feature = "invariants"))]
pub mod invariants;
mod measure;
mod memory;
mod performance;
mod side_caches;
mod smallest;
mod sweep;
#[cfg(test)]
mod tests;
mod uncovered;
mod values;
mod words;

pub use build::NumaTopology;
pub use fake::{FAKE_NODE_UNIT, FakeNodes};
pub use figure::{Figure, LARGEST_FIGURE};
pub use initiators::Initiator;
pub use inputs::{Inputs, NumaMode};
pub use measure::Measure;
pub use performance::{Performance, Reach};
pub use side_caches::{MAX_SIDE_CACHES, SideCache};
pub use values::{Cpu, Limits, MAX_CPUS, MAX_RANGES, MemoryRange, Node, Source};
