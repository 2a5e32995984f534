//! All threads by their ids.
use super::thread::{Thread, ThreadId};
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock, SpinLockGuard};

/// The most threads at a time.
pub const MAX_THREADS: usize = 8192;
const SLOT_BITS: u32 = MAX_THREADS.ilog2();
/// Ids stay positive in the ABI's `int`.
const GENERATIONS: u32 = 1 << (31 - SLOT_BITS);

/// The table; while it is locked, no thread in it goes away. A thread's id is its slot and how often that was used before,
/// so that an id of a thread long gone finds nothing. Finding, adding and removing cost the same however many there are.
pub struct ThreadTable {
    slots: [Slot; MAX_THREADS],
    /// Slots that were given back, linked by `next_free`; 0 ends the list, as no thread has slot 0.
    first_free: u16,
    /// The first slot that was never used.
    fresh: u16,
}

#[derive(Clone, Copy)]
struct Slot {
    thread: Option<&'static Thread>,
    generation: u32,
    next_free: u16,
}

static TABLE: SpinLock<ThreadTable, PreemptionOff> = SpinLock::new(
    Rank::Threads,
    ThreadTable {
        slots: [Slot { thread: None, generation: 0, next_free: 0 }; MAX_THREADS],
        first_free: 0,
        fresh: 1,
    },
);

/// Locks the table.
pub fn lock() -> SpinLockGuard<'static, ThreadTable, PreemptionOff> {
    TABLE.lock()
}

impl ThreadTable {
    /// Takes an id for a thread to be; `None`: there are [`MAX_THREADS`].
    pub fn reserve(&mut self) -> Option<ThreadId> {
        let slot = if self.first_free != 0 {
            let slot = self.first_free;
            self.first_free = self.slots[usize::from(slot)].next_free;
            slot
        } else {
            let slot = self.fresh;
            self.fresh = (usize::from(slot) < MAX_THREADS).then_some(slot + 1)?;
            slot
        };
        let generation = self.slots[usize::from(slot)].generation;
        Some(ThreadId(generation << SLOT_BITS | u32::from(slot)))
    }

    /// Puts a thread under the id that was reserved for it.
    pub fn insert(&mut self, thread: &'static Thread) {
        self.slots[slot_of(thread.id)].thread = Some(thread);
    }

    /// The thread with this id.
    pub fn find(&self, id: ThreadId) -> Option<&'static Thread> {
        self.slots[slot_of(id)].thread.filter(|thread| thread.id == id)
    }

    /// Gives an id back, whether a thread had it or it was only reserved.
    pub fn remove(&mut self, id: ThreadId) {
        let index = slot_of(id);
        let next_free = core::mem::replace(&mut self.first_free, index as u16);
        let slot = &mut self.slots[index];
        *slot = Slot { thread: None, generation: (slot.generation + 1) % GENERATIONS, next_free };
    }
}

fn slot_of(id: ThreadId) -> usize {
    id.0 as usize % MAX_THREADS
}
