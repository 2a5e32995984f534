//! Requests for frames, and grants.
use units::{FRAME_SIZE, FrameNumber, NodeId, NodeSet, PhysAddr};

use crate::MAX_ORDER;
use crate::error::AllocateError;
use crate::owner::PageOwner;

/// A request for contiguous frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The number of frames, at least 1. A power of two up to 2^[`MAX_ORDER`] is aligned to itself.
    pub count: u64,
    /// The alignment of the first frame, in frames: a power of two. 1 accepts any frame.
    pub alignment: u64,
    /// The last byte that the run may contain. `None` accepts any address.
    pub highest: Option<PhysAddr>,
    /// The node to take the frames from. `None` is the node of the CPU that asks.
    pub preferred: Option<NodeId>,
    /// Whether only the preferred node may serve the request. Otherwise its fallback order is followed.
    pub strict: bool,
    /// The nodes that may serve the request. If the preferred node is not among them, the first one in its fallback order that
    /// is takes its place.
    pub nodes: NodeSet,
    /// Whether interleaving chose the preferred node. Only the count `interleave_hit` depends on it.
    pub interleaved: bool,
    /// Whose the grant is.
    pub owner: PageOwner,
}

impl Request {
    /// Returns a request for `count` frames of the node `preferred`, or else of its fallbacks.
    #[must_use]
    pub const fn new(count: u64, preferred: NodeId) -> Self {
        Self { preferred: Some(preferred), ..Self::local(count) }
    }

    /// Returns a request for `count` frames of the CPU's node, or else of its fallbacks.
    #[must_use]
    pub const fn local(count: u64) -> Self {
        Self {
            count,
            alignment: 1,
            highest: None,
            preferred: None,
            strict: false,
            nodes: NodeSet::ALL,
            interleaved: false,
            owner: PageOwner::NOBODY,
        }
    }

    /// Returns a request for one frame of the CPU's node, or else of its fallbacks.
    #[must_use]
    pub const fn page() -> Self {
        Self::local(1)
    }

    /// Returns true if any frames of the preferred node serve the request, whoever owns them.
    #[inline(always)]
    pub(crate) fn has_no_limits(&self) -> bool {
        self.alignment == 1 && self.highest.is_none() && !self.interleaved && self.nodes == NodeSet::ALL
    }
}

/// Frames that were granted: `count` of them from `frame` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The first frame.
    pub frame: FrameNumber,
    /// The number of frames: that of the request.
    pub count: u64,
    /// The node of all the frames.
    pub node: NodeId,
    /// Whether that is another node than the preferred one, or the one in its place.
    pub fell_back: bool,
    /// Whether the frame came from the CPU's cache, which has counted it: see [`CacheView::granted`](crate::CacheView::granted).
    pub cached: bool,
}

/// A checked request, in the terms in which a node searches for frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub count: u64,
    /// A power of two that includes the natural alignment of the count.
    pub alignment: u64,
    /// The first frame number behind the allowed ones.
    pub limit: u64,
    /// A free chunk of this order contains such a run whatever lies around it. May exceed [`MAX_ORDER`].
    pub order: u8,
    /// Whose the grant is.
    pub owner: PageOwner,
}

impl Needs {
    /// Checks a request.
    #[inline]
    pub fn of(request: &Request) -> Result<Self, AllocateError> {
        let &Request { count, alignment, highest, owner, .. } = request;
        if !alignment.is_power_of_two() {
            return Err(AllocateError::BadAlignment(alignment));
        }
        if count == 0 {
            return Err(AllocateError::NoFrames);
        }
        let natural = if count.is_power_of_two() && count <= 1 << MAX_ORDER { count } else { 1 };
        let alignment = alignment.max(natural);
        let order = log2_ceil(count.max(alignment));
        let limit = highest.map_or(u64::MAX, |last| last.0 / FRAME_SIZE + u64::from(ends_frame(last)));
        Ok(Self { count, alignment, limit, order, owner })
    }

    /// Returns true if exactly the free chunks of one order meet the needs, so that the lists alone know the answer.
    pub fn is_chunk(&self) -> bool {
        self.count == self.alignment && self.order <= MAX_ORDER
    }
}

/// How the frames of a request are counted and marked, whichever node grants them.
#[derive(Clone, Copy)]
pub(crate) struct Purpose {
    /// The node that the frames are wanted from.
    pub wanted: NodeId,
    /// The node of the CPU that asks.
    pub cpu_node: NodeId,
    /// Whether interleaving chose the node.
    pub interleaved: bool,
}

const fn ends_frame(address: PhysAddr) -> bool {
    address.0 % FRAME_SIZE == FRAME_SIZE - 1
}

/// Returns the order of the smallest power of two that is not below `value`. `value` is not 0.
const fn log2_ceil(value: u64) -> u8 {
    (u64::BITS - (value - 1).leading_zeros()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(count: u64, alignment: u64, highest: Option<u64>) -> Needs {
        let request = Request { alignment, highest: highest.map(PhysAddr), ..Request::local(count) };
        Needs::of(&request).unwrap()
    }

    #[test]
    fn a_power_of_two_is_aligned_to_itself_and_an_odd_count_to_nothing() {
        assert_eq!(needs(8, 1, None).alignment, 8);
        assert_eq!(needs(8, 64, None).alignment, 64);
        assert_eq!(needs(7, 1, None).alignment, 1);
        assert_eq!(needs(1 << 19, 1, None).alignment, 1);
    }

    #[test]
    fn the_order_has_room_for_count_and_alignment() {
        assert_eq!(
            [1, 2, 3, 4, 5, 512, 513].map(|count| needs(count, 1, None).order),
            [0, 1, 2, 2, 3, 9, 10]
        );
        assert_eq!(needs(3, 64, None).order, 6);
        assert_eq!(needs(u64::MAX, 1, None).order, 64);
    }

    #[test]
    fn the_frame_of_the_highest_byte_is_allowed_only_when_that_byte_ends_it() {
        assert_eq!(needs(1, 1, Some(0xfff)).limit, 1);
        assert_eq!(needs(1, 1, Some(0x1000)).limit, 1);
        assert_eq!(needs(1, 1, Some(0)).limit, 0);
        assert_eq!(needs(1, 1, Some(u64::MAX)).limit, 1 << 52);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(Needs::of(&Request::local(0)).unwrap_err(), AllocateError::NoFrames);
        let odd = Request { alignment: 3, ..Request::page() };
        assert_eq!(Needs::of(&odd).unwrap_err(), AllocateError::BadAlignment(3));
    }

    #[test]
    fn a_request_with_a_limit_is_not_served_by_any_frames() {
        let page = Request::page();
        let owned = Request { owner: PageOwner::KERNEL, ..page };
        let unlimited = [page, owned, Request::local(3), Request::new(1, NodeId::ZERO)];
        assert!(unlimited.iter().all(Request::has_no_limits));
        let others = [
            Request { alignment: 2, ..page },
            Request { highest: Some(PhysAddr(u64::MAX)), ..page },
            Request { nodes: NodeSet::EMPTY, ..page },
            Request { interleaved: true, ..page },
        ];
        assert!(others.iter().all(|request| !request.has_no_limits()));
    }
}
