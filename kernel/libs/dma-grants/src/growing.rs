//! A table that grows in small steps: no call takes longer the more grants there are.
use super::{DmaEntry, DmaTable};

/// How many places of the smaller table an insertion looks at, or empties.
const STEPS: usize = 8;
/// How many places a search for grants of a device looks at.
const SEARCHED: usize = 64;

/// What a search for grants of a device has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// It has removed this grant.
    Removed(DmaEntry),
    /// It has found none so far, and goes on in the next call.
    Further,
    /// It has looked at all places.
    End,
}

/// A table of grants in places that the caller gives. When it gets more places, the grants stay in the old ones first. Each insertion
/// moves some, so that all have moved before the new places are full.
pub struct GrowingTable<S> {
    pub(super) now: DmaTable<S>,
    /// The smaller table, from which grants are moved.
    pub(super) before: DmaTable<S>,
    /// Before this place, the smaller table is empty.
    moved: usize,
}

impl<S: AsRef<[DmaEntry]> + AsMut<[DmaEntry]>> GrowingTable<S> {
    /// Creates a table without places.
    pub const fn without_places(places: S, before: S) -> Self {
        Self { now: DmaTable::without_places(places), before: DmaTable::without_places(before), moved: 0 }
    }

    /// Returns true if another grant has room.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.now.used + self.before.used < self.now.most
    }

    /// Returns the number of places with which there is room for more.
    #[must_use]
    pub fn next_size(&self) -> usize {
        if self.now.most == 0 { 16 } else { self.now.len() * 2 }
    }

    /// Adds a grant. Returns false if there is no room, if the frame is 0, or if the frame has a grant already.
    #[must_use]
    pub fn insert(&mut self, entry: DmaEntry) -> bool {
        self.move_some();
        self.has_room() && self.before.find(entry.frame).is_none() && self.now.insert(entry)
    }

    /// Returns the grant that begins at this frame.
    #[inline]
    #[must_use]
    pub fn find(&self, frame: u64) -> Option<DmaEntry> {
        self.now.find(frame).or_else(|| self.before.find(frame))
    }

    /// Removes the grant that begins at this frame.
    pub fn remove(&mut self, frame: u64) -> Option<DmaEntry> {
        self.now.remove(frame).or_else(|| self.before.remove(frame))
    }

    /// Looks for a grant of this device from place `from` on, sets `from` to where to go on, and removes a grant if it finds one. A grant
    /// that others move meanwhile, by removing one or by an insertion, may be passed over. So the caller counts the grants of a device,
    /// and begins again at place 0 until it has found them all.
    pub fn remove_of(&mut self, device: u16, from: &mut usize) -> Search {
        for _ in 0..SEARCHED {
            let (table, place) = match from.checked_sub(self.now.len()) {
                None => (&mut self.now, *from),
                Some(place) if place < self.before.len() => (&mut self.before, place),
                Some(_) => return Search::End,
            };
            let entry = table.at(place);
            if entry.frame != 0 && entry.device == device {
                return Search::Removed(table.take(place));
            }
            *from += 1;
        }
        Search::Further
    }

    /// Calls `each` with the grants at some places from `from` on. Returns where to go on, or `None` at the end. A grant that others move
    /// meanwhile may be passed over, or come twice.
    pub fn look_at_some(&self, from: usize, mut each: impl FnMut(DmaEntry)) -> Option<usize> {
        let all = self.now.len() + self.before.len();
        let end = all.min(from.saturating_add(SEARCHED));
        for place in from..end {
            let entry = match place.checked_sub(self.now.len()) {
                None => self.now.at(place),
                Some(place) => self.before.at(place),
            };
            if entry.frame != 0 {
                each(entry);
            }
        }
        (end < all).then_some(end)
    }

    /// Goes on with these places, and returns places without grants. If the new places are too few, or grants are left to be moved from
    /// the time before, the new ones are returned, and nothing is changed.
    #[must_use]
    pub fn grow(&mut self, places: S) -> S {
        let larger = DmaTable::new(places);
        if larger.most <= self.now.used || self.before.used != 0 {
            return larger.places;
        }
        self.moved = 0;
        let before = core::mem::replace(&mut self.now, larger);
        core::mem::replace(&mut self.before, before).places
    }

    /// Moves some grants from the smaller table. An emptied place gets one of the entries behind it, or stays empty for good; so those before
    /// `moved` are empty.
    fn move_some(&mut self) {
        for _ in 0..STEPS {
            if self.before.used == 0 {
                return;
            }
            if self.before.at(self.moved).frame == 0 {
                self.moved += 1;
            } else {
                let entry = self.before.take(self.moved);
                // The frames differ, and `grow` has made room for all.
                let _ = self.now.insert(entry);
            }
        }
    }
}
