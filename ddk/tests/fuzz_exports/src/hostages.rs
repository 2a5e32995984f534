//! What the driver `hostages` has: ../hostages/hostages.h.
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};
use driver_kit::abi;

const NAME: &CStr = c"hostages";
const VERSION: u32 = 1;
const MARK: u64 = 0x1122_3344_5566_7788;

/// The table of the driver's interface.
#[repr(C)]
pub struct Hostages {
    seed: u64,
    calls: u64,
    free_pages: u64,
    page: u64,
    pages: u64,
    page_count: u64,
    dma: u64,
    block: *mut u64,
    timer: c_int,
    device: c_int,
    disk: c_int,
    round: AtomicU32,
    keeps_memory: u32,
}

// SAFETY: nothing changes but `round`, which is atomic, and `free_pages`, which this driver does not read.
unsafe impl Sync for Hostages {}

impl Hostages {
    /// Uses the interface until [`Self::release`].
    pub fn find() -> Option<&'static Self> {
        // SAFETY: the name is a constant.
        let table = unsafe { abi::Kernel_UseInterface(NAME.as_ptr(), VERSION, size_of::<Self>()) };
        // SAFETY: the driver publishes such a table, and cannot be unloaded while this one uses it.
        unsafe { table.cast::<Self>().as_ref() }
    }

    pub fn release(&self) {
        // SAFETY: nothing uses the table after this.
        unsafe { abi::Kernel_ReleaseInterface(core::ptr::from_ref(self).cast()) };
    }

    pub const fn interface(&self) -> (*const c_char, u32, usize) {
        (NAME.as_ptr(), VERSION, size_of::<Self>())
    }

    pub fn next_round(&self) -> u32 {
        self.round.fetch_add(1, Ordering::Relaxed)
    }

    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns how many calls a round has.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns true if no device's memory is to be turned off. Where CPUs run at the same time, QEMU 7.2 loses other CPUs' writes to registers
    /// meanwhile, also those that end an interrupt.
    pub const fn keeps_memory(&self) -> bool {
        self.keeps_memory != 0
    }

    pub const fn page(&self) -> u64 {
        self.page
    }

    pub const fn pages(&self) -> u64 {
        self.pages
    }

    pub const fn page_count(&self) -> u64 {
        self.page_count
    }

    pub const fn dma(&self) -> u64 {
        self.dma
    }

    pub const fn block(&self) -> *mut c_void {
        self.block.cast()
    }

    pub fn block_is_whole(&self) -> bool {
        // SAFETY: the driver has allocated the block, and frees it at its end.
        unsafe { self.block.read_volatile() == MARK }
    }

    pub const fn timer(&self) -> c_int {
        self.timer
    }

    /// Returns the device that the driver owns.
    pub const fn device(&self) -> c_int {
        self.device
    }

    /// Returns the block device of the driver.
    pub const fn disk(&self) -> c_int {
        self.disk
    }
}
