//! A binary heap of slots, with the place of each slot, so that a timer in the middle can move.
use super::shared::{NEVER, Shared};

/// What is known of a slot under the lock, and room for one entry of the heap.
pub struct Entry<T> {
    /// What is known of the timer.
    pub(crate) value: Option<T>,
    /// The generation of the next timer here.
    pub(crate) generation: u32,
    /// The timer's place in the heap, if it is there.
    place: u16,
    /// The slot of the timer whose place in the heap has this entry's index.
    at_place: u16,
}

impl<T> Entry<T> {
    /// Creates the entry of a free slot.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: None, generation: 1, place: 0, at_place: 0 }
    }
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The slots, of which the heap holds the timers that are queued. The places of the children of place n are 2n + 1 and 2n + 2.
pub struct Heap<'m, T> {
    pub slots: &'m [Shared],
    pub entries: &'m mut [Entry<T>],
    length: usize,
}

impl<'m, T> Heap<'m, T> {
    pub fn new(slots: &'m [Shared], entries: &'m mut [Entry<T>]) -> Self {
        Self { slots, entries, length: 0 }
    }

    /// Returns the slot that is queued first.
    pub fn first(&self) -> Option<usize> {
        (self.length > 0).then(|| usize::from(self.entries[0].at_place))
    }

    /// Queues a slot by this time, wherever it was before. [`NEVER`] takes it out of the heap.
    pub fn queue(&mut self, index: usize, time: u64) {
        let before = self.slots[index].queued();
        self.slots[index].set_queued(time);
        match (before, time) {
            (NEVER, NEVER) => {}
            (_, NEVER) => self.take_out(index),
            (NEVER, _) => {
                self.put(self.length, index);
                self.length += 1;
                self.move_up(self.length - 1);
            }
            _ => {
                let place = self.move_up(usize::from(self.entries[index].place));
                self.move_down(place);
            }
        }
    }

    fn take_out(&mut self, index: usize) {
        let place = usize::from(self.entries[index].place);
        self.length -= 1;
        let last = usize::from(self.entries[self.length].at_place);
        if last != index {
            self.put(place, last);
            let place = self.move_up(place);
            self.move_down(place);
        }
    }

    fn put(&mut self, place: usize, index: usize) {
        self.entries[place].at_place = index as u16;
        self.entries[index].place = place as u16;
    }

    fn time_at(&self, place: usize) -> u64 {
        self.slots[usize::from(self.entries[place].at_place)].queued()
    }

    fn swap(&mut self, left: usize, right: usize) {
        let (at_left, at_right) = (self.entries[left].at_place, self.entries[right].at_place);
        self.put(left, at_right.into());
        self.put(right, at_left.into());
    }

    /// Moves what is at this place up while it is earlier than its parent. Returns its place.
    fn move_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.time_at(parent) <= self.time_at(place) {
                break;
            }
            self.swap(parent, place);
            place = parent;
        }
        place
    }

    /// Moves what is at this place down while one of its children is earlier.
    fn move_down(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..self.length.min(2 * place + 3);
            let Some(child) = children.min_by_key(|child| self.time_at(*child)) else { return };
            if self.time_at(place) <= self.time_at(child) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }
}
