//! The kernel's heap, as Rust's global allocator, and the machine's nodes.
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_int;

/// The driver's heap blocks. A driver that uses `alloc` declares it once:
///
/// ```ignore
/// #[global_allocator]
/// static HEAP: driver_kit::memory::Heap = driver_kit::memory::Heap;
/// ```
///
/// Blocks lie on the calling thread's preferred node, else on this CPU's. A handler must not allocate: the kernel refuses it.
pub struct Heap;

// SAFETY: the kernel returns blocks of the size and alignment asked for that do not overlap, or null.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_AllocateMemory(layout.size(), layout.align()) }.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: by the conditions of `dealloc`, `alloc` has returned the block and nothing uses it.
        unsafe { abi::Kernel_FreeMemory(block.cast()) };
    }
}

/// A NUMA node: a number from 0 to [`nodes`].
pub type Node = c_int;

/// Returns the number of nodes, at least 1.
#[must_use]
pub fn nodes() -> Node {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_GetNumaNodeCount() }
}

/// Returns the node of the CPU that runs the caller.
#[must_use]
pub fn current_node() -> Node {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_GetCurrentNumaNode() }
}

/// Returns what the kernel knows of a node, or `None` if there is no such node.
#[must_use]
pub fn node_info(node: Node) -> Option<abi::NumaNodeInfo> {
    let mut info = abi::NumaNodeInfo::default();
    // SAFETY: `info` is a local variable that nothing else refers to during the call.
    unsafe { abi::Kernel_GetNumaNodeInfo(node, &mut info) }.then_some(info)
}

/// Returns the numbers of a node at this moment, in pages, or `None` if there is no such node, and in a handler.
#[must_use]
pub fn node_statistics(node: Node) -> Option<abi::NumaNodeStatistics> {
    let size = size_of::<abi::NumaNodeStatistics>() as u32;
    let mut statistics = abi::NumaNodeStatistics { Size: size, ..Default::default() };
    // SAFETY: `statistics` is a local variable that nothing else refers to during the call.
    unsafe { abi::Kernel_GetNumaNodeStatistics(node, &mut statistics) }.then_some(statistics)
}

/// Returns the node of a CPU, or `None` if there is no such CPU.
#[must_use]
pub fn node_of_cpu(cpu: c_int) -> Option<Node> {
    // SAFETY: the function takes any number.
    let node = unsafe { abi::Kernel_GetNumaNodeForCpu(cpu) };
    (node >= 0).then_some(node)
}

/// Returns the distance between two nodes: 10 is local. Returns `None` if one of them does not exist.
#[must_use]
pub fn distance(from: Node, to: Node) -> Option<c_int> {
    // SAFETY: the function takes any numbers.
    let distance = unsafe { abi::Kernel_GetNumaDistance(from, to) };
    (distance >= 0).then_some(distance)
}
