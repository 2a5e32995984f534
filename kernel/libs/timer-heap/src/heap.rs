//! A binary heap of slots, with the place of each slot, so that a timer in the middle can move.
use super::slot::{NEVER, Slot};

/// The slots, of which the heap holds the timers that are queued. The place of a child is 2n + 1 or 2n + 2 for the parent's n.
pub struct Heap<'m, T> {
    slots: &'m mut [Slot<T>],
    length: usize,
}

impl<'m, T> Heap<'m, T> {
    pub fn new(slots: &'m mut [Slot<T>]) -> Self {
        Self { slots, length: 0 }
    }

    pub fn slots(&self) -> &[Slot<T>] {
        self.slots
    }

    #[inline(always)]
    pub fn slot_mut(&mut self, index: u16) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::from(index))
    }

    /// Returns the slot that is queued first, and the time by which it is queued.
    #[inline(always)]
    pub fn first(&self) -> Option<(u16, u64)> {
        if self.length == 0 {
            return None;
        }
        let index = self.slots.first()?.at_place;
        Some((index, self.slots.get(usize::from(index))?.queued))
    }

    /// Queues a slot that is not queued, or queued by a later time. Returns true if it is the first now.
    #[inline(never)]
    pub fn queue_earlier(&mut self, index: u16, time: u64) -> bool {
        let slot = usize::from(index);
        if self.slots[slot].queued == NEVER {
            self.put(self.length, index);
            self.length += 1;
        }
        self.slots[slot].queued = time;
        self.move_up(usize::from(self.slots[slot].place)) == 0
    }

    /// Queues the first slot by a later time. [`NEVER`] removes it.
    pub fn requeue_first(&mut self, time: u64) {
        let index = self.slots[0].at_place;
        if time == NEVER {
            self.remove(index);
        } else {
            self.slots[usize::from(index)].queued = time;
            self.move_down(0);
        }
    }

    /// Removes a slot, if it is queued.
    pub fn remove(&mut self, index: u16) {
        let slot = &mut self.slots[usize::from(index)];
        if slot.queued == NEVER {
            return;
        }
        slot.queued = NEVER;
        let place = usize::from(slot.place);
        self.length -= 1;
        let last = self.slots[self.length].at_place;
        if last != index {
            self.put(place, last);
            let place = self.move_up(place);
            self.move_down(place);
        }
    }

    fn put(&mut self, place: usize, index: u16) {
        self.slots[place].at_place = index;
        self.slots[usize::from(index)].place = place as u16;
    }

    fn time_at(&self, place: usize) -> u64 {
        self.slots[usize::from(self.slots[place].at_place)].queued
    }

    fn swap(&mut self, left: usize, right: usize) {
        let (at_left, at_right) = (self.slots[left].at_place, self.slots[right].at_place);
        self.put(left, at_right);
        self.put(right, at_left);
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
