//! The caller's list of memory: the frames of each node.
use units::{FrameNumber, FrameRange, NodeId};

use crate::blocks::block_of;
use crate::error::SetupError;

/// The first frame number at 2^52 bytes, the most that x86_64 can address (Intel SDM vol. 3 §4.1.4).
pub(crate) const FRAMES_END: u64 = 1 << 40;

/// A run of RAM frames of one node, including those in use at boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeFrames {
    /// The node.
    pub node: NodeId,
    /// Its frames.
    pub frames: FrameRange,
}

impl NodeFrames {
    /// Returns the number of 2 MiB blocks that the run touches.
    pub(crate) fn block_count(&self) -> u64 {
        block_of(self.frames.end.0 - 1) - block_of(self.frames.start.0) + 1
    }
}

/// Returns the runs in ascending order, without empty ones. Touching runs of one node are joined. A wrong run is an error.
pub(crate) fn merged(spans: &[NodeFrames]) -> impl Iterator<Item = Result<NodeFrames, SetupError>> {
    let mut rest = spans.iter().copied().filter(|span| !span.frames.is_empty()).peekable();
    let mut end = 0;
    core::iter::from_fn(move || {
        let mut run = rest.next()?;
        while let Some(next) =
            rest.next_if(|next| next.node == run.node && next.frames.start == run.frames.end)
        {
            run.frames.end = next.frames.end;
        }
        Some(checked(run, core::mem::replace(&mut end, run.frames.end.0)))
    })
}

fn checked(run: NodeFrames, end_before: u64) -> Result<NodeFrames, SetupError> {
    let FrameNumber(start) = run.frames.start;
    if start < end_before {
        Err(SetupError::NotAscending(run.frames.start))
    } else if run.frames.end.0 > FRAMES_END {
        Err(SetupError::TooHigh(run.frames.start))
    } else {
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn run(node: usize, start: u64, end: u64) -> NodeFrames {
        NodeFrames { node: NodeId::new(node).unwrap(), frames: FrameRange::new(start, end) }
    }

    fn merge(spans: &[NodeFrames]) -> Result<Vec<NodeFrames>, SetupError> {
        merged(spans).collect()
    }

    #[test]
    fn touching_runs_of_one_node_become_one() {
        let spans = [run(0, 0, 5), run(0, 5, 5), run(0, 5, 9), run(1, 9, 12), run(1, 13, 14)];
        assert_eq!(merge(&spans).unwrap(), [run(0, 0, 9), run(1, 9, 12), run(1, 13, 14)]);
    }

    #[test]
    fn overlap_disorder_and_impossible_addresses_are_named() {
        assert_eq!(merge(&[run(0, 0, 5), run(1, 4, 9)]), Err(SetupError::NotAscending(FrameNumber(4))));
        assert_eq!(merge(&[run(0, 8, 9), run(0, 1, 2)]), Err(SetupError::NotAscending(FrameNumber(1))));
        assert_eq!(merge(&[run(0, 8, u64::MAX)]), Err(SetupError::TooHigh(FrameNumber(8))));
    }
}
