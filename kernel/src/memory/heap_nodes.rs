//! The heaps of all nodes: how boot makes them, and how each CPU gets access to them.
use super::allocate::{self, Zeroed};
use super::cpu_memory::{self, CpuMemory};
use super::fail_allocation;
use super::heap_lock::HeapLock;
use super::heap_windows;
use super::page_uses::PageUse;
use crate::arch;
use crate::platform::numa_topology;
use crate::report::verdict;
use arrayvec::ArrayVec;
use core::mem::MaybeUninit;
use node_heap::{CpuHeap, NodeHeap, NodeHeapStats, NodeHeaps};
use spin::Once;
use units::{FRAME_SIZE, MAX_NODES, NodeId};

/// The heap of one node.
pub(super) type Node = NodeHeap<'static, HeapLock>;
/// The heaps of all nodes.
pub(super) type Heaps = NodeHeaps<'static, HeapLock>;

static NODES: Once<ArrayVec<&'static Node, MAX_NODES>> = Once::new();
static HEAPS: Once<Heaps> = Once::new();

/// Makes the heaps of all nodes, and gives the boot CPU access to them. If there is no memory for that, the boot ends with the verdict
/// of failure.
pub fn init() {
    let create = |node: &topology::Node| create(node.id);
    let nodes: Option<ArrayVec<_, MAX_NODES>> = numa_topology::get().nodes().iter().map(create).collect();
    let Some(nodes) = nodes else { verdict::stop_without_memory_for("the heaps") };
    let nodes = NODES.call_once(|| nodes);
    let window = ::address_space::layout::HEAP_WINDOW as usize;
    HEAPS.call_once(|| NodeHeaps::new(nodes, window).expect("`heap_windows` lays the windows side by side"));
    // SAFETY: this is the boot CPU's early area, in which it has used no heap yet. Without memory for sets it has no magazines, which
    // would be lost when the CPU moves to its own area.
    unsafe { cpu_memory::attach_heap(cpu_memory::current(), heaps(), NodeId::ZERO, None) };
}

/// Creates the heap of a node, in memory of the node or of the nearest one.
fn create(node: NodeId) -> Option<&'static Node> {
    let memory = memory_for::<Node>(node)?;
    // SAFETY: `init` calls this once for each node.
    Some(NodeHeap::init(memory, unsafe { heap_windows::window(node) }))
}

fn memory_for<T>(node: NodeId) -> Option<&'static mut MaybeUninit<T>> {
    const { assert!(align_of::<T>() as u64 <= FRAME_SIZE, "frames are aligned as the value must be") };
    let pages = (size_of::<T>() as u64).div_ceil(FRAME_SIZE);
    let frame = allocate::allocate_for_kernel(PageUse::Heaps, node, pages, Zeroed::No)?.frame;
    let memory = arch::physical_memory(frame.address()).cast::<MaybeUninit<T>>();
    // SAFETY: the line above has allocated the frames, which are mapped there, and nothing frees them.
    Some(unsafe { &mut *memory })
}

/// Returns the heaps, which boot has made.
pub(super) fn heaps() -> &'static Heaps {
    HEAPS.get().expect("boot makes the heaps before anything uses them")
}

/// Returns the heaps, if boot has made them yet.
#[inline]
pub(super) fn made() -> Option<&'static Heaps> {
    HEAPS.get()
}

/// Gives a new CPU access to the heaps. Without memory for its magazines, it has none.
///
/// # Safety
/// The CPU does not run on this copy yet.
pub unsafe fn attach(memory: &CpuMemory) {
    const SETS: usize = CpuHeap::<HeapLock>::SETS_BYTES;
    let sets =
        memory_for::<[MaybeUninit<u8>; SETS]>(memory.node).filter(|_| !fail_allocation::is_on_for_heap());
    let sets = sets.map(|sets| {
        // SAFETY: an array of bytes that need no value is itself initialized.
        unsafe { sets.assume_init_mut() }.as_mut_slice()
    });
    // SAFETY: `# Safety` is the same.
    unsafe { cpu_memory::attach_heap(memory, heaps(), with_memory(memory.node), sets) };
}

/// Returns the node, or the nearest one that has memory.
pub(super) fn with_memory(node: NodeId) -> NodeId {
    numa_topology::get().fallback(node).first().copied().unwrap_or(node)
}

/// Has the heaps unmap a frame that had a driver's blocks before another owner has blocks in it. No driver has blocks yet.
pub fn unmap_frames_of_drivers() {
    heaps().iter().for_each(NodeHeap::unmap_frames_of_drivers);
}

/// Returns what the heap of `node` has.
pub fn stats(node: NodeId) -> NodeHeapStats {
    heaps().node(node.index()).map(NodeHeap::stats).unwrap_or_default()
}
