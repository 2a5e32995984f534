//! Memory: pages by physical address, and the heap.
use crate::NumaPolicy;
use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};

/// Bytes in a page.
pub const KERNEL_PAGE_SIZE: u64 = 4096;

/// `PageRequest.Flags`: the pages are filled with zeros. Without it they hold what was there before.
pub const PAGE_REQUEST_ZEROED: u32 = 1;

/// What `Kernel_AllocatePages` is asked for. The driver sets `Size`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Bytes in this structure.
    pub Size: u32,
    /// `PAGE_REQUEST_ZEROED`, or 0.
    pub Flags: u32,
    /// Pages, one behind the other; at least 1.
    pub Count: u64,
    /// What the first page's address is a multiple of: a power of two, in bytes; 0: a page.
    pub Alignment: u64,
    /// The highest address that the pages' last byte may have; 0: any.
    pub HighestAddress: u64,
    /// Whose memory; null: as the thread's policy says.
    pub Policy: *const NumaPolicy,
}

impl PageRequest {
    /// So many pages anywhere, not zeroed, as the thread's policy says.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self {
            Size: size_of::<Self>() as u32,
            Flags: 0,
            Count: count,
            Alignment: 0,
            HighestAddress: 0,
            Policy: core::ptr::null(),
        }
    }
}

/// What `Kernel_AllocatePages` gave. The driver sets `Size`, the kernel the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageGrant {
    /// Bytes in this structure.
    pub Size: u32,
    /// The node that all the pages are on.
    pub Node: i32,
    /// The first page's physical address.
    pub Address: u64,
    /// Pages; as many as were asked for.
    pub Count: u64,
    /// How far `Node` is from the running CPU's node, as `Kernel_GetNumaDistance` has it.
    pub Distance: u32,
    /// 1: the node that the policy names first had none, and another gave. Else 0.
    pub FellBack: u32,
}

impl PageGrant {
    /// An empty grant for the kernel to fill.
    #[must_use]
    pub const fn empty() -> Self {
        Self { Size: size_of::<Self>() as u32, Node: 0, Address: 0, Count: 0, Distance: 0, FellBack: 0 }
    }
}

unsafe extern "C" {
    /// One zeroed page: by the calling thread's policy, else from its preferred node, else from this CPU's node, else
    /// from the nearest that has one.
    ///
    /// Returns its physical address; 0: none to be had.
    pub fn Kernel_AllocatePage() -> u64;

    /// One zeroed page from this CPU's node, else from the nearest to it. 0: none to be had.
    pub fn Kernel_AllocatePageLocal() -> u64;

    /// One zeroed page from this node, else from the nearest to it. 0: none to be had, or no such node.
    pub fn Kernel_AllocatePageFromNode(node: c_int) -> u64;

    /// `count` zeroed pages, one behind the other, from this node, else all from the nearest to it that has them.
    ///
    /// Returns the first one's physical address. 0: none to be had, no such node, or `count` is 0.
    pub fn Kernel_AllocatePagesFromNode(count: u64, node: c_int) -> u64;

    /// Pages as the request says.
    ///
    /// Returns true, with `grant` filled. False, and nothing is written: none to be had; either pointer is null,
    /// misaligned or not mapped; a `Size` is too small or the tail behind what the kernel knows is not zero; `Count`
    /// is 0; `Alignment` is no power of two; a flag is unknown; or the policy is one that `Kernel_SetNumaPolicy`
    /// refuses.
    pub fn Kernel_AllocatePages(request: *const PageRequest, grant: *mut PageGrant) -> bool;

    /// Gives back one page.
    ///
    /// False, nothing is changed, and one line is logged: `page` is no page's address, was not handed out or is free
    /// already, or was one of several that one call granted.
    pub fn Kernel_FreePage(page: u64) -> bool;

    /// Gives back pages, exactly those that one call granted.
    ///
    /// False, nothing is changed, and one line is logged: they are not that, or are free already.
    pub fn Kernel_FreePages(page: u64, count: u64) -> bool;

    /// The address at which memory is read and written; null: there is no memory at this physical address.
    pub fn Kernel_PhysToVirt(address: u64) -> *mut c_void;

    /// The physical address of mapped memory; 0: nothing is mapped there.
    pub fn Kernel_VirtToPhys(address: *const c_void) -> u64;

    /// Memory of `size` bytes for the driver's own data, its content undefined, from the heap.
    ///
    /// `alignment` is a power of two; 0 is 16. Null: none to be had, `size` is 0, or `alignment` is no power of two.
    pub fn Kernel_AllocateMemory(size: usize, alignment: usize) -> *mut c_void;

    /// The same on this node, else on the nearest to it. Null also: no such node.
    pub fn Kernel_AllocateMemoryFromNode(size: usize, alignment: usize, node: c_int) -> *mut c_void;

    /// Gives back what one of the two gave. Null is nothing.
    ///
    /// An address that is not the heap's is refused: nothing is changed, and one line is logged.
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
