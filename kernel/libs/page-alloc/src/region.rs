//! Memory that a node gets after setup: blocks and lists of its own, under the node's lock.
use core::alloc::{Layout, LayoutError};
use core::mem::{MaybeUninit, replace};

use crate::blocks::{Block, Blocks, MapSlot};
use crate::carve::{Carver, fill};
use crate::node_memory::NodeMemory;
use crate::request::Needs;
use crate::span_table::{Span, SpanTable};

/// One span that was added, and its memory.
pub struct Region<'m> {
    pub memory: NodeMemory<'m>,
    pub span: Span,
}

/// What is cut out of the metadata for a span that is added.
pub struct Parts<'m> {
    /// For all of the node's regions, the new one last.
    pub regions: &'m mut [MaybeUninit<Region<'m>>],
    /// Of the new one.
    pub blocks: Blocks<'m>,
    /// Of all spans that were added, the new one included.
    pub table: &'m SpanTable<'m>,
}

/// Memory for the parts, where the node has so many regions besides the first, the machine so many added spans, and the new
/// one so many blocks.
pub fn layout(regions: usize, spans: usize, blocks: usize) -> Result<Layout, LayoutError> {
    let (layout, _) = Layout::array::<Region<'_>>(regions + 1)?.extend(Layout::array::<MapSlot>(blocks)?)?;
    let (layout, _) = layout.extend(Layout::array::<Block>(blocks)?)?;
    let (layout, _) = layout.extend(Layout::new::<SpanTable<'_>>())?;
    Ok(layout.extend(SpanTable::layout(spans + 1)?)?.0)
}

/// Cuts the parts in the order in which [`layout`] counts them, and writes them but for the regions; `None` when the memory is
/// too small. The region of `span` is the number of those that there are, the first included.
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
    let [table] = carver.uninit::<SpanTable<'m>>(1)? else { return None };
    let table = table.write(SpanTable::extended(spans, span, &mut carver)?);
    Some(Parts { regions, blocks: Blocks::new(descriptors, maps), table })
}

/// The regions and a further one, in memory for all of them. What stays behind is empty.
pub fn moved<'m>(
    regions: &mut [Region<'m>],
    added: Region<'m>,
    memory: &'m mut [MaybeUninit<Region<'m>>],
) -> &'m mut [Region<'m>] {
    let moved = regions.iter_mut().map(|region| {
        let empty = Region { memory: NodeMemory::new(Blocks::new(&mut [], &mut [])), span: region.span };
        replace(region, empty)
    });
    fill(memory, moved.chain([added]))
}

/// Grants a run that meets the needs, of the first region that has one.
#[cold]
#[inline(never)]
pub fn allocate(regions: &mut [Region<'_>], needs: &Needs) -> Option<u64> {
    regions.iter_mut().find_map(|region| region.memory.allocate(needs, core::iter::once(&region.span)))
}
