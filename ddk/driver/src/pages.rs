//! Pages of the driver: contiguous memory of a node, which goes back when the value is dropped.
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::memory::Node;

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = 4096;

/// What to allocate.
#[derive(Clone, Copy)]
pub struct PagesWanted(PageRequest);

impl PagesWanted {
    /// One page by the thread's policy. It contains whatever it contained before.
    pub const PAGE: Self = Self::pages(1);

    /// So many contiguous pages by the thread's policy, not zeroed. A count that is a power of two is aligned to itself.
    #[must_use]
    pub const fn pages(count: u64) -> Self {
        Self(PageRequest {
            Size: size_of::<PageRequest>() as u32,
            Flags: 0,
            Count: count,
            Alignment: 0,
            HighestAddress: 0,
            Policy: core::ptr::null(),
        })
    }

    /// The same pages, filled with zeros.
    #[must_use]
    pub const fn zeroed(mut self) -> Self {
        self.0.Flags |= PAGE_REQUEST_ZEROED;
        self
    }

    /// The same pages, aligned to this number of bytes, a power of two.
    #[must_use]
    pub const fn aligned_to(mut self, bytes: u64) -> Self {
        self.0.Alignment = bytes;
        self
    }

    /// The same pages, none of them above this address.
    #[must_use]
    pub const fn up_to(mut self, highest_address: u64) -> Self {
        self.0.HighestAddress = highest_address;
        self
    }
}

/// Pages that the driver has. They are given back when the value is dropped; the kernel takes back those of a driver that ends.
#[derive(Debug)]
pub struct Pages {
    address: u64,
    count: u64,
    node: Node,
}

impl Pages {
    /// Allocates pages. Returns `None` if there are none, or if the kernel refuses the request: a count of 0, a wrong alignment.
    #[inline]
    #[must_use]
    pub fn allocate(wanted: &PagesWanted) -> Option<Self> {
        let mut grant = MaybeUninit::<PageGrant>::uninit();
        let to = grant.as_mut_ptr();
        // SAFETY: the field is one of a local variable. The structures are this function's, or the caller's, and the request has no policy.
        let granted = unsafe {
            (&raw mut (*to).Size).write(size_of::<PageGrant>() as u32);
            abi::Kernel_AllocatePages(&wanted.0, to)
        };
        if !granted {
            return None;
        }
        // SAFETY: the kernel has filled the structure.
        let PageGrant { Address: address, Count: count, Node: node, .. } = unsafe { grant.assume_init() };
        Some(Self { address, count, node })
    }

    /// Returns the physical address of the first page.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Returns the number of pages.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the node of all the pages.
    #[must_use]
    pub fn node(&self) -> Node {
        self.node
    }

    /// Returns the bytes of the pages.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is this value's, mapped, and of so many bytes. Any bytes are values of `u8`.
        unsafe { core::slice::from_raw_parts(self.memory().as_ptr(), self.count as usize * PAGE_SIZE) }
    }

    /// Returns the bytes of the pages, to change them.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and `&mut self` excludes other references.
        unsafe { core::slice::from_raw_parts_mut(self.memory().as_ptr(), self.count as usize * PAGE_SIZE) }
    }

    fn memory(&self) -> NonNull<u8> {
        // SAFETY: the function takes any number.
        let memory = unsafe { abi::Kernel_PhysToVirt(self.address) };
        NonNull::new(memory.cast()).expect("pages of the driver are mapped")
    }
}

impl Drop for Pages {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the pages are this value's, and nothing refers to them any more.
        _ = unsafe {
            if self.count == 1 {
                abi::Kernel_FreePage(self.address)
            } else {
                abi::Kernel_FreePages(self.address, self.count)
            }
        };
    }
}
