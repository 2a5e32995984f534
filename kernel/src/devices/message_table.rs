//! The table of MSI-X: a message for each vector, in the memory of one of the device's BARs (PCI 3.0 §6.8.2).
use crate::arch::InterruptMessage;
use crate::memory::device_memory;
use core::ptr::NonNull;
use pci::{ABSENT, Bar, ENTRY_MASKED, ENTRY_SIZE, MsiX};
use units::PhysRange;

/// Registers of an entry.
const ADDRESS: usize = 0x0;
const UPPER_ADDRESS: usize = 0x4;
const DATA: usize = 0x8;
const CONTROL: usize = 0xc;

/// A device's table, which is mapped for good.
pub struct MessageTable {
    first: NonNull<u32>,
    entries: u16,
}

// SAFETY: the table is a device's memory, and every access is one aligned access of 32 bits, which CPUs may make at once.
unsafe impl Send for MessageTable {}
// SAFETY: as for `Send`.
unsafe impl Sync for MessageTable {}

impl MessageTable {
    /// Maps the table that a function describes. Returns `None` if its BAR has no address, or if it cannot be mapped.
    pub fn map(msi_x: &MsiX, bars: &[Option<Bar>]) -> Option<Self> {
        let bar = bars.get(usize::from(msi_x.table.bar)).copied().flatten()?;
        let start = bar.address.checked_add(msi_x.table.offset.into()).filter(|_| bar.address != 0)?;
        let end = start.checked_add(u64::from(msi_x.vectors) * ENTRY_SIZE)?;
        let first = device_memory::map_device(PhysRange::new(start, end))?;
        let first = NonNull::new(core::ptr::with_exposed_provenance_mut(first.0 as usize))?;
        Some(Self { first, entries: msi_x.vectors })
    }

    /// Masks all entries.
    pub fn mask_all(&self) {
        for index in 0..self.entries {
            self.write(index, CONTROL, ENTRY_MASKED);
        }
    }

    /// Writes the message of a masked entry. Returns false if the table does not keep it, as that of a device that is gone.
    pub fn set_message(&self, index: u16, message: InterruptMessage) -> bool {
        let parts = [(ADDRESS, message.address), (UPPER_ADDRESS, 0), (DATA, message.data)];
        parts.iter().for_each(|&(register, value)| self.write(index, register, value));
        parts.iter().all(|&(register, value)| self.read(index, register) == Some(value))
    }

    /// Masks or unmasks an entry. On return, the messages that the device has sent are at the CPUs: the read comes behind them.
    /// Returns false if the table does not keep it.
    pub fn set_masked(&self, index: u16, masked: bool) -> bool {
        let mask = if masked { ENTRY_MASKED } else { 0 };
        self.write(index, CONTROL, mask);
        // Where nothing answers, as while the device does not decode its memory, all bits are ones.
        self.read(index, CONTROL).is_some_and(|control| control != ABSENT && control & ENTRY_MASKED == mask)
    }

    fn register(&self, index: u16, register: usize) -> Option<NonNull<u32>> {
        let offset = usize::from(index) * ENTRY_SIZE as usize + register;
        // SAFETY: `map` has mapped all entries, and the registers of each lie in its 16 bytes.
        (index < self.entries).then(|| unsafe { self.first.byte_add(offset) })
    }

    fn read(&self, index: u16, register: usize) -> Option<u32> {
        // SAFETY: the register is mapped, and a table starts at a multiple of 8. Reading it changes nothing.
        Some(unsafe { self.register(index, register)?.read_volatile() })
    }

    fn write(&self, index: u16, register: usize, value: u32) {
        if let Some(register) = self.register(index, register) {
            // SAFETY: as for `read`. The only messages that are written interrupt a CPU: `arch::message_to` makes them.
            unsafe { register.write_volatile(value) };
        }
    }
}
