//! The record of one CPU that goes down, in one word.

/// Why a CPU begins its last words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The machine is to stop, and nothing is wrong.
    Stop,
    /// A fault, a panic, or a failure.
    Fault,
}

/// The record: a CPU's hardware id in the upper half, what is known about its last words in the lower half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slot(u64);

const TAKEN: u64 = 1 << 0;
const HAS_FAULT: u64 = 1 << 1;
const IS_SHORT: u64 = 1 << 2;
const HAS_ENDED: u64 = 1 << 3;
const IS_CLOSED: u64 = 1 << 4;

impl Slot {
    /// No CPU's.
    pub const FREE: Self = Self(0);
    /// No CPU's, and no CPU may take this record or a later one.
    pub const CLOSED: Self = Self(IS_CLOSED);

    /// Returns the record of a CPU that begins its last words.
    pub const fn new(cpu: u32, cause: Cause) -> Self {
        let fault = if matches!(cause, Cause::Fault) { HAS_FAULT } else { 0 };
        Self((cpu as u64) << 32 | TAKEN | fault)
    }

    /// Returns the record with this encoding.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the encoding.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns true if it is the record of this CPU.
    pub const fn is_of(self, cpu: u32) -> bool {
        self.0 & TAKEN != 0 && self.0 >> 32 == cpu as u64
    }

    /// Returns true if it is the record of any CPU.
    pub const fn is_taken(self) -> bool {
        self.0 & TAKEN != 0
    }

    /// Returns true if the CPU has reported a fault.
    pub const fn has_fault(self) -> bool {
        self.0 & HAS_FAULT != 0
    }

    /// Returns true if the CPU has had a fault in its last words.
    pub const fn is_short(self) -> bool {
        self.0 & IS_SHORT != 0
    }

    /// Returns true if the CPU has nothing more to say.
    pub const fn has_ended(self) -> bool {
        self.0 & HAS_ENDED != 0
    }

    /// Returns the record after a fault in the CPU's last words.
    pub const fn shortened(self) -> Self {
        Self(self.0 | HAS_FAULT | IS_SHORT)
    }

    /// Returns the record of the CPU when it has nothing more to say.
    pub const fn ended(self) -> Self {
        Self(self.0 | HAS_ENDED)
    }
}
