//! The look-up from a frame to its span, which says the frame's node and where the descriptor of its block is.
use core::alloc::{Layout, LayoutError};
use core::mem::MaybeUninit;

use units::{FrameNumber, FrameRange, NodeId};

use crate::blocks::block_of;
use crate::carve::Carver;
use crate::error::SetupError;
use crate::extent::Extent;
use crate::spans::{NodeFrames, merged};

/// The number of granules into which the frame numbers up to the highest one are cut.
const GRANULES: usize = 512;

/// A run of one node's frames, and the slot of its first block among the node's descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub frames: FrameRange,
    pub node: NodeId,
    slot: u32,
    /// The node's next span, as an index into the table. Spans that were added after setup have none.
    next: Option<u32>,
    /// The node's region that has the blocks: 0 is that of setup, and k that of the k-th span added since.
    pub region: u32,
}

impl Span {
    /// A span without frames.
    pub const EMPTY: Self =
        Self { frames: FrameRange::new(0, 0), node: NodeId::ZERO, slot: 0, next: None, region: 0 };

    /// Returns a span that is added after setup and has all blocks of this region.
    pub const fn added(memory: NodeFrames, region: u32) -> Self {
        Self { frames: memory.frames, node: memory.node, slot: 0, next: None, region }
    }

    /// Returns the span's blocks.
    #[inline]
    pub fn extent(&self) -> Extent {
        let first = block_of(self.frames.start.0);
        Extent::new(first..block_of(self.frames.end.0 - 1) + 1, self.slot as usize)
    }
}

/// All spans, ascending, with a guide that leads to the few that a frame can be in.
pub struct SpanTable<'m> {
    spans: &'m [Span],
    /// For each granule, the index of the first span that ends in or behind it; at the end, the number of spans.
    guide: &'m [u32; GRANULES + 1],
    granule_log2: u32,
}

impl<'m> SpanTable<'m> {
    /// Returns the layout of a table of so many spans.
    pub fn layout(spans: usize) -> Result<Layout, LayoutError> {
        Ok(Layout::array::<Span>(spans)?.extend(Layout::array::<u32>(GRANULES + 1)?)?.0)
    }

    /// Builds the table of the caller's spans in `memory`.
    pub fn new(spans: &[NodeFrames], memory: &'m mut [MaybeUninit<u8>]) -> Result<Self, SetupError> {
        let mut count = 0;
        for span in merged(spans) {
            span?;
            count += 1;
        }
        let mut carver = Carver::new(memory);
        let table = carver.filled(count, Span::EMPTY).ok_or(SetupError::TableTooSmall)?;
        fill_table(table, spans);
        Self::over(table, &mut carver).ok_or(SetupError::TableTooSmall)
    }

    /// Builds the table of these spans, which ascend, and of `added`, which overlaps none of them.
    pub fn extended(spans: &[Span], added: Span, carver: &mut Carver<'m>) -> Option<Self> {
        let table = carver.filled(spans.len() + 1, added)?;
        let (below, above) =
            spans.split_at(spans.partition_point(|span| span.frames.end <= added.frames.start));
        table[..below.len()].copy_from_slice(below);
        table[below.len() + 1..].copy_from_slice(above);
        Self::over(table, carver)
    }

    fn over(spans: &'m [Span], carver: &mut Carver<'m>) -> Option<Self> {
        let frames_end = spans.last().map_or(1, |span| span.frames.end.0);
        let granule_log2 = (frames_end - 1).checked_ilog2().map_or(0, |log2| (log2 + 1).saturating_sub(9));
        let guide: &mut [u32; GRANULES + 1] =
            carver.filled(GRANULES + 1, spans.len() as u32)?.try_into().ok()?;
        fill_guide(guide, spans, granule_log2);
        Some(Self { spans, guide, granule_log2 })
    }

    /// Returns the span that contains the frame.
    ///
    /// Takes a step or two, and one more for each doubling of the spans in the frame's granule, a 512th of the address range.
    #[inline]
    pub fn find(&self, frame: u64) -> Option<&'m Span> {
        let granule =
            usize::try_from(frame >> self.granule_log2).ok().filter(|&granule| granule < GRANULES)?;
        let first = self.guide[granule] as usize;
        // Most granules lie in one span.
        if let Some(span) = self.spans.get(first).filter(|span| span.frames.contains(FrameNumber(frame))) {
            return Some(span);
        }
        // The first span of the next granule may start in this one.
        let end = (self.guide[granule + 1] as usize + 1).min(self.spans.len());
        let candidates = &self.spans[first..end];
        let at = candidates.partition_point(|span| span.frames.end.0 <= frame);
        candidates.get(at).filter(|span| span.frames.start.0 <= frame)
    }

    /// Returns all spans, ascending.
    pub fn spans(&self) -> &'m [Span] {
        self.spans
    }

    /// Returns the spans of a node, ascending. `first` is the index of the first one.
    pub fn of_node(&self, first: Option<u32>) -> impl Iterator<Item = &Span> + Clone {
        let mut next = first;
        core::iter::from_fn(move || {
            let span = self.spans.get(next? as usize)?;
            next = span.next;
            Some(span)
        })
    }

    /// Returns the index of the node's first span.
    pub fn first_of(&self, node: NodeId) -> Option<u32> {
        self.spans.iter().position(|span| span.node == node).map(|index| index as u32)
    }
}

fn fill_table(table: &mut [Span], spans: &[NodeFrames]) {
    let mut blocks_of = [0u32; units::MAX_NODES];
    let mut last_of = [None::<u32>; units::MAX_NODES];
    for (index, span) in merged(spans).flatten().enumerate() {
        let node = span.node.index();
        table[index] = Span { frames: span.frames, node: span.node, slot: blocks_of[node], ..Span::EMPTY };
        blocks_of[node] += span.block_count() as u32;
        if let Some(last) = last_of[node].replace(index as u32) {
            table[last as usize].next = Some(index as u32);
        }
    }
}

fn fill_guide(guide: &mut [u32], table: &[Span], granule_log2: u32) {
    let mut span = 0;
    for (granule, first) in guide[..GRANULES].iter_mut().enumerate() {
        let start = (granule as u64) << granule_log2;
        while table.get(span).is_some_and(|span| span.frames.end.0 <= start) {
            span += 1;
        }
        *first = span as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn run(node: usize, start: u64, end: u64) -> NodeFrames {
        NodeFrames { node: NodeId::new(node).unwrap(), frames: FrameRange::new(start, end) }
    }

    fn with_table<T>(spans: &[NodeFrames], test: impl FnOnce(SpanTable<'_>) -> T) -> T {
        let layout = SpanTable::layout(spans.len()).unwrap();
        let mut memory = vec![MaybeUninit::uninit(); layout.size() + layout.align()];
        test(SpanTable::new(spans, &mut memory).unwrap())
    }

    #[test]
    fn a_node_s_blocks_are_numbered_through_its_spans_and_shared_blocks_counted_twice() {
        let spans = [run(0, 0, 100), run(1, 100, 700), run(0, 700, 1600), run(0, 1 << 28, (1 << 28) + 1)];
        with_table(&spans, |table| {
            let found = |frame| {
                let span = table.find(frame).unwrap();
                (span.node.index(), span.extent().slot(block_of(frame)))
            };
            assert_eq!(found(99), (0, 0));
            assert_eq!(found(100), (1, 0));
            assert_eq!(found(699), (1, 1));
            assert_eq!(found(700), (0, 1));
            assert_eq!(found(1599), (0, 3));
            assert_eq!(found(1 << 28), (0, 4));
            let starts: Vec<_> =
                table.of_node(table.first_of(NodeId::ZERO)).map(|span| span.frames.start.0).collect();
            assert_eq!(starts, [0, 700, 1 << 28]);
        });
    }

    #[test]
    fn no_spans_hold_no_frame() {
        with_table(&[], |table| assert!(table.find(0).is_none() && table.find(u64::MAX).is_none()));
    }

    proptest! {
        #[test]
        fn a_frame_is_found_exactly_when_a_span_holds_it(
            runs in proptest::collection::vec((0..4usize, 0..3000u64, 1..9000u64), 0..60),
            high in 0..2u32,
            tries in proptest::collection::vec(0..400_000u64, 100),
        ) {
            let mut end = 0;
            let mut spans: Vec<_> = runs.iter().map(|&(node, gap, len)| {
                let start = end + gap;
                end = start + len;
                run(node, start, end)
            }).collect();
            let high = u64::from(high) << 28;
            spans.push(run(0, high + end, high + end + 5000));
            with_table(&spans, |table| {
                let borders = spans.iter().flat_map(|s| [s.frames.start.0, s.frames.end.0, s.frames.end.0 - 1]);
                for frame in borders.chain(tries).chain([u64::MAX]) {
                    let expected = spans.iter().find(|span| span.frames.contains(units::FrameNumber(frame)));
                    prop_assert_eq!(table.find(frame).map(|span| span.node), expected.map(|span| span.node));
                }
                Ok(())
            })?;
        }
    }
}
