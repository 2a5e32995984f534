//! The errors, one enum for each kind of call.
use core::error::Error;
use core::fmt;

use units::{FrameNumber, NodeId};

/// Why no frames were granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AllocateError {
    /// The count is 0.
    NoFrames,
    /// The alignment, in frames, is not a power of two.
    BadAlignment(u64),
    /// The machine has no such node.
    NoSuchNode(NodeId),
    /// No node that the request allows has a free run that meets it.
    NoFit {
        /// The preferred node.
        preferred: NodeId,
        /// The number of frames in the request.
        count: u64,
    },
}

/// Why [`CpuCache::try_allocate`](crate::CpuCache::try_allocate) granted no frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A node has no fit outside of its caches. The caller has these drained and asks again, or goes without them.
    Drain {
        /// The node.
        node: NodeId,
        /// Whether caches of other CPUs hold frames of the node. If not, it suffices to drain the caller's.
        others: bool,
    },
    /// Drained caches would not help.
    Error(AllocateError),
}

impl From<AllocateError> for Refusal {
    fn from(error: AllocateError) -> Self {
        Self::Error(error)
    }
}

/// Why frames were not taken back. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// The frame is free.
    AlreadyFree(FrameNumber),
    /// The frame was never added, for example because it was in use at boot, or it is offline. Or it is the first frame of a
    /// kernel-owned grant.
    NeverAdded(FrameNumber),
    /// The frame is the first of a grant that the kernel does not own.
    NotKernelOwned(FrameNumber),
    /// The frame is granted, but it is not the first of its grant.
    InsideGrant(FrameNumber),
    /// The frame is the first of a grant of another owner.
    NotTheOwner(FrameNumber),
    /// The frame is the first of a grant of another count.
    WrongCount {
        /// The grant's first frame.
        frame: FrameNumber,
        /// The number of frames to be freed.
        count: u64,
        /// The number of frames in the grant.
        granted: u64,
    },
}

/// Why a range was not added completely. The frames before the named one were added, the rest was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// The node's part of the range that starts with this frame contains a frame that was added before.
    AlreadyAdded(FrameNumber),
}

/// Why frames were not taken offline. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IsolateError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// The frame, the lowest that is not free, is granted. If the kernel owns the grant, the frame came from a cache.
    InUse(FrameNumber),
    /// The frame, the lowest that is not free, is in a CPU's cache, which can be drained.
    Cached(FrameNumber),
    /// The frame, the lowest that is not free, was never added, is offline, or is the first frame of a kernel-owned grant.
    NeverAdded(FrameNumber),
}

/// Why a new span was not added. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrowError {
    /// The span has no frames.
    Empty,
    /// The span with this first frame ends above 2^52 bytes, where no x86_64 machine has memory.
    TooHigh(FrameNumber),
    /// A span of the allocator contains this frame already: [`PageAllocator::add`](crate::PageAllocator::add) adds it.
    Known(FrameNumber),
    /// The machine has no such node.
    NoSuchNode(NodeId),
    /// The frame is to be free, but it is not in the span.
    NotInMemory(FrameNumber),
    /// The metadata is smaller than `growth_layout` says.
    MetadataTooSmall(NodeId),
}

/// Why no allocator or cache was built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupError {
    /// The span with this first frame starts before the end of the span before it.
    NotAscending(FrameNumber),
    /// The span with this first frame ends above 2^52 bytes, where no x86_64 machine has memory.
    TooHigh(FrameNumber),
    /// A span or a fallback order names a node that was not described.
    NoSuchNode(NodeId),
    /// More than `units::MAX_NODES` nodes were described.
    TooManyNodes,
    /// The memory for the table of spans is smaller than `table_layout` says.
    TableTooSmall,
    /// The memory for the node's metadata is smaller than `node_layout` says.
    MetadataTooSmall(NodeId),
}

impl fmt::Display for AllocateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrames => write!(out, "no frames were asked for"),
            Self::BadAlignment(frames) => write!(out, "alignment {frames} is not a power of two"),
            Self::NoSuchNode(node) => write!(out, "there is no node {node}"),
            Self::NoFit { preferred, count } => {
                write!(out, "no run of {count} frames is free, asked of node {preferred}")
            }
        }
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMemory(frame) => write!(out, "frame {:#x} is not memory", frame.0),
            Self::AlreadyFree(frame) => write!(out, "frame {:#x} is free already", frame.0),
            Self::NeverAdded(frame) => write!(out, "frame {:#x} was never handed out", frame.0),
            Self::NotKernelOwned(frame) => {
                write!(out, "frame {:#x} begins a grant that the kernel does not own", frame.0)
            }
            Self::InsideGrant(frame) => write!(out, "frame {:#x} is inside a grant, not its first", frame.0),
            Self::NotTheOwner(frame) => write!(out, "frame {:#x} is not the caller's", frame.0),
            Self::WrongCount { frame, count, granted } => {
                write!(out, "frame {:#x} begins a grant of {granted} frames, not of {count}", frame.0)
            }
        }
    }
}

impl fmt::Display for AddError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMemory(frame) => write!(out, "frame {:#x} is in no node's memory", frame.0),
            Self::AlreadyAdded(frame) => write!(out, "frames from {:#x} on were added before", frame.0),
        }
    }
}

impl fmt::Display for IsolateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMemory(frame) => write!(out, "frame {:#x} is in no node's memory", frame.0),
            Self::InUse(frame) => write!(out, "frame {:#x} is in use", frame.0),
            Self::Cached(frame) => write!(out, "frame {:#x} is in a CPU's cache", frame.0),
            Self::NeverAdded(frame) => write!(out, "frame {:#x} is not the allocator's", frame.0),
        }
    }
}

impl fmt::Display for GrowError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "there is no frame in the memory"),
            Self::TooHigh(frame) => write!(out, "the memory at frame {:#x} ends too high", frame.0),
            Self::Known(frame) => write!(out, "frame {:#x} is known as memory already", frame.0),
            Self::NoSuchNode(node) => write!(out, "there is no node {node}"),
            Self::NotInMemory(frame) => write!(out, "frame {:#x} is not in the memory", frame.0),
            Self::MetadataTooSmall(node) => write!(out, "the metadata memory of node {node} is too small"),
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAscending(frame) => write!(out, "the span at frame {:#x} is out of order", frame.0),
            Self::TooHigh(frame) => write!(out, "the span at frame {:#x} ends too high", frame.0),
            Self::NoSuchNode(node) => write!(out, "node {node} was not described"),
            Self::TooManyNodes => write!(out, "too many nodes were described"),
            Self::TableTooSmall => write!(out, "the memory for the table of spans is too small"),
            Self::MetadataTooSmall(node) => write!(out, "the metadata memory of node {node} is too small"),
        }
    }
}

impl Error for AllocateError {}
impl Error for FreeError {}
impl Error for AddError {}
impl Error for GrowError {}
impl Error for IsolateError {}
impl Error for SetupError {}
