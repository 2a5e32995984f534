//! A model of configuration space: functions whose registers are fixed, except for the bits that may be written.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use pci_types::PciAddress;

use crate::{ABSENT, ConfigPart, ConfigSpace};

/// Registers of a function.
const REGISTERS: usize = 1024;
/// The bits of the command register that let a function decode ports and memory.
const DECODES: u32 = 0b11;

/// The registers of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers {
    values: Vec<u32>,
    /// The bits that a write changes.
    writable: Vec<u32>,
}

impl Registers {
    /// Returns a function without BARs and capabilities, which decodes ports and memory.
    #[must_use]
    pub fn new(vendor: u16, device: u16, class: u32) -> Self {
        let mut registers = Self { values: alloc::vec![0; REGISTERS], writable: alloc::vec![0; REGISTERS] };
        registers.set(0, u32::from(device) << 16 | u32::from(vendor), 0);
        registers.set(0x04, DECODES, 0x0000_0407);
        registers.set(0x08, class << 8, 0);
        registers
    }

    /// Returns a bridge to these buses.
    #[must_use]
    pub fn bridge(secondary: u8, subordinate: u8) -> Self {
        Self::new(0x1b36, 0x000c, 0x06_04_00).with(0x0c, 1 << 16, 0).with(
            0x18,
            u32::from(subordinate) << 16 | u32::from(secondary) << 8,
            0x00ff_ffff,
        )
    }

    /// Returns any function: its registers, and the bits that may be written, from these bytes. Registers beyond them are 0.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut registers = Self { values: alloc::vec![0; REGISTERS], writable: alloc::vec![0; REGISTERS] };
        for (index, pair) in bytes.chunks(8).take(REGISTERS).enumerate() {
            let mut word = [0; 8];
            word[..pair.len()].copy_from_slice(pair);
            let word = u64::from_le_bytes(word);
            (registers.values[index], registers.writable[index]) = (word as u32, (word >> 32) as u32);
        }
        registers
    }

    /// Sets a register, and which of its bits may be written.
    pub fn set(&mut self, offset: u16, value: u32, writable: u32) {
        let index = usize::from(offset / 4);
        (self.values[index], self.writable[index]) = (value, writable);
    }

    /// Sets a register, and which of its bits may be written.
    #[must_use]
    pub fn with(mut self, offset: u16, value: u32, writable: u32) -> Self {
        self.set(offset, value, writable);
        self
    }

    /// Appends a list of capabilities: each with its place and its first register, without the pointer to the next.
    #[must_use]
    pub fn with_capabilities(mut self, list: &[(u8, u32)]) -> Self {
        self.values[1] |= 1 << 20;
        self.values[0x34 / 4] = list.first().map_or(0, |(place, _)| u32::from(*place));
        for (index, &(place, register)) in list.iter().enumerate() {
            let next = list.get(index + 1).map_or(0, |(place, _)| u32::from(*place));
            self.set(place.into(), register & !0xff00 | next << 8, 0);
        }
        self
    }

    /// Makes the function one of several of its device.
    #[must_use]
    pub fn of_several(mut self) -> Self {
        self.values[0x0c / 4] |= 1 << 23;
        self
    }

    /// Returns a register's value.
    #[must_use]
    pub fn get(&self, offset: u16) -> u32 {
        self.values[usize::from(offset / 4)]
    }

    /// Returns true if the command register lets the function decode, and a write can stop that.
    fn should_not_move(&self) -> bool {
        self.values[1] & self.writable[1] & DECODES != 0
    }
}

/// Configuration space with some functions.
#[derive(Clone, Debug, Default)]
pub struct Model {
    functions: BTreeMap<PciAddress, RefCell<Registers>>,
    accesses: Cell<u64>,
    /// Configuration space ends after 256 bytes.
    pub is_short: bool,
}

impl Model {
    /// Adds a function. It takes the place of another one there.
    pub fn insert(&mut self, address: PciAddress, registers: Registers) {
        self.functions.insert(address, RefCell::new(registers));
    }

    /// Returns any configuration space: its functions are made from these bytes. The same bytes give the same functions.
    ///
    /// The first 4 bytes of a part are the function's bus, slot, number, and how many units of 16 bytes of registers follow.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut model = Self::default();
        while let Some((&[bus, slot, number, length], rest)) = bytes.split_first_chunk::<4>() {
            let (registers, rest) = rest.split_at(rest.len().min(16 * usize::from(length)));
            let address = PciAddress::new(0, bus, slot % 32, number % 8);
            model.insert(address, Registers::from_bytes(registers));
            bytes = rest;
        }
        model
    }

    /// Returns the functions.
    pub fn functions(&self) -> impl Iterator<Item = (PciAddress, Registers)> {
        self.functions.iter().map(|(&address, registers)| (address, registers.borrow().clone()))
    }

    /// Returns the number of reads and writes so far.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.accesses.get()
    }

    fn count(&self) {
        self.accesses.set(self.accesses.get() + 1);
    }
}

impl ConfigSpace for Model {
    fn has_extended_registers(&self) -> bool {
        !self.is_short
    }

    fn read(&self, function: PciAddress, offset: u16) -> u32 {
        self.count();
        assert!(offset.is_multiple_of(4) && offset < 4096, "{offset:#x}");
        if self.is_short && offset >= 256 {
            return ABSENT;
        }
        self.functions.get(&function).map_or(ABSENT, |registers| registers.borrow().get(offset))
    }

    fn write_part(&self, function: PciAddress, part: ConfigPart, value: u32) {
        let offset = part.offset() & !3;
        let Some(old) = self.functions.get(&function).map(|registers| registers.borrow().get(offset)) else {
            return;
        };
        // The other bytes keep their value. Of the status, that is a write of zeros.
        let old = if offset == 0x04 { old & 0xffff } else { old };
        let shift = 8 * u32::from(part.offset() % 4);
        let mask = u32::MAX >> (32 - 8 * u32::from(part.width())) << shift;
        self.write(function, offset, old & !mask | value << shift & mask);
    }

    /// # Panics
    /// If a BAR is changed while the function decodes.
    fn write(&self, function: PciAddress, offset: u16, value: u32) {
        self.count();
        assert!(offset.is_multiple_of(4) && offset < 4096, "{offset:#x}");
        let Some(registers) = self.functions.get(&function) else { return };
        let mut registers = registers.borrow_mut();
        let index = usize::from(offset / 4);
        let (old, writable) = (registers.values[index], registers.writable[index]);
        let mut new = old & !writable | value & writable;
        if offset == 0x04 {
            // The upper half, the status, keeps its bits. Writing ones clears them.
            new = new & 0xffff | old & !value & 0xffff_0000;
        }
        let is_bridge = registers.get(0x0c) >> 16 & 0x7f == 1;
        let is_bar = (0x10..if is_bridge { 0x18 } else { 0x28 }).contains(&offset);
        assert!(!is_bar || !registers.should_not_move(), "BAR at {offset:#x} moves while {function} decodes");
        registers.values[index] = new;
    }
}
