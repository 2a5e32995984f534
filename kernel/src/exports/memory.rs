//! Pages and the heap.
use super::numa::{node_from, read_policy};
use super::pointer;
use crate::arch;
use crate::cpu;
use crate::drivers::report_free;
use crate::memory::heap;
use crate::memory::page_allocator::{self, ThreadRequest, Zeroed};
use crate::memory::page_tables;
use crate::platform::numa_topology;
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest};
use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use free_refusals::RefusalKind;
use page_alloc::{Grant, NodeWeights};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr, VirtAddr};

/// The ABI's word for no page.
const NO_PAGE: u64 = 0;

fn address_of(frame: Option<FrameNumber>) -> u64 {
    frame.map_or(NO_PAGE, |frame| frame.address().0)
}

pub extern "C" fn allocate_page() -> u64 {
    address_of(page_allocator::allocate_zeroed_page())
}

pub extern "C" fn allocate_page_local() -> u64 {
    address_of(page_allocator::allocate_zeroed_pages_from(cpu::current().node, 1))
}

pub extern "C" fn allocate_page_from_node(node: c_int) -> u64 {
    allocate_pages_from_node(1, node)
}

pub extern "C" fn allocate_pages_from_node(count: u64, node: c_int) -> u64 {
    address_of(node_from(node).and_then(|node| page_allocator::allocate_zeroed_pages_from(node, count)))
}

pub unsafe extern "C" fn allocate_pages(request: *const PageRequest, grant: *mut PageGrant) -> bool {
    let allocate = || {
        let mut weights = None;
        let request = read_request(request, &mut weights)?;
        pointer::check_sized(grant, true)?;
        let size = pointer::read(grant.cast::<u32>())?;
        let granted = page_allocator::allocate_for_thread(request).ok()?;
        pointer::write(grant, PageGrant { Size: size, ..describe(granted) })
    };
    allocate().is_some()
}

fn read_request(request: *const PageRequest, weights: &mut Option<NodeWeights>) -> Option<ThreadRequest<'_>> {
    let request = pointer::read_sized(request)?;
    if request.Flags & !PAGE_REQUEST_ZEROED != 0 {
        return None;
    }
    let alignment = if request.Alignment == 0 { FRAME_SIZE } else { request.Alignment };
    if !alignment.is_power_of_two() {
        return None;
    }
    Some(ThreadRequest {
        count: request.Count,
        alignment: alignment.div_ceil(FRAME_SIZE),
        highest: (request.HighestAddress != 0).then_some(PhysAddr(request.HighestAddress)),
        policy: if request.Policy.is_null() { None } else { Some(read_policy(request.Policy, weights)?) },
        zeroed: if request.Flags & PAGE_REQUEST_ZEROED != 0 { Zeroed::Yes } else { Zeroed::No },
    })
}

fn describe(grant: Grant) -> PageGrant {
    let distance = numa_topology::get().distance(cpu::current().node, grant.node);
    PageGrant {
        Size: 0,
        Node: grant.node.index() as i32,
        Address: grant.frame.address().0,
        Count: grant.count,
        Distance: distance.map_or(0, u32::from),
        FellBack: u32::from(grant.fell_back),
    }
}

pub extern "C" fn free_page(page: u64) -> bool {
    page_of(page).is_some_and(page_allocator::free_page)
}

pub extern "C" fn free_pages(page: u64, count: u64) -> bool {
    page_of(page).is_some_and(|frame| page_allocator::free_pages(frame, count))
}

/// The frame that a driver wants to free.
fn page_of(page: u64) -> Option<FrameNumber> {
    if !page.is_multiple_of(FRAME_SIZE) {
        report_free::report(
            "pages",
            RefusalKind::NotAPage,
            format_args!("freed {page:#x}, which is no page's address"),
        );
        return None;
    }
    Some(FrameNumber::containing(PhysAddr(page)))
}

pub extern "C" fn phys_to_virt(address: u64) -> *mut c_void {
    match page_allocator::node_of(FrameNumber::containing(PhysAddr(address))) {
        Some(_) => arch::physical_memory(PhysAddr(address)).cast(),
        None => core::ptr::null_mut(),
    }
}

pub extern "C" fn virt_to_phys(address: *const c_void) -> u64 {
    page_tables::translate(VirtAddr(address.addr() as u64)).map_or(NO_PAGE, |physical| physical.0)
}

/// What stands in front of each block that a driver was given, so that it can be freed by its address alone.
#[derive(Clone, Copy)]
#[repr(C)]
struct BlockHeader {
    /// [`BLOCK_MARK`] mixed with the block's address: what does not have it was not allocated here, or is free.
    mark: u64,
    /// Bytes from the header's own block in the heap to the driver's.
    offset: u64,
    /// All bytes taken from the heap.
    size: u64,
    /// Their alignment.
    alignment: u64,
}

const BLOCK_MARK: u64 = 0x50_72_6f_78_69_6d_61_21;
const HEADER_SIZE: usize = size_of::<BlockHeader>();
/// A block's alignment where the driver names none.
const DEFAULT_ALIGNMENT: usize = 16;
/// The largest alignment for which the heap is the place; for more there are pages.
const LARGEST_ALIGNMENT: usize = 2 << 20;

pub extern "C" fn allocate_memory(size: usize, alignment: usize) -> *mut c_void {
    let node = page_allocator::home_node();
    allocate_block(size, alignment, node).unwrap_or(core::ptr::null_mut())
}

pub extern "C" fn allocate_memory_from_node(size: usize, alignment: usize, node: c_int) -> *mut c_void {
    let block = node_from(node).and_then(|node| allocate_block(size, alignment, node));
    block.unwrap_or(core::ptr::null_mut())
}

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
    // SAFETY: the header lies in the new block, between its start and the driver's part, aligned to 16 bytes.
    unsafe { block.sub(HEADER_SIZE).cast::<BlockHeader>().write(header) };
    Some(block.cast())
}

pub unsafe extern "C" fn free_memory(memory: *mut c_void) {
    if !memory.is_null() && release_block(memory).is_none() {
        let words = format_args!("freed {memory:p}, which is not a block of the heap in use");
        report_free::report("heap", RefusalKind::NotABlock, words);
    }
}

fn release_block(memory: *mut c_void) -> Option<()> {
    let place = memory.cast::<u8>().wrapping_sub(HEADER_SIZE).cast::<BlockHeader>();
    if !heap::owns(VirtAddr(place.addr() as u64), HEADER_SIZE as u64) {
        return None;
    }
    let header = pointer::read(place)?;
    let layout = Layout::from_size_align(header.size as usize, header.alignment as usize).ok()?;
    let start = NonNull::new(memory.cast::<u8>().wrapping_sub(header.offset as usize))?;
    if header.mark != BLOCK_MARK ^ memory.addr() as u64
        || !heap::owns(VirtAddr(start.addr().get() as u64), header.size)
    {
        return None;
    }
    // SAFETY: the header is mapped and aligned; whoever frees a block changes its mark in this way only.
    let mark = unsafe { AtomicU64::from_ptr(&raw mut (*place).mark) };
    // Of two threads that free the same block, one clears the mark.
    mark.compare_exchange(header.mark, 0, Ordering::Relaxed, Ordering::Relaxed).ok()?;
    // SAFETY: the mark said that `allocate_block` made this block and that nobody has freed it. That the driver has not
    // forged it is the driver's word.
    unsafe { heap::free(start, layout) };
    Some(())
}
