//! The loader: a driver's file to pages that are mapped, relocated, and either written or executed, never both.
use crate::arch::{self, PageKind};
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::page_tables;
use ::address_space::layout::DRIVERS;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::c_int;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use elf_image::{Image, PAGE_SIZE, Permissions};
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, VirtAddr};

/// Why a driver was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// What is wrong with the file, in words.
    Image(String),
    /// There is no `Driver_Init` to call.
    NoInit,
    /// There is not enough memory for an image of this many pages.
    NoMemory(usize),
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reason) => out.write_str(reason),
            Self::NoInit => out.write_str("it has no function Driver_Init"),
            Self::NoMemory(pages) => write!(out, "there is no memory for its {pages} pages"),
        }
    }
}

/// The next image's base. Images are never moved, and their addresses not used again.
static NEXT_BASE: AtomicU64 = AtomicU64::new(DRIVERS.0);

/// A driver in memory.
pub struct LoadedImage {
    base: u64,
    init: u64,
    /// The frame of each page; `None` for a gap.
    frames: Vec<Option<FrameNumber>>,
}

impl LoadedImage {
    /// Loads a driver's file into memory of `node`, or the nearest that has some.
    pub fn load(bytes: &[u8], node: NodeId, resolve: fn(&str) -> Option<u64>) -> Result<Self, LoadError> {
        let image = Image::parse(bytes).map_err(|error| LoadError::Image(error.to_string()))?;
        let init = image.symbol("Driver_Init").ok_or(LoadError::NoInit)?;
        let pages = image.page_count();
        // A page on each side is left unmapped.
        let span = (pages as u64 + 2) * FRAME_SIZE;
        let base = NEXT_BASE.fetch_add(span, Ordering::Relaxed) + FRAME_SIZE;
        let mut loaded = Self { base, init: base + init, frames: Vec::with_capacity(pages) };
        // On failure the pages so far are given back: nothing has run, and nobody knows their addresses.
        let result = loaded
            .fill(&image, node)
            .and_then(|()| loaded.relocate(&image, resolve))
            .and_then(|()| loaded.map(&image, node));
        if let Err(error) = result {
            // SAFETY: see above.
            unsafe { loaded.unload() };
            return Err(error);
        }
        Ok(loaded)
    }

    /// Gives every page a frame with the file's bytes.
    fn fill(&mut self, image: &Image<'_>, node: NodeId) -> Result<(), LoadError> {
        let pages = image.page_count();
        for index in 0..pages {
            let frame = match image.page(index) {
                None => None,
                Some(_) => {
                    let grant = page_allocator::allocate_for_kernel(node, 1, Zeroed::No);
                    let frame = grant.ok_or(LoadError::NoMemory(pages))?.frame;
                    let page = arch::physical_memory(frame.address()).cast::<[u8; PAGE_SIZE]>();
                    // SAFETY: the frame is fresh, and a page long.
                    image.fill_page(index, unsafe { &mut *page });
                    Some(frame)
                }
            };
            self.frames.push(frame);
        }
        Ok(())
    }

    /// Writes the addresses of what the driver uses to where it expects them, by way of physical memory: none of its pages
    /// is ever mapped with more rights than it has in the end.
    fn relocate(&self, image: &Image<'_>, mut resolve: fn(&str) -> Option<u64>) -> Result<(), LoadError> {
        let mut write = |offset: u64, value: u64| {
            let frame = self.frames.get((offset / FRAME_SIZE) as usize).copied().flatten();
            if let Some(frame) = frame {
                let place =
                    arch::physical_memory(frame.address()).wrapping_add((offset % FRAME_SIZE) as usize);
                // SAFETY: `Image::relocate` gives places whose eight bytes lie in one page of the image.
                unsafe { place.cast::<u64>().write_unaligned(value) };
            }
        };
        image
            .relocate(self.base, &mut resolve, &mut write)
            .map_err(|error| LoadError::Image(error.to_string()))
    }

    fn map(&self, image: &Image<'_>, node: NodeId) -> Result<(), LoadError> {
        for (index, frame) in self.frames.iter().enumerate() {
            let (Some(frame), Some(page)) = (frame, image.page(index)) else { continue };
            let kind = match page.permissions {
                Permissions::Read => PageKind::Constant,
                Permissions::ReadWrite => PageKind::Data,
                Permissions::ReadExecute => PageKind::Code,
            };
            let mut table_frames = || page_allocator::allocate_table_frame(node);
            // SAFETY: the frame is this image's, and so is the page.
            unsafe {
                page_tables::map(
                    self.page_address(index),
                    FrameRange::new(frame.0, frame.0 + 1),
                    kind,
                    &mut table_frames,
                )
            }
            .map_err(|_| LoadError::NoMemory(self.frames.len()))?;
        }
        Ok(())
    }

    fn page_address(&self, index: usize) -> VirtAddr {
        VirtAddr(self.base + index as u64 * FRAME_SIZE)
    }

    /// Calls the driver's `Driver_Init`.
    pub fn init(&self) -> c_int {
        // SAFETY: the address is that of a function in the image's code, which the ABI says is of this type. What the
        // driver does is the driver's; it runs with the kernel's rights.
        unsafe {
            let init: abi::DriverInit = core::mem::transmute(self.init as *const ());
            init()
        }
    }

    /// Takes the image out of memory.
    ///
    /// # Safety
    /// None of its code runs, on any CPU, and nobody keeps an address of it.
    pub unsafe fn unload(self) {
        // SAFETY: the caller says that nobody uses the pages; one that was not mapped yet stays so.
        unsafe { page_tables::unmap(self.page_address(0), self.frames.len() as u64) };
        for frame in self.frames.iter().flatten() {
            if let Err(error) = page_allocator::free_for_kernel(*frame, 1) {
                log::error!(target: "drivers", "a page of an unloaded driver is lost: {error}");
            }
        }
    }
}
