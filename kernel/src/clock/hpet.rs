//! The HPET: its main counter, and which comparators it has (IA-PC HPET 1.0a).
use super::comparator::{Comparator, MOST_COMPARATORS};
use super::hpet_registers::Registers;
use super::source::ClockSource;
use clock_math::{Counter, Fault, Source};
use units::PhysAddr;

/// Offsets of registers.
const CAPABILITIES: usize = 0x00;
const CONFIGURATION: usize = 0x10;
const MAIN_COUNTER: usize = 0xf0;
/// Bit of [`CONFIGURATION`]: the main counter counts.
const ENABLED: u32 = 1 << 0;
/// Bit of [`CONFIGURATION`]: the first two comparators interrupt in place of the PIT and the real-time clock.
const LEGACY: u32 = 1 << 1;

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

    /// Returns the comparators, none of which the clock uses.
    pub fn comparators(&'static self) -> impl Iterator<Item = Comparator> {
        let last = self.registers.read(CAPABILITIES) >> 8 & 0x1f;
        (0..=last as usize).take(MOST_COMPARATORS).map(|number| Comparator::new(&self.registers, number))
    }

    /// Keeps all comparators from interrupting, whatever firmware has left them at. The main counter goes on.
    pub fn silence(&'static self) {
        self.comparators().for_each(|comparator| comparator.stop());
        let configuration = self.registers.read(CONFIGURATION);
        if configuration & LEGACY != 0 {
            self.registers.write(CONFIGURATION, configuration & !LEGACY);
        }
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
