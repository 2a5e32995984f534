//! I/O ports.
use ::x86_64::instructions::port::Port as AnyPort;
use ::x86_64::structures::port::{PortRead, PortWrite};

/// An I/O port that is read and written in units of `T`: `u8`, `u16` or `u32`.
pub struct Port<T> {
    number: u16,
    unit: core::marker::PhantomData<fn() -> T>,
}

impl<T: PortRead + PortWrite> Port<T> {
    /// Returns the port with this number.
    ///
    /// # Safety
    /// No read of the port and no write to it, whatever the value, changes memory that the kernel uses.
    pub const unsafe fn new(number: u16) -> Self {
        Self { number, unit: core::marker::PhantomData }
    }

    /// Reads the port. Where no device answers, all bits are set.
    pub fn read(&self) -> T {
        // SAFETY: by the condition of `new`, no read of this port changes memory that the kernel uses.
        unsafe { AnyPort::new(self.number).read() }
    }

    /// Writes to the port. Where no device answers, nothing happens.
    pub fn write(&self, value: T) {
        // SAFETY: by the condition of `new`, no write to this port changes memory that the kernel uses.
        unsafe { AnyPort::new(self.number).write(value) };
    }
}
