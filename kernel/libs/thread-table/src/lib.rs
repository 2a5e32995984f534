//! Threads by id. An id is a slot of the table and a generation, so that the id of a thread that is gone finds nothing.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod tests;

/// A thread's id: positive, and below 2³¹, so that it fits the ABI's `int`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ThreadId(pub u32);

/// Up to `SLOTS / 2` values by id; `SLOTS` is a power of two. Slot 0 is never used, so that no id is 0.
///
/// Slots are used in turn: the slot that was freed first is used again first. An id comes back after 2³¹ / `SLOTS` uses of its
/// slot. At least half of the slots are free, and all of those are used in between. So an id comes back after 2³⁰ reservations at
/// the earliest, even in a full table. The time of an operation does not depend on how full the table is.
pub struct ThreadTable<T, const SLOTS: usize> {
    slots: [Slot<T>; SLOTS],
    /// How many slots are in use or reserved.
    in_use: u16,
    /// How many slots were ever used. They are used up before any slot is used again.
    used: u16,
    /// The free slots that were used before, linked by `next_free`, oldest first; 0: none.
    first_free: u16,
    last_free: u16,
}

struct Slot<T> {
    value: Option<T>,
    generation: u32,
    /// [`IN_USE`], or the slot that was freed next; 0 ends the list.
    next_free: u16,
}

const IN_USE: u16 = u16::MAX;

impl<T> Slot<T> {
    /// Returns true if the slot is in use or reserved, for the id with this generation.
    fn is(&self, generation: u32) -> bool {
        self.next_free == IN_USE && self.generation == generation
    }
}

impl<T, const SLOTS: usize> ThreadTable<T, SLOTS> {
    const SLOT_BITS: u32 = SLOTS.ilog2();
    const GENERATIONS: u32 = 1 << (31 - Self::SLOT_BITS);
    /// The most ids at a time.
    const MOST: usize = SLOTS / 2;

    /// Creates an empty table. It is all zeros, so that a static one takes no room in the kernel's file.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(SLOTS.is_power_of_two() && SLOTS > 1 && SLOTS <= IN_USE as usize) };
        Self {
            slots: [const { Slot { value: None, generation: 0, next_free: 0 } }; SLOTS],
            in_use: 0,
            used: 0,
            first_free: 0,
            last_free: 0,
        }
    }

    /// Reserves an id, for [`ThreadTable::insert`] or [`ThreadTable::remove`]. Returns `None` if half of the slots are in use.
    pub fn reserve(&mut self) -> Option<ThreadId> {
        if usize::from(self.in_use) == Self::MOST {
            return None;
        }
        let slot = if usize::from(self.used) + 1 < SLOTS { self.take_new() } else { self.take_freed()? };
        let entry = &mut self.slots[usize::from(slot)];
        entry.next_free = IN_USE;
        self.in_use += 1;
        Some(ThreadId(entry.generation << Self::SLOT_BITS | u32::from(slot)))
    }

    fn take_new(&mut self) -> u16 {
        self.used += 1;
        self.used
    }

    fn take_freed(&mut self) -> Option<u16> {
        let slot = (self.first_free != 0).then_some(self.first_free)?;
        self.first_free = self.slots[usize::from(slot)].next_free;
        Some(slot)
    }

    /// Stores a value under an id that was reserved for it.
    ///
    /// # Panics
    /// If the id is not reserved.
    pub fn insert(&mut self, id: ThreadId, value: T) {
        let slot = &mut self.slots[Self::slot_of(id)];
        assert!(
            slot.is(Self::generation_of(id)),
            "a value is stored under an id that was not reserved: {id:?}"
        );
        slot.value = Some(value);
    }

    /// Returns the value with this id.
    pub fn find(&self, id: ThreadId) -> Option<&T> {
        let slot = &self.slots[Self::slot_of(id)];
        slot.value.as_ref().filter(|_| slot.is(Self::generation_of(id)))
    }

    /// Frees an id that is in use or reserved, and returns its value if there is one. An id that is neither is ignored.
    pub fn remove(&mut self, id: ThreadId) -> Option<T> {
        let index = Self::slot_of(id);
        let slot = &mut self.slots[index];
        if !slot.is(Self::generation_of(id)) {
            return None;
        }
        let value = slot.value.take();
        slot.generation = (slot.generation + 1) % Self::GENERATIONS;
        slot.next_free = 0;
        self.in_use -= 1;
        let index = index as u16;
        if self.first_free == 0 {
            self.first_free = index;
        } else {
            self.slots[usize::from(self.last_free)].next_free = index;
        }
        self.last_free = index;
        value
    }

    /// Returns the values in the slots from `first` on, at most `count` of them. Returns `None` if no slot from `first` on was ever used.
    pub fn in_slots(&self, first: usize, count: usize) -> Option<impl Iterator<Item = &T>> {
        let end = first.saturating_add(count).min(usize::from(self.used) + 1);
        let slots = self.slots.get(first..end).filter(|slots| !slots.is_empty())?;
        Some(slots.iter().filter_map(|slot| slot.value.as_ref()))
    }

    fn slot_of(id: ThreadId) -> usize {
        id.0 as usize % SLOTS
    }

    fn generation_of(id: ThreadId) -> u32 {
        id.0 >> Self::SLOT_BITS
    }
}

impl<T, const SLOTS: usize> Default for ThreadTable<T, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}
