//! Which memory was granted for which device, by its first frame: a hash table in memory that the caller gives; and pages that were freed
//! and are kept for the next request.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod growing;
mod kept;
#[cfg(test)]
mod tests;

pub use growing::{GrowingTable, Search};
pub use kept::KeptPages;

/// One grant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DmaEntry {
    /// The number of the first frame; 0 marks an empty place, as frame 0 is never granted.
    pub frame: u64,
    /// The number of frames.
    pub pages: u32,
    /// The device's slot.
    pub device: u16,
    /// The index of the memory's node.
    pub node: u16,
}

/// A table of grants in the places of `S`: none, or a power of two of them. At most three quarters of the places are used, so a search
/// takes a few steps, however many grants there are.
struct DmaTable<S> {
    places: S,
    used: usize,
    /// How many grants there may be.
    most: usize,
}

impl<S: AsRef<[DmaEntry]> + AsMut<[DmaEntry]>> DmaTable<S> {
    /// Creates a table without places.
    pub const fn without_places(places: S) -> Self {
        Self { places, used: 0, most: 0 }
    }

    /// Creates an empty table. All places are empty; if their number is no power of two, none is used.
    pub fn new(places: S) -> Self {
        let count = places.as_ref().len();
        Self { places, used: 0, most: if count.is_power_of_two() { count / 4 * 3 } else { 0 } }
    }

    /// Returns true if another grant has room.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.used < self.most
    }

    /// Adds a grant. Returns false if there is no room, if the frame is 0, or if the frame has a grant already.
    #[inline]
    #[must_use]
    pub fn insert(&mut self, entry: DmaEntry) -> bool {
        if !self.has_room() || entry.frame == 0 {
            return false;
        }
        let places = self.places.as_mut();
        let mask = places.len() - 1;
        let mut place = home(entry.frame);
        loop {
            let found = &mut places[place & mask];
            if found.frame == 0 {
                *found = entry;
                self.used += 1;
                return true;
            }
            if found.frame == entry.frame {
                return false;
            }
            place += 1;
        }
    }

    /// Returns the grant that begins at this frame.
    #[inline]
    #[must_use]
    pub fn find(&self, frame: u64) -> Option<DmaEntry> {
        self.place_of(frame).map(|place| self.places.as_ref()[place])
    }

    /// Returns the place of the grant that begins at this frame.
    #[inline]
    fn place_of(&self, frame: u64) -> Option<usize> {
        let places = self.places.as_ref();
        if self.used == 0 || frame == 0 {
            return None;
        }
        let mask = places.len() - 1;
        let mut place = home(frame) & mask;
        while places[place].frame != frame {
            if places[place].frame == 0 {
                return None;
            }
            place = (place + 1) & mask;
        }
        Some(place)
    }

    /// Removes the grant that begins at this frame.
    pub fn remove(&mut self, frame: u64) -> Option<DmaEntry> {
        self.place_of(frame).map(|place| self.take(place))
    }

    /// Returns the number of places.
    fn len(&self) -> usize {
        self.places.as_ref().len()
    }

    /// Returns what is at a place; an empty entry if there is no such place.
    fn at(&self, place: usize) -> DmaEntry {
        self.places.as_ref().get(place).copied().unwrap_or_default()
    }

    /// Empties a place, and closes the gap: of the entries behind it, up to the next empty place, those that may stand there move forward.
    #[inline]
    fn take(&mut self, place: usize) -> DmaEntry {
        let places = self.places.as_mut();
        let mask = places.len() - 1;
        let taken = places[place];
        let (mut gap, mut next) = (place, place);
        loop {
            next = (next + 1) & mask;
            let entry = places[next];
            if entry.frame == 0 {
                break;
            }
            // How far the entry is from its home, and how far the gap is before the entry.
            let distance = next.wrapping_sub(home(entry.frame)) & mask;
            if distance >= next.wrapping_sub(gap) & mask {
                places[gap] = entry;
                gap = next;
            }
        }
        places[gap] = DmaEntry::default();
        self.used -= 1;
        taken
    }
}

/// Returns a number that spreads frames: the upper half of a product with 2⁶⁴ divided by the golden ratio.
#[inline]
const fn home(frame: u64) -> usize {
    (frame.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}
