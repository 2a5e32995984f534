//! Which memory was granted for which device, by its first frame: a hash table in memory that the caller gives.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod tests;

/// One grant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DmaEntry {
    /// The number of the first frame; 0 marks an empty place, as frame 0 is never granted.
    pub frame: u64,
    /// The number of frames.
    pub pages: u32,
    /// The device's slot.
    pub device: u32,
}

/// A table of grants in the places of `S`: none, or a power of two of them. At most three quarters of the places are used, so a search
/// takes a few steps, however many grants there are.
pub struct DmaTable<S> {
    places: S,
    used: usize,
}

impl<S: AsRef<[DmaEntry]> + AsMut<[DmaEntry]>> DmaTable<S> {
    /// Creates an empty table. All places are empty; if their number is no power of two, the table has none.
    pub const fn new(places: S) -> Self {
        Self { places, used: 0 }
    }

    fn places(&self) -> &[DmaEntry] {
        let places = self.places.as_ref();
        if places.len().is_power_of_two() { places } else { &[] }
    }

    /// Returns true if another grant has room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.used < self.places().len() / 4 * 3
    }

    /// Returns the number of places that a larger table has, with which there is room for more.
    #[must_use]
    pub fn next_size(&self) -> usize {
        (self.places().len() * 2).max(16)
    }

    /// Adds a grant. Returns false if there is no room, if the frame is 0, or if the frame has a grant already.
    #[must_use]
    pub fn insert(&mut self, entry: DmaEntry) -> bool {
        if !self.has_room() || entry.frame == 0 {
            return false;
        }
        let mask = self.places().len() - 1;
        let places = self.places.as_mut();
        let mut place = home(entry.frame) & mask;
        while places[place].frame != 0 {
            if places[place].frame == entry.frame {
                return false;
            }
            place = (place + 1) & mask;
        }
        places[place] = entry;
        self.used += 1;
        true
    }

    /// Removes the grant that begins at this frame if `accepts` returns true for it.
    pub fn remove(&mut self, frame: u64, accepts: impl FnOnce(&DmaEntry) -> bool) -> Option<DmaEntry> {
        let mask = self.places().len().checked_sub(1)?;
        let mut place = home(frame) & mask;
        loop {
            let entry = self.places()[place];
            if entry.frame == 0 || frame == 0 {
                return None;
            }
            if entry.frame == frame {
                return accepts(&entry).then(|| self.take(place));
            }
            place = (place + 1) & mask;
        }
    }

    /// Removes the next grant of this device from place `from` on, and sets `from` to where to go on. Calls from place 0 until `None` remove
    /// all.
    pub fn remove_of(&mut self, device: u32, from: &mut usize) -> Option<DmaEntry> {
        let rest = self.places().get(*from..)?;
        let next = rest.iter().position(|entry| entry.frame != 0 && entry.device == device)?;
        *from += next;
        Some(self.take(*from))
    }

    /// Moves all grants to other places, and returns the old ones. If the new places are too few, they are returned, and nothing is moved.
    #[must_use]
    pub fn move_to(&mut self, places: S) -> S {
        let mut larger = Self::new(places);
        if self.used > larger.places().len() / 4 * 3 {
            return larger.places;
        }
        for entry in self.places().iter().filter(|entry| entry.frame != 0) {
            // The frames differ, and there is room for all.
            let _ = larger.insert(*entry);
        }
        core::mem::replace(self, larger).places
    }

    /// Empties a place, and closes the gap: of the entries behind it, up to the next empty place, those that may stand there move forward.
    fn take(&mut self, place: usize) -> DmaEntry {
        let mask = self.places().len() - 1;
        let places = self.places.as_mut();
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
