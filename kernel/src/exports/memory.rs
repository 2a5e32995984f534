//! The exports about addresses and the heap.
use super::caller;
use super::numa::node_from;
use super::thread_only;
use crate::arch;
use crate::drivers::report_free;
use crate::memory::frames;
use crate::memory::heap;
use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::threads::owner::Owner;
use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;
use free_refusals::RefusalKind;
use node_heap::OwnerId;
use units::{FrameNumber, NodeId, PhysAddr, VirtAddr};

/// The address that the ABI uses for "none".
pub(super) const NO_PAGE: u64 = 0;

pub extern "C" fn phys_to_virt(address: u64) -> *mut c_void {
    match frames::node_of(FrameNumber::containing(PhysAddr(address))) {
        Some(_) => arch::physical_memory(PhysAddr(address)).cast(),
        None => core::ptr::null_mut(),
    }
}

pub extern "C" fn virt_to_phys(address: *const c_void) -> u64 {
    page_tables::translate(VirtAddr(address.addr() as u64)).map_or(NO_PAGE, |physical| physical.0)
}

/// The alignment of a block for which the driver names none, in bytes.
const DEFAULT_ALIGNMENT: usize = 16;
/// The largest alignment that the heap serves, in bytes. A driver that needs more takes pages.
const LARGEST_ALIGNMENT: usize = 2 << 20;

pub extern "C" fn allocate_memory(size: usize, alignment: usize) -> *mut c_void {
    if !thread_only::is_thread("Kernel_AllocateMemory") {
        return core::ptr::null_mut();
    }
    let node = MemoryContext::current().home_node();
    allocate_block(size, alignment, node).unwrap_or(core::ptr::null_mut())
}

pub extern "C" fn allocate_memory_from_node(size: usize, alignment: usize, node: c_int) -> *mut c_void {
    if !thread_only::is_thread("Kernel_AllocateMemoryFromNode") {
        return core::ptr::null_mut();
    }
    let block = node_from(node).and_then(|node| allocate_block(size, alignment, node));
    block.unwrap_or(core::ptr::null_mut())
}

/// Allocates a block for the calling driver from the heap of `node`.
fn allocate_block(size: usize, alignment: usize, node: NodeId) -> Option<*mut c_void> {
    let layout = layout_of(size, alignment)?;
    Some(heap::allocate_for(heap_owner(), node, layout)?.as_ptr().cast())
}

/// Returns the layout that a driver asks for; `None` if it is invalid.
#[inline(always)]
pub(super) fn layout_of(size: usize, alignment: usize) -> Option<Layout> {
    let alignment = if alignment == 0 { DEFAULT_ALIGNMENT } else { alignment };
    if size == 0 || !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return None;
    }
    Layout::from_size_align(size, alignment).ok()
}

/// Returns the owner of the heap blocks of the calling driver.
pub(super) fn heap_owner() -> OwnerId {
    caller::driver().map_or(OwnerId::KERNEL, Owner::heap)
}

pub unsafe extern "C" fn free_memory(memory: *mut c_void) {
    if !thread_only::is_thread("Kernel_FreeMemory") {
        return;
    }
    let Some(block) = NonNull::new(memory.cast::<u8>()) else { return };
    if let Err(error) = heap::free_of(heap_owner(), block) {
        report_free::report("heap", RefusalKind::NotABlock, format_args!("freed {memory:p}: {error}"));
    }
}
