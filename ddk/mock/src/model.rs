//! What a fake device does: the functions that its registers call.

/// A fake device. The functions run when the driver accesses a register, and when the device has work to do. They call nothing of the
/// driver: an interrupt that they raise comes later.
pub trait DeviceModel: 'static {
    /// Returns the value of a register of `width` bytes: 1, 2, 4 or 8. `offset` counts from the beginning of the BAR.
    fn read(&mut self, bus: &Bus, bar: u32, offset: u64, width: u32) -> u64;

    /// Writes a register of `width` bytes.
    fn write(&mut self, bus: &Bus, bar: u32, offset: u64, width: u32, value: u64);

    /// Does a piece of work. Called once for each [`Bus::work`], some time later.
    fn work(&mut self, bus: &Bus) {
        let _ = bus;
    }

    /// Resets the device: a function-level reset.
    fn reset(&mut self, bus: &Bus) {
        let _ = bus;
    }

    /// Notes that the driver has written configuration space, which the machine keeps itself.
    fn write_config(&mut self, bus: &Bus, offset: u32, width: u32, value: u32) {
        let _ = (bus, offset, width, value);
    }
}

/// What a device reaches of the machine: memory that the driver has given to it, its interrupts, and the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bus {
    pub(crate) device: usize,
}
