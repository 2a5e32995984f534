//! A comparator of the HPET, which interrupts each time that the main counter has made some steps (IA-PC HPET 1.0a §2.3.8 to §2.3.10).
use super::hpet_registers::{self, Registers};
use crate::arch::InterruptMessage;
use core::fmt;

/// The offset of the first comparator's registers.
const FIRST: usize = 0x100;
/// Bytes of each comparator's registers.
const SIZE: usize = 0x20;
/// The most comparators whose registers are among the HPET's.
pub const MOST_COMPARATORS: usize = (hpet_registers::SIZE - FIRST) / SIZE;

// Offsets of a comparator's registers.
const SETTINGS: usize = 0x00;
const INPUTS: usize = 0x04;
const VALUE: usize = 0x08;
const MESSAGE_DATA: usize = 0x10;
const MESSAGE_ADDRESS: usize = 0x14;

// Bits of its settings.
/// It keeps its line at its level until software has seen the interrupt.
const LEVEL: u32 = 1 << 1;
const ON: u32 = 1 << 2;
const PERIODIC: u32 = 1 << 3;
const HAS_PERIODIC: u32 = 1 << 4;
/// The next write of the value is the first count, and the one behind it the period. The comparator clears it.
const SET_FIRST: u32 = 1 << 6;
/// Only the lower 32 bits of counter and value count. A comparator of 32 bits does not keep it.
const SHORT: u32 = 1 << 8;
const INPUT_SHIFT: u32 = 9;
const INPUT: u32 = 31 << INPUT_SHIFT;
const BY_MESSAGE: u32 = 1 << 14;
const HAS_MESSAGES: u32 = 1 << 15;
/// The bits that software chooses. The others keep their values.
const CHOSEN: u32 = LEVEL | ON | PERIODIC | SET_FIRST | SHORT | INPUT | BY_MESSAGE;

/// How a comparator's interrupts leave it.
#[derive(Clone, Copy)]
pub enum PulseTarget {
    /// As this message.
    Message(InterruptMessage),
    /// At this input of the I/O APIC, below 32, as an edge.
    Input(u32),
}

impl fmt::Display for PulseTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(_) => out.write_str("by messages"),
            Self::Input(input) => write!(out, "at input {input} of the I/O APIC"),
        }
    }
}

/// A comparator.
pub struct Comparator {
    registers: &'static Registers,
    /// The offset of its registers.
    offset: usize,
}

impl Comparator {
    /// Returns the comparator with this number, below [`MOST_COMPARATORS`].
    pub(super) fn new(registers: &'static Registers, number: usize) -> Self {
        Self { registers, offset: FIRST + SIZE * number }
    }

    fn read(&self, register: usize) -> u32 {
        self.registers.read(self.offset + register)
    }

    fn write(&self, register: usize, value: u32) {
        self.registers.write(self.offset + register, value);
    }

    /// Returns true if it can interrupt again and again.
    pub fn has_periodic(&self) -> bool {
        self.read(SETTINGS) & HAS_PERIODIC != 0
    }

    /// Returns true if it can send messages.
    pub fn has_messages(&self) -> bool {
        self.read(SETTINGS) & HAS_MESSAGES != 0
    }

    /// Returns the inputs of the I/O APIC that it can interrupt at, a bit for each.
    pub fn inputs(&self) -> u32 {
        self.read(INPUTS)
    }

    /// Makes it interrupt at the count `first`, and then each `period` steps. Returns false if it does not keep what is written; it is off
    /// then.
    pub fn start(&self, target: PulseTarget, first: u32, period: u32) -> bool {
        self.stop();
        let by = match target {
            PulseTarget::Message(InterruptMessage { address, data }) => {
                self.write(MESSAGE_DATA, data);
                self.write(MESSAGE_ADDRESS, address);
                BY_MESSAGE
            }
            PulseTarget::Input(input) => input << INPUT_SHIFT & INPUT,
        };
        let settings = self.read(SETTINGS) & !CHOSEN | PERIODIC | SHORT | by;
        self.write(SETTINGS, settings | SET_FIRST);
        self.write(VALUE, first);
        // The read takes the time that some comparators need between the two.
        self.read(VALUE);
        self.write(VALUE, period);
        self.write(SETTINGS, settings | ON);
        let is_kept = (self.read(SETTINGS) ^ (settings | ON)) & CHOSEN & !SHORT == 0;
        if !is_kept {
            self.stop();
        }
        is_kept
    }

    /// Keeps it from interrupting.
    pub fn stop(&self) {
        self.write(SETTINGS, self.read(SETTINGS) & !ON);
        // The read returns only when the write has taken effect.
        self.read(SETTINGS);
    }
}
