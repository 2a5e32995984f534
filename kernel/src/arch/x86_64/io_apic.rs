//! I/O APICs (Intel 82093AA §3): they deliver the interrupts of devices' lines.
use units::VirtAddr;

/// Bytes of an I/O APIC's registers.
pub const IO_APIC_SIZE: u64 = 0x20;

/// Offset of the register that selects one of the others.
const SELECT: usize = 0x00;
/// Offset of the register that reads and writes the selected one.
const WINDOW: usize = 0x10;
/// The number of the version register. Its bits 16 to 23 have the last entry's number.
const VERSION: u32 = 0x01;
/// The number of the first half of the first entry. Each entry has two halves.
const FIRST_ENTRY: u32 = 0x10;
/// Bit of an entry's first half: the line does not interrupt.
const MASKED: u32 = 1 << 16;
/// What a read returns where there is no device.
const NO_DEVICE: u32 = u32::MAX;

/// Masks every entry of the I/O APIC whose registers are mapped at `registers`: firmware may have left a line that interrupts
/// with a vector that means something else here. Returns the number of entries, or `None` if no I/O APIC answers.
///
/// # Safety
/// [`IO_APIC_SIZE`] bytes at `registers` are mapped, uncached, to an I/O APIC's registers or to no device, and nothing else uses
/// them meanwhile.
pub unsafe fn mask_io_apic(registers: VirtAddr) -> Option<u32> {
    let base: *mut u32 = core::ptr::with_exposed_provenance_mut(registers.0 as usize);
    // SAFETY: by this function's condition. The two registers are all that an I/O APIC has in memory; selecting has no effect.
    let read = |number: u32| unsafe {
        base.byte_add(SELECT).write_volatile(number);
        base.byte_add(WINDOW).read_volatile()
    };
    // SAFETY: as for `read`. Only entries are written, and a masked entry does nothing.
    let write = |number: u32, value: u32| unsafe {
        base.byte_add(SELECT).write_volatile(number);
        base.byte_add(WINDOW).write_volatile(value);
    };
    let version = read(VERSION);
    if version == NO_DEVICE {
        return None;
    }
    let entries = (version >> 16 & 0xff) + 1;
    for entry in 0..entries {
        // The first half first, so that the entry is masked when its other half changes.
        write(FIRST_ENTRY + 2 * entry, MASKED);
        write(FIRST_ENTRY + 2 * entry + 1, 0);
    }
    Some(entries)
}
