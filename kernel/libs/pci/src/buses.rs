//! Sets of buses of one segment.
use core::ops::RangeInclusive;

/// A set of buses of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BusSet([u64; 4]);

impl BusSet {
    /// No bus.
    pub const EMPTY: Self = Self([0; 4]);
    /// All 256 buses.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Adds a bus.
    pub const fn insert(&mut self, bus: u8) {
        self.0[(bus / 64) as usize] |= 1 << (bus % 64);
    }

    /// Adds buses.
    pub fn insert_all(&mut self, buses: RangeInclusive<u8>) {
        buses.for_each(|bus| self.insert(bus));
    }

    /// Returns true if the bus is in the set.
    #[must_use]
    pub const fn contains(&self, bus: u8) -> bool {
        self.0[(bus / 64) as usize] & 1 << (bus % 64) != 0
    }

    /// Iterates over the buses, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |&bus| self.contains(bus))
    }
}
