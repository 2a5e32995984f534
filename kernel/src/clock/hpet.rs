//! The HPET's main counter (IA-PC HPET 1.0a).
use super::source::ClockSource;
use crate::memory::device_memory;
use clock_math::{Counter, Fault, Source};
use core::ptr::NonNull;
use units::{PhysAddr, PhysRange};

/// Bytes of registers.
const SIZE: u64 = 1024;
/// Offsets of registers.
const CAPABILITIES: usize = 0x00;
const CONFIGURATION: usize = 0x10;
const MAIN_COUNTER: usize = 0xf0;
/// Bit of [`CONFIGURATION`]: the main counter counts.
const ENABLED: u32 = 1 << 0;

/// An HPET whose counter runs.
pub struct Hpet {
    registers: Registers,
    counter: Counter,
}

impl Hpet {
    /// Starts the counter of the HPET at this address.
    ///
    /// # Errors
    /// [`Fault`] if its registers cannot be there, or are not an HPET's.
    pub fn start(address: PhysAddr) -> Result<Self, Fault> {
        let registers = Registers::map(address).ok_or(Fault::HpetPlace { address: address.0 })?;
        let (low, high) = (registers.read(CAPABILITIES), registers.read(CAPABILITIES + 4));
        let capabilities = u64::from(high) << 32 | u64::from(low);
        let counter = clock_math::hpet(capabilities).map_err(Fault::HpetRegisters)?;
        let configuration = registers.read(CONFIGURATION);
        if configuration & ENABLED == 0 {
            registers.write(CONFIGURATION, configuration | ENABLED);
        }
        Ok(Self { registers, counter })
    }
}

impl ClockSource for Hpet {
    fn source(&self) -> Source {
        Source::Hpet
    }

    fn counter(&self) -> Counter {
        self.counter
    }

    fn read(&self) -> u64 {
        self.registers.read(MAIN_COUNTER).into()
    }
}

/// The registers, [`SIZE`] bytes that are mapped for good.
struct Registers(NonNull<u32>);

// SAFETY: every access is one aligned access of 32 bits to a device, which CPUs may make at once.
unsafe impl Send for Registers {}
// SAFETY: as for `Send`: CPUs may access the device at once, each with one aligned access of 32 bits.
unsafe impl Sync for Registers {}

impl Registers {
    /// Maps the registers. Returns `None` if they cannot be at this address.
    fn map(address: PhysAddr) -> Option<Self> {
        let end = address.0.checked_add(SIZE).filter(|_| address.0.is_multiple_of(SIZE))?;
        let start = device_memory::map_device(PhysRange::new(address.0, end))?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(start.0 as usize)).map(Self)
    }

    fn read(&self, offset: usize) -> u32 {
        // SAFETY: `map` has mapped the registers, and this file names only offsets inside them. Reading them changes nothing.
        unsafe { self.0.byte_add(offset).read_volatile() }
    }

    fn write(&self, offset: usize, value: u32) {
        // SAFETY: `map` has mapped the registers. The only write lets the counter count, which touches no memory.
        unsafe { self.0.byte_add(offset).write_volatile(value) };
    }
}
