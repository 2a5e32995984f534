//! The size of the metadata, and building a node in it.
use core::alloc::{Layout, LayoutError};
use core::mem::MaybeUninit;

use lock_api::RawMutex;
use units::NodeId;

use crate::blocks::{Block, Blocks, MapSlot, words_for};
use crate::carve::Carver;
use crate::error::SetupError;
use crate::node::Node;
use crate::node_memory::NodeMemory;
use crate::span_table::SpanTable;
use crate::spans::{NodeFrames, merged};

/// The caller's part of a node.
#[derive(Debug)]
pub struct NodeSetup<'m> {
    /// Memory as large as `PageAllocator::node_layout` says, preferably of the node itself. Its contents do not matter. The
    /// allocator keeps it.
    pub metadata: &'m mut [MaybeUninit<u8>],
    /// The nodes to try, in order, when this one is preferred and has no such frames. The order may contain the node itself.
    pub fallback: &'m [NodeId],
}

/// Returns the layout of the table of these spans.
pub fn table_layout(spans: &[NodeFrames]) -> Result<Layout, SetupError> {
    let mut count = 0;
    for span in merged(spans) {
        span?;
        count += 1;
    }
    SpanTable::layout(count).map_err(|_| SetupError::TableTooSmall)
}

/// Returns the layout of one node's metadata.
pub fn node_layout<L>(spans: &[NodeFrames], node: NodeId) -> Result<Layout, SetupError> {
    let blocks = block_count(spans, node)?;
    layout_for::<L>(blocks).map_err(|_| SetupError::MetadataTooSmall(node))
}

/// Builds a node, nothing of which is free yet, in its metadata. Writes the node, and a byte and a bit for each of its blocks.
pub fn build_node<'m, L: RawMutex>(
    id: NodeId,
    setup: NodeSetup<'m>,
    spans: &[NodeFrames],
    table: &SpanTable<'_>,
) -> Result<&'m Node<'m, L>, SetupError> {
    let blocks = block_count(spans, id)?;
    let mut carver = Carver::new(setup.metadata);
    // In the order in which `layout_for` counts them.
    let mut cut = || {
        let [node] = carver.uninit::<Node<'m, L>>(1)? else { return None };
        let maps = carver.uninit::<MapSlot>(blocks)?;
        let descriptors = carver.filled(blocks, Block::Quiet)?;
        let initialised = carver.filled(words_for(blocks), 0)?;
        Some((node, Blocks::new(descriptors, maps, initialised)))
    };
    let (node, blocks) = cut().ok_or(SetupError::MetadataTooSmall(id))?;
    Ok(node.write(Node::new(id, NodeMemory::new(blocks), setup.fallback, table)))
}

fn layout_for<L>(blocks: usize) -> Result<Layout, LayoutError> {
    let (layout, _) = Layout::new::<Node<'_, L>>().extend(Layout::array::<MapSlot>(blocks)?)?;
    let (layout, _) = layout.extend(Layout::array::<Block>(blocks)?)?;
    Ok(layout.extend(Layout::array::<u64>(words_for(blocks))?)?.0)
}

fn block_count(spans: &[NodeFrames], node: NodeId) -> Result<usize, SetupError> {
    let mut blocks = 0;
    for span in merged(spans) {
        let span = span?;
        if span.node == node {
            blocks += span.block_count() as usize;
        }
    }
    Ok(blocks)
}
