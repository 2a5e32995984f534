//! The addresses that are in use already, and the search for free ones.
use pci_types::PciAddress;

use crate::{AddressRange, Space};

/// Addresses that are in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    space: Space,
    range: AddressRange,
    /// The bridge whose window this is, with the bus behind it.
    window: Option<(PciAddress, u8)>,
}

impl Taken {
    /// A value to fill storage with.
    pub const EMPTY: Self =
        Self { space: Space::Memory, range: AddressRange { first: 0, last: 0 }, window: None };

    /// Returns the addresses of a function, or of something that is no function of PCI.
    pub(crate) const fn new(space: Space, range: AddressRange) -> Self {
        Self { space, range, window: None }
    }

    /// Returns a window of a bridge. It is free for functions behind that bridge.
    pub(crate) const fn window(space: Space, range: AddressRange, bridge: PciAddress, secondary: u8) -> Self {
        Self { space, range, window: Some((bridge, secondary)) }
    }
}

/// The bridges that lead to a bus, by the bus behind each.
pub type Ancestors = [Option<PciAddress>; 256];

/// All addresses in use, in ascending order of their first ones.
pub struct TakenList<'s> {
    storage: &'s mut [Taken],
    used: usize,
}

impl<'s> TakenList<'s> {
    /// Makes a list of these addresses. Returns `None` if there is no room for all of them.
    pub fn new(storage: &'s mut [Taken], all: impl Iterator<Item = Taken>) -> Option<Self> {
        let mut used = 0;
        for taken in all {
            *storage.get_mut(used)? = taken;
            used += 1;
        }
        storage.get_mut(..used)?.sort_unstable_by_key(|taken| taken.range.first);
        Some(Self { storage, used })
    }

    /// Finds the lowest free range of `size` addresses, a power of two, at a multiple of it within `within`.
    pub fn find_free(
        &self,
        space: Space,
        within: AddressRange,
        size: u64,
        ancestors: &Ancestors,
    ) -> Option<AddressRange> {
        let from = |first: u64| {
            let range = AddressRange::of_size(first.checked_next_multiple_of(size)?, size)?;
            within.contains(range).then_some(range)
        };
        let mut free = from(within.first)?;
        // Later ones start higher, so what was passed stays out of the way.
        for taken in self.storage.iter().take(self.used) {
            let is_window_above = taken
                .window
                .is_some_and(|(bridge, secondary)| ancestors[usize::from(secondary)] == Some(bridge));
            if taken.space != space || is_window_above || taken.range.last < free.first {
                continue;
            }
            if taken.range.first > free.last {
                break;
            }
            free = from(taken.range.last.checked_add(1)?)?;
        }
        Some(free)
    }

    /// Adds addresses. Returns false if there is no room.
    pub fn add(&mut self, taken: Taken) -> bool {
        let Some(used) = self.storage.get_mut(..=self.used) else { return false };
        let place = used[..self.used].partition_point(|other| other.range.first <= taken.range.first);
        used[place..].rotate_right(1);
        used[place] = taken;
        self.used += 1;
        true
    }
}
