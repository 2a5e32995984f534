//! Ranges of addresses, and what they are addresses of.

/// What an address belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// I/O ports.
    Ports,
    /// Memory.
    Memory,
}

/// Addresses from `first` to `last`, at least one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressRange {
    /// The first address.
    pub first: u64,
    /// The last address.
    pub last: u64,
}

impl AddressRange {
    /// All addresses.
    pub const ALL: Self = Self { first: 0, last: u64::MAX };

    /// Returns the range of this many addresses, or `None` if it is empty or goes past the last address.
    #[must_use]
    pub const fn of_size(first: u64, size: u64) -> Option<Self> {
        match size.checked_sub(1) {
            Some(rest) => match first.checked_add(rest) {
                Some(last) => Some(Self { first, last }),
                None => None,
            },
            None => None,
        }
    }

    /// Returns the addresses that are in both ranges, or `None` if there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }

    /// Returns true if the other range lies in this one.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}
