//! The exports about pages. Each page belongs to the driver that it was granted to.
use super::memory::NO_PAGE;
use super::numa::{node_from, read_policy};
use super::one_page::{self, OnePage};
use super::pointer::{Access, DriverPointer};
use super::thread_only;
use crate::cpu::{self, PreemptionOff};
use crate::drivers::report_free;
use crate::memory::allocate::{ThreadRequest, Zeroed};
use crate::memory::driver_pages;
use crate::platform::numa_topology;
use crate::threads::whose_code;
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest};
use core::ffi::c_int;
use core::hint::black_box;
use free_refusals::RefusalKind;
use page_alloc::{Grant, NodeWeights, Request};
use units::{FRAME_SIZE, FrameNumber, PhysAddr};

fn address_of(frame: Option<FrameNumber>) -> u64 {
    frame.map_or(NO_PAGE, |frame| frame.address().0)
}

pub extern "C" fn allocate_page() -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePage") {
        return NO_PAGE;
    }
    address_of(driver_pages::allocate_zeroed_page(whose_code::calling_page_owner()))
}

pub extern "C" fn allocate_page_local() -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePageLocal") {
        return NO_PAGE;
    }
    address_of(allocate_zeroed(Request::page()))
}

pub extern "C" fn allocate_page_from_node(node: c_int) -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePageFromNode") {
        return NO_PAGE;
    }
    from_node(1, node)
}

pub extern "C" fn allocate_pages_from_node(count: u64, node: c_int) -> u64 {
    if !thread_only::is_thread("Kernel_AllocatePagesFromNode") {
        return NO_PAGE;
    }
    from_node(count, node)
}

fn from_node(count: u64, node: c_int) -> u64 {
    address_of(node_from(node).and_then(|node| allocate_zeroed(Request::new(count, node))))
}

fn allocate_zeroed(request: Request) -> Option<FrameNumber> {
    driver_pages::allocate_zeroed(&Request { owner: whose_code::calling_page_owner(), ..request })
}

pub unsafe extern "C" fn allocate_pages(request: *const PageRequest, grant: *mut PageGrant) -> bool {
    if thread_only::is_no_thread() {
        return thread_only::refuse_call("Kernel_AllocatePages");
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    match unsafe { one_page::allocate(request, grant) } {
        OnePage::Granted(granted) => granted.do_deferred(),
        // SAFETY: as above.
        OnePage::Other => unsafe { allocate_as_requested(request, grant) },
        // SAFETY: as above.
        OnePage::NoneAtHand(off) => unsafe { allocate_beyond_hand(request, grant, off) },
    }
}

/// Allocates pages as [`allocate_as_requested`] does, once preemption is on.
///
/// # Safety
/// The condition of all exports.
#[inline(never)]
unsafe fn allocate_beyond_hand(
    request: *const PageRequest,
    grant: *mut PageGrant,
    off: PreemptionOff,
) -> bool {
    drop(off);
    // SAFETY: `# Safety` is the same.
    unsafe { allocate_as_requested(request, grant) }
}

/// Allocates pages for a request of any kind.
///
/// # Safety
/// The condition of all exports.
#[inline(never)]
unsafe fn allocate_as_requested(request: *const PageRequest, grant: *mut PageGrant) -> bool {
    // SAFETY: `# Safety` is the same.
    unsafe { allocate_if(request, grant, |_| true) }
}

/// Allocates pages for a request of any kind, which go back if `keep` returns false.
///
/// # Safety
/// The condition of all exports.
#[inline]
pub unsafe fn allocate_if(
    request: *const PageRequest,
    grant: *mut PageGrant,
    keep: impl FnOnce(&Grant) -> bool,
) -> bool {
    // SAFETY: `# Safety` is the same.
    let (request, grant) = unsafe { (DriverPointer::new(request), DriverPointer::new(grant)) };
    let allocate = || {
        let mut weights = None;
        let request = read_request(request, &mut weights)?;
        let size = grant.check_sized(Access::Write)?;
        let owner = request.owner;
        let granted = driver_pages::allocate_for_thread(request).ok()?;
        if !keep(&granted) {
            driver_pages::free_pages(granted.frame, granted.count, owner);
            return None;
        }
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
        owner: whose_code::calling_page_owner(),
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
    if thread_only::is_no_thread() {
        return thread_only::refuse_call("Kernel_FreePage");
    }
    // Of 32 bits, the test is one instruction.
    if !(page as u32).is_multiple_of(FRAME_SIZE as u32) {
        return refuse(page);
    }
    let frame = FrameNumber::containing(PhysAddr(page));
    match whose_code::thread_in_own_code() {
        Some((_, driver)) => driver_pages::free_page(frame, driver.pages()),
        None => free_page_of_caller(frame),
    }
}

/// Takes back a page of a driver whose functions another one calls, or of the kernel.
#[cold]
#[inline(never)]
fn free_page_of_caller(frame: FrameNumber) -> bool {
    driver_pages::free_page(frame, whose_code::calling_page_owner())
}

pub extern "C" fn free_pages(page: u64, count: u64) -> bool {
    if !thread_only::is_thread("Kernel_FreePages") {
        return false;
    }
    if !page.is_multiple_of(FRAME_SIZE) {
        return refuse(page);
    }
    driver_pages::free_pages(FrameNumber::containing(PhysAddr(page)), count, whose_code::calling_page_owner())
}

/// Reports that a driver frees an address that is not a page's.
#[cold]
#[inline(never)]
fn refuse(page: u64) -> bool {
    let description = format_args!("freed {page:#x}, which is not the address of a page");
    report_free::report("pages", RefusalKind::NotAPage, description);
    // The caller returns what it gets, so it needs no stack.
    black_box(false)
}
