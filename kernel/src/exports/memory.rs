//! The exports about memory: pages, addresses and the heap.
use super::caller;
use super::numa::{node_from, read_policy};
use super::pointer::{Access, DriverPointer};
use super::thread_only;
use crate::arch;
use crate::cpu;
use crate::drivers::report_free;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::heap;
use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::platform::numa_topology;
use crate::threads::owner::Owner;
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest};
use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;
use free_refusals::RefusalKind;
use node_heap::OwnerId;
use page_alloc::{Grant, NodeWeights, Request};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr, VirtAddr};

/// The address that the ABI uses for "none".
const NO_PAGE: u64 = 0;

fn address_of(frame: Option<FrameNumber>) -> u64 {
    frame.map_or(NO_PAGE, |frame| frame.address().0)
}

pub extern "C" fn allocate_page() -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePage") {
        return NO_PAGE;
    }
    address_of(allocate::allocate_zeroed_page())
}

pub extern "C" fn allocate_page_local() -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePageLocal") {
        return NO_PAGE;
    }
    address_of(allocate_zeroed(&Request::page()))
}

pub extern "C" fn allocate_page_from_node(node: c_int) -> u64 {
    allocate_pages_from_node(1, node)
}

pub extern "C" fn allocate_pages_from_node(count: u64, node: c_int) -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePagesFromNode") {
        return NO_PAGE;
    }
    address_of(node_from(node).and_then(|node| allocate_zeroed(&Request::new(count, node))))
}

fn allocate_zeroed(request: &Request) -> Option<FrameNumber> {
    Some(allocate::allocate(request, Zeroed::Yes).ok()?.frame)
}

pub unsafe extern "C" fn allocate_pages(request: *const PageRequest, grant: *mut PageGrant) -> bool {
    if !thread_only::is_thread("Kernel_AllocatePages") {
        return false;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let (request, grant) = unsafe { (DriverPointer::new(request), DriverPointer::new(grant)) };
    let allocate = || {
        let mut weights = None;
        let request = read_request(request, &mut weights)?;
        let size = grant.check_sized(Access::Write)?;
        let granted = allocate::allocate_for_thread(request).ok()?;
        grant.write(page_grant(size, granted))
    };
    allocate().is_some()
}

/// Returns the request that a driver describes; `None` if a part of it is invalid. A weighted policy refers to the copy of
/// its weights that this function puts into `weights`.
fn read_request(
    pointer: DriverPointer<PageRequest>,
    weights: &mut Option<NodeWeights>,
) -> Option<ThreadRequest<'_>> {
    let request = pointer.read_sized()?;
    if request.Flags & !PAGE_REQUEST_ZEROED != 0 {
        return None;
    }
    let alignment = if request.Alignment == 0 { FRAME_SIZE } else { request.Alignment };
    if !alignment.is_power_of_two() {
        return None;
    }
    // SAFETY: by the condition of `DriverPointer::new` for the request, which holds for what the request points at.
    let policy = unsafe { DriverPointer::new(request.Policy) };
    Some(ThreadRequest {
        count: request.Count,
        alignment: alignment.div_ceil(FRAME_SIZE),
        highest: (request.HighestAddress != 0).then_some(PhysAddr(request.HighestAddress)),
        policy: if policy.is_null() { None } else { Some(read_policy(policy, weights)?) },
        zeroed: if request.Flags & PAGE_REQUEST_ZEROED != 0 { Zeroed::Yes } else { Zeroed::No },
    })
}

/// Returns a grant as the ABI describes it, in a structure of `size` bytes.
fn page_grant(size: u32, grant: Grant) -> PageGrant {
    let distance = numa_topology::get().distance(cpu::current().node, grant.node);
    PageGrant {
        Size: size,
        Node: grant.node.index() as i32,
        Address: grant.frame.address().0,
        Count: grant.count,
        Distance: distance.map_or(0, u32::from),
        FellBack: u32::from(grant.fell_back),
    }
}

pub extern "C" fn free_page(page: u64) -> bool {
    if !thread_only::is_thread("Kernel_FreePage") {
        return false;
    }
    page_of(page).is_some_and(allocate::free_page)
}

pub extern "C" fn free_pages(page: u64, count: u64) -> bool {
    if !thread_only::is_thread("Kernel_FreePages") {
        return false;
    }
    page_of(page).is_some_and(|frame| allocate::free_pages(frame, count))
}

/// Returns the frame at an address that a driver frees. Reports an address that is not a page's.
fn page_of(page: u64) -> Option<FrameNumber> {
    if !page.is_multiple_of(FRAME_SIZE) {
        report_free::report(
            "pages",
            RefusalKind::NotAPage,
            format_args!("freed {page:#x}, which is not the address of a page"),
        );
        return None;
    }
    Some(FrameNumber::containing(PhysAddr(page)))
}

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
    let alignment = if alignment == 0 { DEFAULT_ALIGNMENT } else { alignment };
    if size == 0 || !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return None;
    }
    let layout = Layout::from_size_align(size, alignment).ok()?;
    Some(heap::allocate_for(heap_owner(), node, layout)?.as_ptr().cast())
}

/// Returns the owner of the heap blocks of the calling driver.
fn heap_owner() -> OwnerId {
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
