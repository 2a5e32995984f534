//! What the lock of a CPU's timers guards: which of them are in the heap, and what is known of them.
use super::atomic::fence;
use super::heap::{Entry, Heap};
use super::shared::{NEVER, Shared, TimerId};
use super::{GENERATIONS, SLOT_BITS, SLOTS, TAG_BITS};
use core::sync::atomic::Ordering;

/// The timers of one CPU. `T` is what is known of a timer beside its time.
pub struct Timers<'m, T> {
    heap: Heap<'m, T>,
    /// The tag that all ids have in common, shifted to its bits.
    tag: u32,
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
    /// Creates the timers of a CPU, none, in these slots, of which each has an entry. `tag` is in each of their ids, and is below
    /// 2^[`TAG_BITS`]: [`super::tag_of`] returns it.
    ///
    /// # Panics
    /// If there are too many slots, not as many entries, or if the tag is too high.
    #[must_use]
    pub fn new(slots: &'m [Shared], entries: &'m mut [Entry<T>], tag: u32) -> Self {
        assert!(slots.len() <= SLOTS && slots.len() == entries.len() && tag < 1 << TAG_BITS);
        if let Some(first) = slots.first() {
            first.reserve_first();
        }
        Self { heap: Heap::new(slots, entries), tag: tag << SLOT_BITS }
    }

    /// Creates a timer that is not set, in a slot that [`super::free_slot`] found. Returns `None` if another timer is there by now,
    /// or if it is another owner's.
    pub fn create(&mut self, slot: usize, owner: usize, value: T) -> Option<TimerId> {
        let shared = self.heap.slots.get(slot)?;
        let is_usable = shared.owner() == 0 || shared.owner() == owner;
        if shared.id() != TimerId(0) || !is_usable {
            return None;
        }
        let entry = &mut self.heap.entries[slot];
        entry.value = Some(value);
        let id = TimerId(entry.generation << (SLOT_BITS + TAG_BITS) | self.tag | slot as u32);
        shared.begin(id, owner);
        Some(id)
    }

    /// Destroys a timer of this owner. Its id finds nothing from now on. Returns false if there is no such timer.
    pub fn destroy(&mut self, id: TimerId, owner: usize) -> bool {
        let Some(slot) = self.slot_of(id).filter(|slot| self.heap.slots[*slot].owner() == owner) else {
            return false;
        };
        self.heap.slots[slot].end();
        self.heap.queue(slot, NEVER);
        let entry = &mut self.heap.entries[slot];
        entry.value = None;
        entry.generation = if entry.generation + 1 < GENERATIONS { entry.generation + 1 } else { 1 };
        true
    }

    /// Lets others use the free slots of an owner, which sets no timer any more.
    pub fn release(&mut self, owner: usize) {
        let free = self.heap.slots.iter().filter(|slot| slot.owner() == owner && slot.id() == TimerId(0));
        free.for_each(Shared::release);
    }

    /// Queues a timer anew after [`Shared::set`] has returned true. Returns true if [`Timers::next`] is earlier now. If the timer is
    /// gone meanwhile, nothing changes.
    pub fn requeue(&mut self, id: TimerId) -> bool {
        let before = self.next();
        if let Some(slot) = self.slot_of(id) {
            self.move_up_if_earlier(slot);
        }
        self.next() < before
    }

    /// Returns the time at which [`Timers::take_due`] has something to do: not later than that at which the first timer is due.
    /// [`NEVER`] if there is nothing to do.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.heap.first().map_or(NEVER, |slot| self.heap.slots[slot].queued())
    }

    /// Takes a timer that is due at `now`, if one is. A timer with a period is set again, to its next time; if that has passed,
    /// too, to one period from `now`. Any other timer is no longer set.
    pub fn take_due(&mut self, now: u64) -> Option<Due<T>> {
        let slot = self.heap.first().filter(|slot| self.heap.slots[*slot].queued() <= now)?;
        let shared = &self.heap.slots[slot];
        let when = shared.when();
        let (mut due, mut next) = (Due::Later, when);
        if when <= now {
            next = shared.next_time(when, now);
            // If it was set anew meanwhile, the time that was due does not count any more.
            if shared.replace_when(when, next) {
                due = Due::Timer(shared.id(), self.heap.entries[slot].value?);
            } else {
                next = shared.when();
            }
        }
        self.heap.queue(slot, next);
        fence(Ordering::SeqCst);
        self.move_up_if_earlier(slot);
        Some(due)
    }

    /// Queues a timer by its time if that is earlier than by what it is queued.
    fn move_up_if_earlier(&mut self, slot: usize) {
        let shared = &self.heap.slots[slot];
        let when = shared.when();
        if when < shared.queued() {
            self.heap.queue(slot, when);
        }
    }

    fn slot_of(&self, id: TimerId) -> Option<usize> {
        let slot = id.0 as usize % SLOTS;
        (self.heap.slots.get(slot)?.id() == id).then_some(slot)
    }
}
