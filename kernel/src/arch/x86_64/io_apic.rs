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
/// The most entries that the select register's 8 bits reach.
const MOST_ENTRIES: u32 = (0x100 - FIRST_ENTRY) / 2;
/// Bit of an entry's first half: the line does not interrupt.
const MASKED: u32 = 1 << 16;
/// What a read returns where there is no device.
const NO_DEVICE: [u32; 2] = [0, u32::MAX];

/// Masks every entry of the I/O APIC whose registers are mapped at `registers`: firmware may have left a line that interrupts
/// with a vector that means something else here. Returns the number of entries, or `None` if no I/O APIC answers or the
/// address is not aligned.
///
/// # Safety
/// [`IO_APIC_SIZE`] bytes at `registers` are mapped, uncached, to physical memory that is not RAM, and the kernel does not use them
/// otherwise. Firmware says that an I/O APIC is there.
pub unsafe fn mask_io_apic(registers: VirtAddr) -> Option<u32> {
    let base: *mut u32 = core::ptr::with_exposed_provenance_mut(registers.0 as usize);
    if !base.is_aligned() {
        return None;
    }
    // SAFETY: by this function's condition, the two registers are mapped, and the line above has checked that they are aligned. A
    // selection has no effect, and a read changes no memory.
    let read = |number: u32| unsafe {
        base.byte_add(SELECT).write_volatile(number);
        base.byte_add(WINDOW).read_volatile()
    };
    // SAFETY: as for `read`. Only entries are written, below `MOST_ENTRIES`, and a masked entry does nothing.
    let write = |number: u32, value: u32| unsafe {
        base.byte_add(SELECT).write_volatile(number);
        base.byte_add(WINDOW).write_volatile(value);
    };
    let version = read(VERSION);
    if NO_DEVICE.contains(&version) {
        return None;
    }
    let entries = ((version >> 16 & 0xff) + 1).min(MOST_ENTRIES);
    for entry in 0..entries {
        // The first half first, so that the entry is masked when its other half changes.
        write(FIRST_ENTRY + 2 * entry, MASKED);
        write(FIRST_ENTRY + 2 * entry + 1, 0);
    }
    Some(entries)
}
