//! Why the heap refuses, and what it needs.
use core::fmt;

/// Why a free is refused. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// No block of the heap can begin at this address.
    NotInHeap(usize),
    /// No block that is in use begins at this address: it is free already, or the address lies inside of a block.
    NotInUse(usize),
    /// The block at this address belongs to another owner.
    OtherOwner(usize),
}

impl fmt::Display for FreeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInHeap(address) => write!(out, "{address:#x} is not an address of the heap's blocks"),
            Self::NotInUse(address) => write!(out, "no block in use begins at {address:#x}"),
            Self::OtherOwner(address) => write!(out, "the block at {address:#x} belongs to another owner"),
        }
    }
}

impl core::error::Error for FreeError {}

/// A request cannot go on until the node of this number has one more frame. See [`NodeHeap::grow`](crate::NodeHeap::grow).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeedsFrame {
    /// The node's number.
    pub node: usize,
}
