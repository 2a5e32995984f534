//! Access to configuration space, which the caller of this crate brings.
use pci_types::PciAddress;

use crate::ConfigPart;

/// What a read returns where no function answers.
pub const ABSENT: u32 = u32::MAX;

/// The slots of a bus.
pub const SLOTS: u8 = 32;

/// Reads and writes configuration space.
pub trait ConfigSpace {
    /// Returns true if the registers from offset 256 on can be reached, as ECAM can and ports cannot.
    fn has_extended_registers(&self) -> bool;

    /// Reads the register at `offset`, a multiple of 4 below [`EXTENDED_SIZE`](crate::EXTENDED_SIZE). Returns [`ABSENT`] where nothing answers, and
    /// for registers that cannot be reached.
    fn read(&self, function: PciAddress, offset: u16) -> u32;

    /// Writes the register at `offset`, a multiple of 4 below [`EXTENDED_SIZE`](crate::EXTENDED_SIZE). Nothing happens where nothing answers.
    fn write(&self, function: PciAddress, offset: u16, value: u32);

    /// Writes one, two or four bytes, and no others: a byte beside them may clear bits when it is written.
    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32);

    /// Reads one, two or four bytes.
    fn read_part(&self, function: PciAddress, part: ConfigPart) -> u32 {
        part.of_register(self.read(function, part.offset() & !3))
    }

    /// Does `work`, of some dozens of accesses, without a pause if that can be. A function decodes nothing meanwhile, and others may
    /// need it.
    fn without_interruption<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Returns the slots of the bus that have a function 0: bit n for slot n.
    ///
    /// Most slots have none. An implementation that looks at all slots at once is faster than a read for each.
    fn slots(&self, segment: u16, bus: u8) -> u32 {
        let is_used = |slot: &u8| is_present(self.read(PciAddress::new(segment, bus, *slot, 0), 0));
        (0..SLOTS).filter(is_used).fold(0, |slots, slot| slots | 1 << slot)
    }
}

/// Returns true if a function answers with these ids. No vendor has the number 0 or 0xffff.
#[inline]
#[must_use]
pub const fn is_present(ids: u32) -> bool {
    let vendor = ids & 0xffff;
    vendor != 0xffff && vendor != 0
}
