//! Addresses, frames and the ids of nodes and CPUs, as types that cannot be mixed up.
//!
//! Firmware speaks of proximity domains and APIC ids, which are sparse 32-bit numbers; the kernel speaks of nodes and
//! CPUs, which are dense indices. Only dense ids index arrays.
#![no_std]
#![forbid(unsafe_code)]

mod address;
mod id;
mod node_set;

pub use address::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, PhysRange, VirtAddr};
pub use id::{ApicId, CpuId, MAX_NODES, NodeId, ProximityDomain};
pub use node_set::NodeSet;
