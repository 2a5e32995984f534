//! ACPI's PM timer as a counter (ACPI 6.5 §4.8.3.3).
use ::x86_64::instructions::port::PortReadOnly;

/// The register of the PM timer.
pub struct PmTimerPort(u16);

impl PmTimerPort {
    /// Creates the register at this port.
    ///
    /// # Safety
    /// A read of 32 bits at the port has no effect.
    pub const unsafe fn new(port: u16) -> Self {
        Self(port)
    }

    /// Returns the counter's value.
    pub fn read(&self) -> u32 {
        // SAFETY: by the condition of `new`, a read of the port has no effect.
        unsafe { PortReadOnly::new(self.0).read() }
    }
}
