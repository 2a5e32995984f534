//! The order of locks: a CPU takes a lock only if its rank is higher than the rank of every lock that the CPU holds.
//!
//! If all CPUs keep to that, no two of them can wait for each other's locks. [`HeldRanks`] is what one CPU holds, as a plain
//! value. Its owner keeps it where only that CPU finds it.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

/// The number of ranks: they are 0 to 31.
pub const RANKS: u8 = u32::BITS as u8;

/// The ranks of the locks that one CPU holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HeldRanks(u32);

/// A lock was wanted out of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderViolation {
    /// The rank of the lock that was wanted.
    pub wanted: u8,
    /// The ranks that were held.
    pub held: HeldRanks,
}

impl HeldRanks {
    /// No lock is held.
    pub const NONE: Self = Self(0);

    /// Returns the ranks whose bits are set: bit n for rank n.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns a bit for each rank that is held: bit n for rank n.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns what is held with a lock of `rank` in addition.
    ///
    /// # Errors
    /// [`OrderViolation`] if a lock of this rank or a higher one is held.
    ///
    /// # Panics
    /// If `rank` is not below [`RANKS`].
    pub fn acquire(self, rank: u8) -> Result<Self, OrderViolation> {
        // All ranks from this one on.
        let not_lower = !(bit(rank) - 1);
        if self.0 & not_lower != 0 {
            return Err(OrderViolation { wanted: rank, held: self });
        }
        Ok(self.acquire_unordered(rank))
    }

    /// Returns what is held with a lock of `rank` in addition. For a lock that was taken without waiting: that cannot deadlock,
    /// whatever the order.
    ///
    /// # Panics
    /// If `rank` is not below [`RANKS`].
    pub fn acquire_unordered(self, rank: u8) -> Self {
        Self(self.0 | bit(rank))
    }

    /// Returns what is held without the lock of `rank`. Locks may be released in any order.
    ///
    /// # Panics
    /// If `rank` is not below [`RANKS`].
    pub fn release(self, rank: u8) -> Self {
        Self(self.0 & !bit(rank))
    }

    /// Returns true if no lock is held.
    pub const fn none_held(self) -> bool {
        self.0 == 0
    }

    /// Returns the ranks that are held, lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..RANKS).filter(move |&rank| self.0 & bit(rank) != 0)
    }
}

fn bit(rank: u8) -> u32 {
    assert!(rank < RANKS, "there are {RANKS} ranks, and {rank} is none of them");
    1 << rank
}

impl fmt::Display for OrderViolation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a lock of rank {} is wanted while these are held:", self.wanted)?;
        self.held.iter().try_for_each(|rank| write!(out, " {rank}"))
    }
}

impl core::error::Error for OrderViolation {}
