//! Memory: pages by physical address, and the heap.
use crate::NumaPolicy;
use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};

/// Bytes in a page.
pub const KERNEL_PAGE_SIZE: u64 = 4096;

/// `PageRequest.Flags`: the kernel fills the pages with zeros. Without this flag their content is undefined.
pub const PAGE_REQUEST_ZEROED: u32 = 1;

/// A request for `Kernel_AllocatePages`. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// `PAGE_REQUEST_ZEROED`, or 0.
    pub Flags: u32,
    /// The number of contiguous pages: at least 1.
    pub Count: u64,
    /// The alignment of the first page's address, in bytes: a power of two; 0 means one page.
    pub Alignment: u64,
    /// The highest address that the last byte of the pages may have; 0 means any.
    pub HighestAddress: u64,
    /// The policy for this request; null means the thread's policy.
    pub Policy: *const NumaPolicy,
}

/// The result of `Kernel_AllocatePages`. The driver sets `Size`, the kernel sets the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageGrant {
    /// The size of this structure in bytes.
    pub Size: u32,
    /// The node of all the pages.
    pub Node: i32,
    /// The physical address of the first page.
    pub Address: u64,
    /// The number of pages: as many as were requested.
    pub Count: u64,
    /// The distance from the running CPU's node to `Node`, as `Kernel_GetNumaDistance` returns it.
    pub Distance: u32,
    /// 1 if the pages come from another node than the policy's first choice, which had none; otherwise 0.
    pub FellBack: u32,
}

unsafe extern "C" {
    /// Allocates one zeroed page under the calling thread's policy. A thread without a policy gets the page from its
    /// preferred node; a thread without either, from this CPU's node. If that node has none, the nearest node that has
    /// one gives it.
    ///
    /// Returns the page's physical address; 0 if no page is available.
    pub fn Kernel_AllocatePage() -> u64;

    /// Allocates one zeroed page from this CPU's node, or from the nearest node that has one.
    ///
    /// Returns the page's physical address; 0 if no page is available.
    pub fn Kernel_AllocatePageLocal() -> u64;

    /// Allocates one zeroed page from `node`, or from the nearest node that has one.
    ///
    /// Returns the page's physical address; 0 if no page is available or there is no such node.
    pub fn Kernel_AllocatePageFromNode(node: c_int) -> u64;

    /// Allocates `count` contiguous zeroed pages, all from `node`, or all from the nearest node that has them.
    ///
    /// Returns the first page's physical address; 0 if there are no such pages or no such node, or if `count` is 0.
    pub fn Kernel_AllocatePagesFromNode(count: u64, node: c_int) -> u64;

    /// Allocates contiguous pages for `request`.
    ///
    /// Returns true, and fills `grant`. Returns false, and writes nothing, if no such pages are available; if a pointer
    /// is null, misaligned or not mapped; if a `Size` is too small, or the tail behind what the kernel knows is not zero;
    /// if `Count` is 0; if `Alignment` is not a power of two; if a flag is unknown; or if the policy is one that
    /// `Kernel_SetNumaPolicy` refuses.
    pub fn Kernel_AllocatePages(request: *const PageRequest, grant: *mut PageGrant) -> bool;

    /// Frees one page.
    ///
    /// Returns true. Returns false, and changes nothing, if `page` is not the address of a page, if the page was not handed
    /// out or is free already, if it belongs to another driver, or if one call granted it together with others. The log has one
    /// line for a driver's first mistake of each kind.
    pub fn Kernel_FreePage(page: u64) -> bool;

    /// Frees exactly the pages that one call granted.
    ///
    /// Returns true. Returns false, and changes nothing, if the pages are not exactly one grant of the driver, or are free already.
    /// The log has one line for a driver's first mistake of each kind.
    pub fn Kernel_FreePages(page: u64, count: u64) -> bool;

    /// Returns the address at which a driver reads and writes the memory at a physical address; null if there is no memory.
    pub fn Kernel_PhysToVirt(address: u64) -> *mut c_void;

    /// Returns the physical address of mapped memory; 0 if nothing is mapped at `address`.
    pub fn Kernel_VirtToPhys(address: *const c_void) -> u64;

    /// Allocates `size` bytes for the driver's own data from the heap. Their content is undefined.
    ///
    /// `alignment` is a power of two in bytes, at most 2 MiB; 0 means 16. Returns null if no memory is available, if `size` is 0,
    /// or if `alignment` is neither.
    pub fn Kernel_AllocateMemory(size: usize, alignment: usize) -> *mut c_void;

    /// Allocates `size` bytes for the driver's own data from the heap of `node`, or from the nearest node that has memory.
    /// Their content is undefined.
    ///
    /// `alignment` is a power of two in bytes, at most 2 MiB; 0 means 16. Returns null if no memory is available, if there is no
    /// such node, if `size` is 0, or if `alignment` is neither.
    pub fn Kernel_AllocateMemoryFromNode(size: usize, alignment: usize, node: c_int) -> *mut c_void;

    /// Frees memory from `Kernel_AllocateMemory` or `Kernel_AllocateMemoryFromNode`. Null is ignored.
    ///
    /// An address that is not that of an allocated block is refused, and nothing is changed. The log has one line for a
    /// driver's first such mistake.
    pub fn Kernel_FreeMemory(memory: *mut c_void);
}

const _: () = {
    assert!(size_of::<PageRequest>() == 40);
    assert!(offset_of!(PageRequest, Size) == 0);
    assert!(offset_of!(PageRequest, Flags) == 4);
    assert!(offset_of!(PageRequest, Count) == 8);
    assert!(offset_of!(PageRequest, Alignment) == 16);
    assert!(offset_of!(PageRequest, HighestAddress) == 24);
    assert!(offset_of!(PageRequest, Policy) == 32);

    assert!(size_of::<PageGrant>() == 32);
    assert!(offset_of!(PageGrant, Size) == 0);
    assert!(offset_of!(PageGrant, Node) == 4);
    assert!(offset_of!(PageGrant, Address) == 8);
    assert!(offset_of!(PageGrant, Count) == 16);
    assert!(offset_of!(PageGrant, Distance) == 24);
    assert!(offset_of!(PageGrant, FellBack) == 28);
};
