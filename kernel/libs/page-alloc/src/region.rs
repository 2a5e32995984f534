//! Memory that a node gets after setup: each addition has its own blocks and lists, under the node's lock.
use core::alloc::{Layout, LayoutError};
use core::mem::{MaybeUninit, replace};

use crate::blocks::{Block, Blocks, MapSlot, words_for};
use crate::carve::{Carver, fill};
use crate::node_memory::NodeMemory;
use crate::request::Needs;
use crate::span_table::{Span, SpanTable};

/// A span that was added after setup, and its memory.
pub struct Region<'m> {
    pub memory: NodeMemory<'m>,
    pub span: Span,
}

/// The structures for an added span, cut out of its metadata.
pub struct Parts<'m> {
    /// Space for all of the node's regions, the new one last.
    pub regions: &'m mut [MaybeUninit<Region<'m>>],
    /// The new region's blocks.
    pub blocks: Blocks<'m>,
    /// The table of all added spans, the new one included.
    pub table: &'m SpanTable<'m>,
}

/// Returns the layout of the parts. The node has `regions` regions besides the first, the machine `spans` added spans, and the
/// new span `blocks` blocks.
pub fn layout(regions: usize, spans: usize, blocks: usize) -> Result<Layout, LayoutError> {
    let (layout, _) = Layout::array::<Region<'_>>(regions + 1)?.extend(Layout::array::<MapSlot>(blocks)?)?;
    let (layout, _) = layout.extend(Layout::array::<Block>(blocks)?)?;
    let (layout, _) = layout.extend(Layout::array::<u64>(words_for(blocks))?)?;
    let (layout, _) = layout.extend(Layout::new::<SpanTable<'_>>())?;
    Ok(layout.extend(SpanTable::layout(spans + 1)?)?.0)
}

/// Cuts the parts in the order in which [`layout`] counts them, and writes all but the regions. Returns `None` if the memory is
/// too small. The region number of `span` is the number of existing regions, the first included.
pub fn cut<'m>(
    metadata: &'m mut [MaybeUninit<u8>],
    spans: &[Span],
    span: Span,
    blocks: usize,
) -> Option<Parts<'m>> {
    let mut carver = Carver::new(metadata);
    let regions = carver.uninit(span.region as usize)?;
    let maps = carver.uninit::<MapSlot>(blocks)?;
    let descriptors = carver.filled(blocks, Block::Quiet)?;
    let initialised = carver.filled(words_for(blocks), 0)?;
    let [table] = carver.uninit::<SpanTable<'m>>(1)? else { return None };
    let table = table.write(SpanTable::extended(spans, span, &mut carver)?);
    Some(Parts { regions, blocks: Blocks::new(descriptors, maps, initialised), table })
}

/// Moves the regions and a further one into `memory`. The old regions stay behind empty.
pub fn moved<'m>(
    regions: &mut [Region<'m>],
    added: Region<'m>,
    memory: &'m mut [MaybeUninit<Region<'m>>],
) -> &'m mut [Region<'m>] {
    let moved = regions.iter_mut().map(|region| {
        let empty =
            Region { memory: NodeMemory::new(Blocks::new(&mut [], &mut [], &mut [])), span: region.span };
        replace(region, empty)
    });
    fill(memory, moved.chain([added]))
}

/// Grants a run that meets the needs, from the first region that has one. Returns its first frame.
#[cold]
#[inline(never)]
pub fn allocate(regions: &mut [Region<'_>], needs: &Needs) -> Option<u64> {
    regions.iter_mut().find_map(|region| region.memory.allocate(needs, core::iter::once(&region.span)))
}
