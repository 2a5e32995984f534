//! The numbers of a node's heap.

/// What a node's heap has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeHeapStats {
    /// Frames that are mapped in the window.
    pub frames: u32,
    /// Those of them that are no slabs: the heap can return these.
    pub spare: u32,
    /// Whether the node keeps magazines for its CPUs.
    pub has_magazines: bool,
    /// Bytes of states and records that are backed.
    pub metadata_bytes: usize,
}
