//! What is asked for, and what was granted.
use units::{FRAME_SIZE, FrameNumber, NodeId, NodeSet, PhysAddr};

use crate::MAX_ORDER;
use crate::error::AllocateError;

/// A request for contiguous frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Frames wanted, at least 1. A power of two up to 2^[`MAX_ORDER`] comes aligned to itself.
    pub count: u64,
    /// The first frame's number is a multiple of this power of two; 1 where any frame will do.
    pub alignment: u64,
    /// The last byte that the run may contain; `None` where any address will do.
    pub highest: Option<PhysAddr>,
    /// The node to take the frames from.
    pub preferred: NodeId,
    /// Whether no other node will do. Otherwise the preferred node's fallback order is followed.
    pub strict: bool,
    /// The only nodes that will do; [`NodeSet::ALL`] where any will. Where the preferred node is not among them, the first in
    /// its fallback order that is stands for it.
    pub nodes: NodeSet,
    /// Whether the preferred node was chosen by turns, for the count `interleave_hit` alone.
    pub interleaved: bool,
    /// The node of the CPU that asks, for the counts `local` and `other` alone.
    pub cpu_node: NodeId,
}

impl Request {
    /// `count` frames anywhere on this node or else on its fallbacks, asked for by a CPU of this node.
    #[must_use]
    pub const fn new(count: u64, preferred: NodeId) -> Self {
        Self {
            count,
            alignment: 1,
            highest: None,
            preferred,
            strict: false,
            nodes: NodeSet::ALL,
            interleaved: false,
            cpu_node: preferred,
        }
    }
}

/// Frames that were handed out: `count` of them from `frame` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The first frame.
    pub frame: FrameNumber,
    /// Frames granted: as many as were asked for.
    pub count: u64,
    /// The node that all of them are of.
    pub node: NodeId,
    /// Whether that is another node than the preferred one, or the one that stands for it.
    pub fell_back: bool,
}

/// A request that was checked, in the terms in which a node looks for frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub count: u64,
    /// A power of two, with the natural alignment of a count that is one.
    pub alignment: u64,
    /// The first frame number behind the allowed ones.
    pub limit: u64,
    /// A free chunk of this order holds such a run whatever lies around it. May be above [`MAX_ORDER`].
    pub order: u8,
}

impl Needs {
    #[inline]
    pub fn of(request: &Request) -> Result<Self, AllocateError> {
        let &Request { count, alignment, highest, .. } = request;
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
        Ok(Self { count, alignment, limit, order })
    }

    /// Whether the runs looked for are exactly the free chunks of one order, so that its lists alone know the answer.
    pub fn is_chunk(&self) -> bool {
        self.count == self.alignment && self.order <= MAX_ORDER
    }
}

const fn ends_frame(address: PhysAddr) -> bool {
    address.0 % FRAME_SIZE == FRAME_SIZE - 1
}

/// The order of the smallest power of two that is not below `value`, which is not 0.
const fn log2_ceil(value: u64) -> u8 {
    (u64::BITS - (value - 1).leading_zeros()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(count: u64, alignment: u64, highest: Option<u64>) -> Needs {
        let request =
            Request { alignment, highest: highest.map(PhysAddr), ..Request::new(count, NodeId::ZERO) };
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
        let node = NodeId::ZERO;
        assert_eq!(Needs::of(&Request::new(0, node)).unwrap_err(), AllocateError::NoFrames);
        let odd = Request { alignment: 3, ..Request::new(1, node) };
        assert_eq!(Needs::of(&odd).unwrap_err(), AllocateError::BadAlignment(3));
    }
}
