//! A CPU's timers: by id, and in a binary heap by the time at which they are due.
//!
//! A timer that is set to a later time, or stopped, stays where it is in the heap: it moves, or leaves, when it comes to the top.
//! So a driver that sets and stops a timer for each of its requests mostly writes two words. Setting a timer to an earlier time,
//! destroying one, and each step of [`Timers::take_due`] take a number of steps that grows with the logarithm of the number of
//! timers in the heap. Nothing is allocated: the caller gives the slots.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod heap;
mod slot;
#[cfg(test)]
mod tests;

use heap::Heap;
pub use slot::{NEVER, Slot, TimerId};

/// Bits of an id for the slot, so that there are at most this many timers.
pub const SLOT_BITS: u32 = 9;
/// Bits of an id for the tag.
pub const TAG_BITS: u32 = 10;
/// Ids have this many bits at most, so that they fit the ABI's `int`.
const ID_BITS: u32 = 31;
/// The generations of a slot are below this. None is 0, so no id is 0.
const GENERATIONS: u32 = 1 << (ID_BITS - SLOT_BITS - TAG_BITS);

/// The timers of one CPU. `T` is what is known of a timer beside its time.
pub struct Timers<'m, T> {
    heap: Heap<'m, T>,
    /// The tag that all ids have in common, shifted to its bits.
    tag: u32,
    /// The free slots, linked by `next_free`, the one that was freed first at the front.
    first_free: Option<u16>,
    last_free: Option<u16>,
    in_use: usize,
}

/// What [`Timers::take_due`] found at the top of the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due<T> {
    /// This timer is due.
    Timer(TimerId, T),
    /// The timer there is due later, or was stopped. The next one may be due.
    Later,
}

impl<'m, T: Copy> Timers<'m, T> {
    /// Creates the timers of a CPU, none, in slots that [`Slot::new`] made. `tag` is in each of their ids, and is below
    /// 2^[`TAG_BITS`]: [`tag_of`] returns it.
    ///
    /// # Panics
    /// If there are too many slots or the tag is too high.
    #[must_use]
    pub fn new(slots: &'m mut [Slot<T>], tag: u32) -> Self {
        assert!(slots.len() <= 1 << SLOT_BITS && tag < 1 << TAG_BITS);
        let count = slots.len();
        for (index, slot) in slots.iter_mut().enumerate() {
            slot.next_free = (index + 1 < count).then_some(index as u16 + 1);
        }
        let (first_free, last_free) = match count {
            0 => (None, None),
            _ => (Some(0), Some(count as u16 - 1)),
        };
        Self { heap: Heap::new(slots), tag: tag << SLOT_BITS, first_free, last_free, in_use: 0 }
    }

    /// Returns the number of timers.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Creates a timer that is not set. Returns `None` if all slots are in use.
    pub fn create(&mut self, value: T) -> Option<TimerId> {
        let index = self.first_free?;
        let slot = self.heap.slot_mut(index)?;
        self.first_free = slot.next_free.take();
        if self.first_free.is_none() {
            self.last_free = None;
        }
        let id = TimerId(slot.generation << (SLOT_BITS + TAG_BITS) | self.tag | u32::from(index));
        slot.begin(id, value);
        self.in_use += 1;
        Some(id)
    }

    /// Returns the timer with this id, or `None` if there is none.
    #[inline(always)]
    pub fn find(&mut self, id: TimerId) -> Option<Timer<'_, 'm, T>> {
        let slot = (id.0 % (1 << SLOT_BITS)) as u16;
        let found = self.heap.slot_mut(slot)?;
        let value = found.value.filter(|_| found.id == id)?;
        Some(Timer { timers: self, slot, value })
    }

    /// Returns the ids of the timers for which `is_wanted` holds.
    pub fn ids(&self, is_wanted: impl Fn(&T) -> bool) -> impl Iterator<Item = TimerId> {
        let wanted = move |slot: &Slot<T>| slot.value.filter(|value| is_wanted(value)).map(|_| slot.id);
        self.heap.slots().iter().filter_map(wanted)
    }

    /// Returns the time at which [`Timers::take_due`] has something to do: not later than that at which the first timer is due.
    /// [`NEVER`] if there is nothing to do.
    #[inline(always)]
    #[must_use]
    pub fn next(&self) -> u64 {
        self.heap.first().map_or(NEVER, |(_, queued)| queued)
    }

    /// Takes a timer that is due at `now`, if one is. A timer with a period is set again, to its next time; if that has passed,
    /// too, to one period from `now`. Any other timer is no longer set.
    pub fn take_due(&mut self, now: u64) -> Option<Due<T>> {
        let (index, queued) = self.heap.first()?;
        if queued > now {
            return None;
        }
        let slot = self.heap.slot_mut(index)?;
        let mut due = Due::Later;
        if slot.when <= now {
            due = Due::Timer(slot.id, slot.value?);
            slot.when = slot.next_time(now);
        }
        let when = slot.when;
        self.heap.requeue_first(when);
        Some(due)
    }

    fn free(&mut self, index: u16) {
        self.heap.remove(index);
        if let Some(slot) = self.heap.slot_mut(index) {
            slot.end();
        }
        match self.last_free.and_then(|last| self.heap.slot_mut(last)) {
            Some(last) => last.next_free = Some(index),
            None => self.first_free = Some(index),
        }
        self.last_free = Some(index);
        self.in_use -= 1;
    }
}

/// Returns the tag of an id.
#[inline(always)]
#[must_use]
pub const fn tag_of(id: TimerId) -> u32 {
    id.0 >> SLOT_BITS & ((1 << TAG_BITS) - 1)
}

/// A timer that exists.
pub struct Timer<'t, 'm, T> {
    timers: &'t mut Timers<'m, T>,
    slot: u16,
    value: T,
}

impl<T: Copy> Timer<'_, '_, T> {
    /// Returns what is known of it.
    #[inline(always)]
    #[must_use]
    pub fn value(&self) -> T {
        self.value
    }

    /// Sets the timer: it is due at `when`, and from then on each `period`, unless that is 0. [`NEVER`] stops it. Returns true if
    /// [`Timers::next`] is earlier now.
    #[inline(always)]
    pub fn set(self, when: u64, period: u64) -> bool {
        let Self { timers, slot: index, .. } = self;
        let Some(slot) = timers.heap.slot_mut(index) else { return false };
        slot.when = when;
        slot.period = period;
        // It stays where it is in the heap, or out of it.
        if slot.queued <= when {
            return false;
        }
        timers.heap.queue_earlier(index, when)
    }

    /// Destroys the timer. Its id finds nothing from now on.
    pub fn destroy(self) {
        self.timers.free(self.slot);
    }
}
