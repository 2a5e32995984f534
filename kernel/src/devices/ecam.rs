//! The configuration space of PCI in memory (ECAM, PCI Express 6.0 §7.2.2).
use super::pci_faults::PciFaults;
use crate::arch::InterruptsOff;
use crate::memory::device_memory;
use acpi_tables::{Mcfg, McfgRange};
use arrayvec::ArrayVec;
use core::ptr::NonNull;
use pci::{
    ABSENT, BusSet, ConfigPart, ConfigSpace, EXTENDED_SIZE, Fault, PciAddress, Problem, SLOTS, is_present,
};

/// Bits of an offset in ECAM: those of a register, of a function, of a slot and of a bus.
const SLOT_SHIFT: u32 = 15;
const FUNCTION_SHIFT: u32 = 12;
const BUS_SHIFT: u32 = 20;

/// The configuration space of some buses of a segment, which is mapped for good.
struct EcamRange {
    segment: u16,
    first_bus: u8,
    last_bus: u8,
    /// The first register of the first bus.
    start: NonNull<u32>,
}

// SAFETY: every access is one aligned access of 32 bits to a device, which CPUs may make at once.
unsafe impl Send for EcamRange {}
// SAFETY: as for `Send`: CPUs may access configuration space at once, each with one aligned access of 32 bits.
unsafe impl Sync for EcamRange {}

impl EcamRange {
    /// Maps a range. Returns `None` if it cannot be mapped.
    fn map(range: &McfgRange) -> Option<Self> {
        let McfgRange { segment, first_bus, last_bus, memory } = *range;
        let start = device_memory::map_device(memory)?;
        let start = NonNull::new(core::ptr::with_exposed_provenance_mut(start.0 as usize))?;
        Some(Self { segment, first_bus, last_bus, start })
    }

    /// Returns the first register of a bus, or `None` if the range has not got that bus.
    fn bus(&self, segment: u16, bus: u8) -> Option<NonNull<u32>> {
        if segment != self.segment || !(self.first_bus..=self.last_bus).contains(&bus) {
            return None;
        }
        let offset = usize::from(bus - self.first_bus) << BUS_SHIFT;
        // SAFETY: the range has this bus, and `map` has mapped 1 MiB for each of its buses.
        Some(unsafe { self.start.byte_add(offset) })
    }
}

/// The configuration space that is mapped. It is given to the lib `pci`, and to this folder's files, which let drivers write nothing that
/// moves a BAR.
pub struct Ecam(ArrayVec<EcamRange, { Mcfg::MAX_ENTRIES }>);

impl Ecam {
    /// Maps these ranges. Reports and leaves out those that cannot be mapped.
    pub fn map(ranges: &[McfgRange], faults: &mut PciFaults) -> Self {
        let map = |range: &McfgRange| {
            let mapped = EcamRange::map(range);
            if mapped.is_none() {
                let McfgRange { segment, first_bus, last_bus, .. } = *range;
                let function = PciAddress::new(segment, first_bus, 0, 0);
                let problem = Problem::EcamUnmapped { first_bus, last_bus };
                faults.report(Fault { function, offset: 0, problem });
            }
            mapped
        };
        Self(ranges.iter().filter_map(map).collect())
    }

    /// Iterates over the segments, each with its buses.
    pub fn segments(&self) -> impl Iterator<Item = (u16, BusSet)> {
        let ranges = &self.0;
        let is_first =
            |index: usize| !ranges[..index].iter().any(|range| range.segment == ranges[index].segment);
        (0..ranges.len()).filter(move |&index| is_first(index)).map(|index| {
            let segment = ranges[index].segment;
            let mut buses = BusSet::EMPTY;
            for range in ranges.iter().filter(|range| range.segment == segment) {
                buses.insert_all(range.first_bus..=range.last_bus);
            }
            (segment, buses)
        })
    }

    fn bus(&self, segment: u16, bus: u8) -> Option<NonNull<u32>> {
        self.0.iter().find_map(|range| range.bus(segment, bus))
    }

    /// Returns a register, or `None` if it is not mapped.
    fn register(&self, function: PciAddress, offset: u16) -> Option<NonNull<u32>> {
        let start = self.bus(function.segment(), function.bus())?;
        let place =
            usize::from(function.device()) << SLOT_SHIFT | usize::from(function.function()) << FUNCTION_SHIFT;
        let offset = usize::from((offset % EXTENDED_SIZE) & !3);
        // SAFETY: slot and function have 5 and 3 bits, and the offset 12, so the register lies in the bus's 1 MiB.
        Some(unsafe { start.byte_add(place | offset) })
    }
}

impl ConfigSpace for Ecam {
    fn has_extended_registers(&self) -> bool {
        true
    }

    fn without_interruption<T>(&self, work: impl FnOnce() -> T) -> T {
        let _off = InterruptsOff::new();
        work()
    }

    fn read(&self, function: PciAddress, offset: u16) -> u32 {
        // SAFETY: the register is mapped. Reading configuration space changes nothing that the kernel uses.
        self.register(function, offset).map_or(ABSENT, |register| unsafe { register.read_volatile() })
    }

    fn write(&self, function: PciAddress, offset: u16, value: u32) {
        if let Some(register) = self.register(function, offset) {
            // SAFETY: the register is mapped. The lib `pci` writes to BARs while the function decodes nothing, and then restores them and the
            // command register. Drivers write no BAR (`KernelRegisters`). So no device comes to lie over memory.
            unsafe { register.write_volatile(value) };
        }
    }

    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32) {
        let Some(register) = self.register(function, part.offset()) else { return };
        // SAFETY: the offset within the register is below 4, so the byte lies in the register.
        let first = unsafe { register.byte_add(usize::from(part.offset() % 4)) };
        // SAFETY: the register is mapped, and `ConfigPart` aligns the part to its width. What is written moves no BAR, as for `write`.
        unsafe {
            match part.width() {
                1 => first.cast::<u8>().write_volatile(value as u8),
                2 => first.cast::<u16>().write_volatile(value as u16),
                _ => first.write_volatile(value),
            }
        }
    }

    fn slots(&self, segment: u16, bus: u8) -> u32 {
        let Some(start) = self.bus(segment, bus) else { return 0 };
        // SAFETY: the 32 slots lie in the bus's 1 MiB, which is mapped. Reading ids changes nothing.
        let ids = |slot: u8| unsafe { start.byte_add(usize::from(slot) << SLOT_SHIFT).read_volatile() };
        // Nearly all buses are empty, and to see that takes no look at each slot.
        if (0..SLOTS).fold(ABSENT, |all, slot| all & ids(slot)) == ABSENT {
            return 0;
        }
        (0..SLOTS).filter(|&slot| is_present(ids(slot))).fold(0, |slots, slot| slots | 1 << slot)
    }
}
