//! The exports about memory: pages, addresses and the heap.
use super::numa::{node_from, read_policy};
use super::pointer::{Access, DriverPointer};
use crate::arch;
use crate::cpu;
use crate::drivers::report_free;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::heap;
use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::platform::numa_topology;
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest};
use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use free_refusals::RefusalKind;
use page_alloc::{Grant, NodeWeights, Request};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr, VirtAddr};

/// The address that the ABI uses for "none".
const NO_PAGE: u64 = 0;

fn address_of(frame: Option<FrameNumber>) -> u64 {
    frame.map_or(NO_PAGE, |frame| frame.address().0)
}

pub extern "C" fn allocate_page() -> u64 {
    address_of(allocate::allocate_zeroed_page())
}

pub extern "C" fn allocate_page_local() -> u64 {
    address_of(allocate_zeroed(&Request::page()))
}

pub extern "C" fn allocate_page_from_node(node: c_int) -> u64 {
    allocate_pages_from_node(1, node)
}

pub extern "C" fn allocate_pages_from_node(count: u64, node: c_int) -> u64 {
    address_of(node_from(node).and_then(|node| allocate_zeroed(&Request::new(count, node))))
}

fn allocate_zeroed(request: &Request) -> Option<FrameNumber> {
    Some(allocate::allocate(request, Zeroed::Yes).ok()?.frame)
}

pub unsafe extern "C" fn allocate_pages(request: *const PageRequest, grant: *mut PageGrant) -> bool {
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
    page_of(page).is_some_and(allocate::free_page)
}

pub extern "C" fn free_pages(page: u64, count: u64) -> bool {
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

/// The header in front of each block that a driver is given. With it, the block can be freed by its address alone.
#[derive(Clone, Copy)]
#[repr(C)]
struct BlockHeader {
    /// [`BLOCK_MARK`] exclusive-or the block's address while the block is allocated.
    mark: u64,
    /// Bytes from the start of the heap's allocation to the driver's block.
    offset: u64,
    /// Bytes of the heap's allocation.
    size: u64,
    /// The alignment of the heap's allocation.
    alignment: u64,
}

const BLOCK_MARK: u64 = 0x50_72_6f_78_69_6d_61_21;
const HEADER_SIZE: usize = size_of::<BlockHeader>();
/// The alignment of a block for which the driver names none, in bytes.
const DEFAULT_ALIGNMENT: usize = 16;
/// The largest alignment that the heap serves, in bytes. A driver that needs more takes pages.
const LARGEST_ALIGNMENT: usize = 2 << 20;

pub extern "C" fn allocate_memory(size: usize, alignment: usize) -> *mut c_void {
    let node = MemoryContext::current().home_node();
    allocate_block(size, alignment, node).unwrap_or(core::ptr::null_mut())
}

pub extern "C" fn allocate_memory_from_node(size: usize, alignment: usize, node: c_int) -> *mut c_void {
    let block = node_from(node).and_then(|node| allocate_block(size, alignment, node));
    block.unwrap_or(core::ptr::null_mut())
}

/// Allocates a driver's block and its header from the heap of `node`.
fn allocate_block(size: usize, alignment: usize, node: NodeId) -> Option<*mut c_void> {
    let alignment = if alignment == 0 { DEFAULT_ALIGNMENT } else { alignment };
    if size == 0 || !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return None;
    }
    let alignment = alignment.max(DEFAULT_ALIGNMENT);
    let offset = alignment.max(HEADER_SIZE);
    let layout = Layout::from_size_align(size.checked_add(offset)?, alignment).ok()?;
    let start = heap::allocate(node, layout)?;
    let block = start.as_ptr().wrapping_add(offset);
    let header = BlockHeader {
        mark: BLOCK_MARK ^ block.addr() as u64,
        offset: offset as u64,
        size: layout.size() as u64,
        alignment: alignment as u64,
    };
    // SAFETY: `offset` is at least the header's size, so the header lies in the new allocation, in front of the driver's block.
    // Allocation and offset are multiples of 16, and so is the header's address.
    unsafe { block.sub(HEADER_SIZE).cast::<BlockHeader>().write(header) };
    Some(block.cast())
}

pub unsafe extern "C" fn free_memory(memory: *mut c_void) {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`): the block is the driver's, and nothing uses it any
    // more.
    if !memory.is_null() && unsafe { release_block(memory) }.is_none() {
        let description = format_args!("freed {memory:p}, which is not a block of the heap in use");
        report_free::report("heap", RefusalKind::NotABlock, description);
    }
}

/// Frees a block and its header. `None`, and nothing is freed, if there is no allocated block at the address.
///
/// # Safety
/// If `memory` is an allocated block, nothing accesses the block or its header any more, except for other calls of this
/// function.
unsafe fn release_block(memory: *mut c_void) -> Option<()> {
    let place = memory.cast::<u8>().wrapping_sub(HEADER_SIZE).cast::<BlockHeader>();
    if !place.is_aligned() || !heap::owns(VirtAddr(place.addr() as u64), HEADER_SIZE as u64) {
        return None;
    }
    let valid = BLOCK_MARK ^ memory.addr() as u64;
    // SAFETY: the header is aligned, and mapped as the heap's. Of an allocated block, only this function accesses the mark. If there
    // is no block at the address, the word is one of the heap's, and is not changed, as it is no valid mark.
    let mark = unsafe { AtomicU64::from_ptr(&raw mut (*place).mark) };
    // Of two threads that free the same block, exactly one clears the mark. The rest of the header is read afterwards: before, the
    // other thread might free the block, and its place might go to a block with another header.
    mark.compare_exchange(valid, 0, Ordering::Acquire, Ordering::Relaxed).ok()?;
    // SAFETY: the header is aligned and mapped. This call alone has cleared the mark, so it alone accesses the header.
    let header = unsafe { place.read() };
    let layout = Layout::from_size_align(header.size as usize, header.alignment as usize).ok();
    let start = NonNull::new(memory.cast::<u8>().wrapping_sub(header.offset as usize));
    let block =
        start.filter(|start| heap::owns(VirtAddr(start.addr().get() as u64), header.size)).zip(layout);
    let Some((start, layout)) = block else {
        // The driver has written over the header. The free is refused and changes nothing.
        mark.store(valid, Ordering::Release);
        return None;
    };
    // SAFETY: only `allocate_block` writes a valid mark, and this call alone has cleared it. So the block came from
    // `heap::allocate` with this layout, and by this function's condition nothing uses it.
    unsafe { heap::free(start, layout) };
    Some(())
}
