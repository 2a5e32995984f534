//! The memory of the screen. It is only written.
use text_screen::Surface;
use units::VirtAddr;

/// A memory of pixels.
#[derive(Clone, Copy)]
pub struct PixelMemory {
    start: VirtAddr,
    length: usize,
}

impl PixelMemory {
    /// Returns the memory of `length` bytes at this address.
    ///
    /// # Safety
    /// The bytes are mapped and may be written while this value or a copy of it is used. Nothing reads them.
    pub const unsafe fn new(start: VirtAddr, length: usize) -> Self {
        Self { start, length }
    }

    /// Returns the address of the first byte.
    pub const fn start(&self) -> VirtAddr {
        self.start
    }

    /// Returns the number of bytes.
    pub const fn length(&self) -> usize {
        self.length
    }
}

impl Surface for PixelMemory {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if offset.checked_add(bytes.len()).is_some_and(|end| end <= self.length) {
            let to = (self.start.0 as usize + offset) as *mut u8;
            // SAFETY: by the condition of `new`, the memory is mapped and may be written, and the line above has checked that the bytes lie
            // in it. `bytes` is memory of Rust's, which is elsewhere. Nothing reads the screen, so it does not matter if another CPU
            // writes the same pixels now.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }
}
