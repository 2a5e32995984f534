//! Distinct types for addresses, frames, nodes and CPUs, so that they cannot be confused.
//!
//! Firmware uses proximity domains and APIC ids, which are sparse 32-bit numbers. The kernel uses nodes and CPUs, which
//! are dense indices. Only dense ids index arrays.
#![no_std]
#![forbid(unsafe_code)]

mod address;
mod id;
mod node_set;

pub use address::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, PhysRange, VirtAddr};
pub use id::{ApicId, CpuId, MAX_NODES, NodeId, ProximityDomain};
pub use node_set::NodeSet;
