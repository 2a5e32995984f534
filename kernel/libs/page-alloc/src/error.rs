//! What can be wrong with a call, one enum for each.
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
    /// No node that the request allows has such a run free: this many frames at that alignment and height.
    NoFit {
        /// The node that was preferred.
        preferred: NodeId,
        /// Frames asked for.
        count: u64,
    },
}

/// Why a cache had no frame to hand out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCached {
    /// No frame of the node is free, in its caches neither.
    NodeIsEmpty,
    /// There may be one in another cache of the node; or the cache is [`CpuCache::none`](crate::CpuCache::none).
    AskNode,
}

/// Why frames were not taken back. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// The frame is free.
    AlreadyFree(FrameNumber),
    /// The frame was never handed to the allocator, or was removed since: the kernel took it at boot, say. Or it begins a sealed grant.
    NeverAdded(FrameNumber),
    /// The frame begins a grant that is not sealed, and was to be freed as one that is.
    NotSealed(FrameNumber),
    /// The frame is granted, but it is not the first of its grant.
    InsideGrant(FrameNumber),
    /// The frame is the first of a grant of another count.
    WrongCount {
        /// The grant's first frame.
        frame: FrameNumber,
        /// Frames that were to be freed.
        count: u64,
        /// Frames that had been granted.
        granted: u64,
    },
}

/// Why a range could not be added in full. What lies before the frame was added; it and what follows was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// Some frame of this node's part of the range, which begins here, was added before.
    AlreadyAdded(FrameNumber),
}

/// Why frames were not taken away. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemoveError {
    /// The frame is in no node's memory.
    NotMemory(FrameNumber),
    /// The frame, the lowest that is not free, is granted, or it begins a sealed grant and came from a cache.
    InUse(FrameNumber),
    /// The frame, the lowest that is not free for all, is in a CPU's cache, which can be drained.
    Cached(FrameNumber),
    /// The frame, the lowest that is not free, was never handed to the allocator, or was removed before, or it begins a sealed
    /// grant.
    NeverAdded(FrameNumber),
}

/// Why memory that setup did not know was not added. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrowError {
    /// There is no frame in it.
    Empty,
    /// The memory with this first frame ends above 2^52 bytes, where no x86_64 machine has memory.
    TooHigh(FrameNumber),
    /// The allocator knows memory already that holds this frame: [`PageAllocator::add_free`](crate::PageAllocator::add_free)
    /// adds it.
    Known(FrameNumber),
    /// The machine has no such node.
    NoSuchNode(NodeId),
    /// The frame is to be free, and is not in the memory.
    NotInMemory(FrameNumber),
    /// The memory for the metadata is smaller than `growth_layout` says.
    MetadataTooSmall(NodeId),
}

/// Why no allocator could be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupError {
    /// The span with this first frame begins before the end of the span before it.
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

impl fmt::Display for NotCached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NodeIsEmpty => "no frame of the node is free",
            Self::AskNode => "the cache has no frame, and its node may have one in another",
        })
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMemory(frame) => write!(out, "frame {:#x} is not memory", frame.0),
            Self::AlreadyFree(frame) => write!(out, "frame {:#x} is free already", frame.0),
            Self::NeverAdded(frame) => write!(out, "frame {:#x} was never handed out", frame.0),
            Self::NotSealed(frame) => write!(out, "frame {:#x} begins a grant that is not sealed", frame.0),
            Self::InsideGrant(frame) => write!(out, "frame {:#x} is inside a grant, not its first", frame.0),
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

impl fmt::Display for RemoveError {
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
impl Error for NotCached {}
impl Error for FreeError {}
impl Error for AddError {}
impl Error for GrowError {}
impl Error for RemoveError {}
impl Error for SetupError {}
