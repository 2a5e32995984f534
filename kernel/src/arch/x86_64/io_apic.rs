//! I/O APICs (Intel 82093AA §3): they deliver the interrupts of devices' lines.
use core::ptr::NonNull;
use units::{ApicId, VirtAddr};

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
/// Bit of an entry's first half: the line interrupts as long as it has its level, and not only when it gets it.
const LEVEL: u32 = 1 << 15;
/// Bit of an entry's first half: the line's level is low.
const LOW: u32 = 1 << 13;
/// Bit of an entry's first half: a CPU has the line's interrupt and has not ended it.
const IN_SERVICE: u32 = 1 << 14;
/// Bits of an entry's first half: the line's interrupt is a non-maskable one, and has no vector.
const NON_MASKABLE: u32 = 0b100 << 8;
/// Bit of an entry's first half: the line does not interrupt.
const MASKED: u32 = 1 << 16;
/// What a read returns where there is no device.
const NO_DEVICE: [u32; 2] = [0, u32::MAX];

/// When a line interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineTrigger {
    /// While it is low, else while it is high.
    pub is_low: bool,
    /// As long as it has that level, else once, when it gets it.
    pub is_level: bool,
}

impl LineTrigger {
    /// The lines of PCI.
    pub const PCI: Self = Self { is_low: true, is_level: true };
}

/// An I/O APIC, with an entry for each of its lines.
pub struct IoApic {
    registers: NonNull<u32>,
    /// The number of entries.
    lines: u32,
}

// SAFETY: the registers are a device's, and any CPU may access them. An access takes two steps, for which the methods that write borrow
// the value exclusively.
unsafe impl Send for IoApic {}

impl IoApic {
    /// Finds the I/O APIC whose registers are mapped at `registers`, and masks every entry: firmware may have left a line that
    /// interrupts with a vector that means something else here. Returns `None` if no I/O APIC answers or the address is not aligned.
    ///
    /// # Safety
    /// [`IO_APIC_SIZE`] bytes at `registers` are mapped for good, uncached, to physical memory that is not RAM, and the kernel does not
    /// use them otherwise. Firmware says that an I/O APIC is there.
    pub unsafe fn find(registers: VirtAddr) -> Option<Self> {
        let base: *mut u32 = core::ptr::with_exposed_provenance_mut(registers.0 as usize);
        let registers = NonNull::new(base).filter(|base| base.is_aligned())?;
        let mut found = Self { registers, lines: 0 };
        let version = found.read(VERSION);
        if NO_DEVICE.contains(&version) {
            return None;
        }
        found.lines = ((version >> 16 & 0xff) + 1).min(MOST_ENTRIES);
        for line in 0..found.lines {
            // The first half first, so that the entry is masked when its other half changes.
            found.write(FIRST_ENTRY + 2 * line, MASKED);
            found.write(FIRST_ENTRY + 2 * line + 1, 0);
        }
        Some(found)
    }

    /// Returns the number of lines.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// Leads a masked line to a CPU. The line stays masked. Returns false if there is no such line, or if an entry cannot name the CPU: its
    /// APIC's id has more than 8 bits, or is that of all CPUs.
    pub fn route(&mut self, line: u32, trigger: LineTrigger, to: ApicId, vector: u8) -> bool {
        let is_possible = line < self.lines && to.0 < 255;
        if is_possible {
            self.write(FIRST_ENTRY + 2 * line + 1, to.0 << 24);
            let level = if trigger.is_level { LEVEL } else { 0 };
            let low = if trigger.is_low { LOW } else { 0 };
            self.write(FIRST_ENTRY + 2 * line, MASKED | level | low | u32::from(vector));
        }
        is_possible
    }

    /// Leads a masked line to a CPU, as non-maskable interrupts: one each time that the line gets high. The line stays masked. Returns false
    /// if it cannot be led there, as [`IoApic::route`] does, or if the entry does not keep that.
    pub fn route_non_maskable(&mut self, line: u32, to: ApicId) -> bool {
        let is_possible = line < self.lines && to.0 < 255;
        if !is_possible {
            return false;
        }
        let halves = [MASKED | NON_MASKABLE, to.0 << 24];
        self.write(FIRST_ENTRY + 2 * line + 1, halves[1]);
        self.write(FIRST_ENTRY + 2 * line, halves[0]);
        [0, 1].map(|half| self.read(FIRST_ENTRY + 2 * line + half)) == halves
    }

    /// Masks or unmasks a line.
    pub fn set_masked(&mut self, line: u32, masked: bool) {
        if line < self.lines {
            let entry = self.read(FIRST_ENTRY + 2 * line);
            let entry = entry & !(MASKED | IN_SERVICE) | if masked { MASKED } else { 0 };
            self.write(FIRST_ENTRY + 2 * line, entry);
            // The read returns only when the write has taken effect.
            self.read(FIRST_ENTRY + 2 * line);
        }
    }

    /// Returns true if a CPU has the line's interrupt and has not ended it.
    pub fn is_in_service(&mut self, line: u32) -> bool {
        line < self.lines && self.read(FIRST_ENTRY + 2 * line) & IN_SERVICE != 0
    }

    fn read(&mut self, number: u32) -> u32 {
        // SAFETY: by the condition of `find`, the two registers are mapped, and it has checked that they are aligned. A selection has no
        // effect, and a read changes no memory.
        unsafe {
            self.registers.byte_add(SELECT).write_volatile(number);
            self.registers.byte_add(WINDOW).read_volatile()
        }
    }

    fn write(&mut self, number: u32, value: u32) {
        // SAFETY: as for `read`. Only entries are written, below `MOST_ENTRIES`: a masked entry does nothing, and another one interrupts
        // a CPU with the vector that `route` was given, or as `route_non_maskable` says.
        unsafe {
            self.registers.byte_add(SELECT).write_volatile(number);
            self.registers.byte_add(WINDOW).write_volatile(value);
        }
    }
}
