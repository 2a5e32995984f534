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

/// Moves a value into the heap of a node, or of this CPU's, where it stays until the driver goes. Returns `None` if there is not enough
/// memory.
#[must_use]
pub fn keep<T: Send + Sync + 'static>(value: T, node: Option<Node>) -> Option<&'static T> {
    let mut value = Some(value);
    keep_each(1, node, |_| value.take())?.first()
}

/// Makes `count` values in the heap of a node, or of this CPU's, where they stay until the driver goes. Returns `None` if there is not
/// enough memory, or if `value` returns `None`; the values before are not dropped then.
#[must_use]
pub fn keep_each<T: Send + Sync + 'static>(
    count: usize,
    node: Option<Node>,
    mut value: impl FnMut(usize) -> Option<T>,
) -> Option<&'static [T]> {
    let node = node.unwrap_or_else(current_node);
    let bytes = size_of::<T>().checked_mul(count)?.max(1);
    // SAFETY: the function takes any numbers.
    let block = unsafe { abi::Kernel_AllocateMemoryFromNode(bytes, align_of::<T>(), node) };
    let block = core::ptr::NonNull::new(block.cast::<T>())?;
    for index in 0..count {
        let Some(value) = value(index) else {
            // SAFETY: the block was allocated above, and nothing refers to it.
            unsafe { abi::Kernel_FreeMemory(block.as_ptr().cast()) };
            return None;
        };
        // SAFETY: the block has room for so many values and their alignment, and nothing else refers to it.
        unsafe { block.add(index).write(value) };
    }
    // SAFETY: all values are written, and the block is never freed by the driver.
    Some(unsafe { core::slice::from_raw_parts(block.as_ptr(), count) })
}
