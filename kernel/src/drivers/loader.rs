//! The loader: copies a driver's file into pages, relocates them and maps them. No page is both writable and executable.
use super::enter_driver;
use crate::arch::{self, PageKind};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_tables;
use crate::memory::page_uses::PageUse;
use crate::memory::protection;
use crate::threads::Mutex;
use crate::threads::thread::Start;
use ::address_space::layout::{BOOT_LOADER, DRIVERS};
use address_ranges::AddressRanges;
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::ffi::{c_int, c_void};
use core::fmt;
use core::ops::Range;
use device_table::{DeviceTable, TableError};
use driver_text::one_line;
use elf_image::{Image, ImageError, PAGE_SIZE, Permissions};
use protection_keys::Key;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, VirtAddr};

/// Why a driver is not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The file is wrong.
    Image(ImageError<'static>),
    /// The file defines no function `Driver_Init`.
    NoInit,
    /// The file has a wrong table of devices.
    Devices(TableError),
    /// The file has a table of devices and no function `Driver_AddDevice`.
    NoAddDevice,
    /// There is not enough memory for an image of this many pages.
    NoMemory(usize),
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => error.fmt(out),
            Self::NoInit => out.write_str("it has no function Driver_Init"),
            Self::Devices(error) => error.fmt(out),
            Self::NoAddDevice => {
                out.write_str("it has a table Driver_Devices and no function Driver_AddDevice")
            }
            Self::NoMemory(pages) => write!(out, "there is no memory for its {pages} pages"),
        }
    }
}

/// The addresses of images. Images are never moved.
static ADDRESSES: Mutex<AddressRanges> = Mutex::new(AddressRanges::new(DRIVERS.0, BOOT_LOADER.0));

/// The addresses of the functions that a driver defines, beside `Driver_Init`.
#[derive(Clone, Copy)]
pub struct DriverFunctions {
    /// `Driver_AddDevice`.
    pub add_device: Option<u64>,
    /// `Driver_RemoveDevice`.
    pub remove_device: Option<u64>,
    /// `Driver_Exit`.
    pub exit: Option<u64>,
}

impl DriverFunctions {
    /// A driver that defines none of them.
    pub const NONE: Self = Self { add_device: None, remove_device: None, exit: None };
}

/// A driver's image in memory.
pub struct LoadedImage {
    /// The address of the first page.
    base: u64,
    /// The address of `Driver_Init`.
    init: u64,
    /// The addresses of the driver's other functions.
    functions: DriverFunctions,
    /// The devices that the driver wants.
    devices: Option<DeviceTable<'static>>,
    /// The pages that its addresses are for.
    pages: usize,
    /// The frame of each page; `None` for a gap. The image owns the frames.
    frames: Vec<Option<FrameNumber>>,
}

impl LoadedImage {
    /// Loads a driver's file into memory of `node`, or of the nearest node that has enough. `key` is that of the driver's memory.
    ///
    /// # Errors
    /// [`LoadError`]; the frames are free again.
    pub fn load(
        bytes: &'static [u8],
        node: NodeId,
        key: Key,
        resolve: fn(&str) -> Option<u64>,
    ) -> Result<Self, LoadError> {
        let image = Image::parse(bytes).map_err(LoadError::Image)?;
        let init = image.symbol("Driver_Init").ok_or(LoadError::NoInit)?;
        let devices = read_devices(&image)?;
        let pages = image.page_count();
        let mut frames = Vec::new();
        frames.try_reserve_exact(pages).map_err(|_| LoadError::NoMemory(pages))?;
        // The page before the image and the page behind it stay unmapped.
        let span = (pages as u64 + 2) * FRAME_SIZE;
        let start = ADDRESSES.lock().take(span).ok_or(LoadError::NoMemory(pages))?;
        let base = start + FRAME_SIZE;
        let address_of = |name| image.symbol(name).map(|offset| base + offset);
        let functions = DriverFunctions {
            add_device: address_of("Driver_AddDevice"),
            remove_device: address_of("Driver_RemoveDevice"),
            exit: address_of("Driver_Exit"),
        };
        let mut loaded = Self { base, init: base + init, functions, devices, pages, frames };
        let result = loaded
            .fill(&image, node)
            .and_then(|()| loaded.relocate(&image, resolve))
            .and_then(|()| loaded.map(&image, node));
        if let Err(error) = result {
            // SAFETY: none of the image's code has run, and its addresses have not left this function.
            unsafe { loaded.unload() };
            return Err(error);
        }
        if protection::is_on() {
            protection::set_key(loaded.page_address(0), pages as u64, key);
        }
        Ok(loaded)
    }

    /// Allocates a frame for each page and copies the file's bytes into it.
    fn fill(&mut self, image: &Image<'_>, node: NodeId) -> Result<(), LoadError> {
        let pages = image.page_count();
        for index in 0..pages {
            let frame = match image.page(index) {
                None => None,
                Some(_) => {
                    let grant = allocate::allocate_for_kernel(PageUse::Images, node, 1, Zeroed::No);
                    let frame = grant.ok_or(LoadError::NoMemory(pages))?.frame;
                    let page = arch::physical_memory(frame.address()).cast::<[u8; PAGE_SIZE]>();
                    // SAFETY: the allocator has just granted the frame, so no other reference into it exists, and none is
                    // made before this one ends with the statement. Physical memory is mapped and writable there.
                    image.fill_page(index, unsafe { &mut *page });
                    Some(frame)
                }
            };
            self.frames.push(frame);
        }
        Ok(())
    }

    /// Writes the addresses of symbols to where the image refers to them. It writes through the map of physical memory, so
    /// no page of the image is ever mapped with more rights than it has in the end.
    fn relocate(&self, image: &Image<'static>, resolve: fn(&str) -> Option<u64>) -> Result<(), LoadError> {
        let mut write = |offset: u64, value: u64| {
            let frame = self.frames.get((offset / FRAME_SIZE) as usize).copied().flatten();
            if let Some(frame) = frame {
                let page = arch::physical_memory(frame.address());
                let address = page.wrapping_add((offset % FRAME_SIZE) as usize);
                // SAFETY: `Image::relocate` gives offsets whose eight bytes lie in one page. The image owns that page's
                // frame and has not mapped it, so nothing else accesses it.
                unsafe { address.cast::<u64>().write_unaligned(value) };
            }
        };
        image.relocate(self.base, &mut |name| resolve(name), &mut write).map_err(LoadError::Image)
    }

    /// Maps each page with the rights that the file asks for.
    fn map(&self, image: &Image<'_>, node: NodeId) -> Result<(), LoadError> {
        for (index, frame) in self.frames.iter().enumerate() {
            let (Some(frame), Some(page)) = (frame, image.page(index)) else { continue };
            let kind = match page.permissions {
                Permissions::Read => PageKind::Constant,
                Permissions::ReadWrite => PageKind::Data,
                Permissions::ReadExecute => PageKind::Code,
            };
            let frames = FrameRange::new(frame.0, frame.0 + 1);
            // SAFETY: the image owns the frame, and the kernel writes to it no more. The page lies in the part of the address
            // space that `ADDRESSES` gave to this image alone.
            unsafe { page_tables::map(self.page_address(index), frames, kind, node) }
                .map_err(|_| LoadError::NoMemory(self.frames.len()))?;
        }
        Ok(())
    }

    /// Returns the first address, and the one behind the last.
    pub fn addresses(&self) -> Range<u64> {
        self.base..self.page_address(self.frames.len()).0
    }

    /// Returns the number of its pages.
    pub fn page_count(&self) -> usize {
        self.frames.iter().flatten().count()
    }

    /// Returns the devices that the driver wants, if it has a table of them.
    pub fn devices(&self) -> Option<DeviceTable<'static>> {
        self.devices
    }

    /// Returns the addresses of the driver's functions.
    pub fn functions(&self) -> DriverFunctions {
        self.functions
    }

    fn page_address(&self, index: usize) -> VirtAddr {
        VirtAddr(self.base + index as u64 * FRAME_SIZE)
    }

    /// Returns what a thread executes to run the driver's `Driver_Init`. It exits with the code that this function returns.
    ///
    /// # Safety
    /// The image is not unloaded before the thread has exited. At most one thread executes this.
    pub unsafe fn init(&self) -> Start {
        // SAFETY: `call_init` allows the call by this function's condition. `Image::symbol` found `Driver_Init` as a defined
        // symbol in executable memory, and `map` has mapped that page.
        unsafe { Start::new(call_init, core::ptr::with_exposed_provenance_mut(self.init as usize)) }
    }

    /// Unmaps the image, and frees its frames and its addresses.
    ///
    /// # Safety
    /// No CPU runs the image's code or will run it, and nothing keeps an address of the image.
    pub unsafe fn unload(self) {
        // SAFETY: by `# Safety` nothing uses the pages. Those that are not mapped yet stay unmapped.
        unsafe { page_tables::unmap(self.page_address(0), self.frames.len() as u64) };
        for frame in self.frames.iter().flatten() {
            // Each frame was granted as one page. `free_for_kernel` logs a refusal; the page then leaks.
            let _ = allocate::free_for_kernel(PageUse::Images, *frame, 1);
        }
        // With the unmapped pages around it. Addresses that cannot be noted are not used again.
        let span = self.base - FRAME_SIZE..self.page_address(self.pages + 1).0;
        let _ = ADDRESSES.lock().give_back(span);
    }
}

/// Checks that a file can be loaded, as far as that depends on the file and on the names that `resolve` knows.
///
/// # Errors
/// The reason, in words.
pub fn check(bytes: &[u8], resolve: fn(&str) -> Option<u64>) -> Result<(), ArrayString<96>> {
    let image = Image::parse(bytes).map_err(|error| one_line(&error))?;
    image.symbol("Driver_Init").ok_or_else(|| one_line(&LoadError::NoInit))?;
    let checked = image.relocate(DRIVERS.0, &mut |name| resolve(name), &mut |_, _| {});
    checked.map_err(|error| one_line(&error))
}

/// Reads the table of the devices that a driver wants. `None` if it has no table.
fn read_devices(image: &Image<'static>) -> Result<Option<DeviceTable<'static>>, LoadError> {
    let Some(bytes) = image.object("Driver_Devices") else { return Ok(None) };
    let table = DeviceTable::read(bytes).map_err(LoadError::Devices)?;
    image.symbol("Driver_AddDevice").ok_or(LoadError::NoAddDevice)?;
    Ok(Some(table))
}

/// Calls the `Driver_Init` at this address.
///
/// # Safety
/// The address is that of a driver's `Driver_Init`, which is mapped until the call returns.
unsafe extern "C" fn call_init(init: *mut c_void) -> c_int {
    if protection::is_on() {
        // SAFETY: by `# Safety` the function is there. This is what the thread does.
        unsafe { enter_driver::enter(init, 0) };
    }
    // SAFETY: by `# Safety` the function is there, and the ABI says that it has this type (`abi::Driver_Init`). From here on the
    // driver acts with the kernel's rights: the kernel trusts the drivers on its disk image.
    unsafe {
        let init: abi::DriverInit = core::mem::transmute(init);
        init()
    }
}
