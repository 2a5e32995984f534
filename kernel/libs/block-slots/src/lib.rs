//! The outstanding requests of a queue of a block device, as the kernel knows them: a table of slots.
//!
//! A request is in driver memory, which the kernel does not trust. So the table decides alone whether a request is outstanding: it
//! is while a slot holds it. The request itself notes its slot, and keeps the note when it has completed. The next
//! submission takes the same slot again, unless another request holds it. So no list of free slots is kept, and a
//! submission and a completion are one exchange each.
//!
//! - A slot changes from free to a request by a submission only.
//! - A slot changes from a request to free once, whoever completes the request, and however often: the exchange fails for all others.
//! - A note that is wrong leads to a slot that does not hold the request, or to no slot.
//!
//! Any number of CPUs may call everything at the same time.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

#[cfg(not(loom))]
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
#[cfg(loom)]
use loom::sync::atomic::AtomicUsize;

/// What a free slot holds. No request has this address.
const FREE: usize = 0;

/// A place for one outstanding request, by its address.
pub struct Slot(AtomicUsize);

impl Slot {
    /// Returns a free slot.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn free() -> Self {
        Self(AtomicUsize::new(FREE))
    }

    /// Returns a free slot.
    #[cfg(loom)]
    #[must_use]
    pub fn free() -> Self {
        Self(AtomicUsize::new(FREE))
    }

    /// Puts a request into the slot. Fails, and changes nothing, if the slot is not free.
    #[inline(always)]
    pub fn claim(&self, request: usize) -> bool {
        self.0.compare_exchange(FREE, request, AcqRel, Relaxed).is_ok()
    }

    /// Frees the slot. Fails, and changes nothing, if it does not hold this request. For each claim, one call succeeds.
    #[inline(always)]
    pub fn release(&self, request: usize) -> bool {
        request != FREE && self.0.compare_exchange(request, FREE, AcqRel, Relaxed).is_ok()
    }

    /// Returns true if the slot holds this request.
    pub fn holds(&self, request: usize) -> bool {
        self.0.load(Acquire) == request
    }

    /// Frees the slot, and returns the request that it held.
    pub fn take(&self) -> Option<usize> {
        let request = self.0.swap(FREE, AcqRel);
        (request != FREE).then_some(request)
    }
}

/// The slots of a queue.
pub struct Slots<'s> {
    slots: &'s [Slot],
    /// Where the search for a free slot begins.
    next: AtomicUsize,
}

impl<'s> Slots<'s> {
    /// Returns the slots of a queue that holds as many requests.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(slots: &'s [Slot]) -> Self {
        Self { slots, next: AtomicUsize::new(0) }
    }

    /// Returns the slots of a queue that holds as many requests.
    #[cfg(loom)]
    #[must_use]
    pub fn new(slots: &'s [Slot]) -> Self {
        Self { slots, next: AtomicUsize::new(0) }
    }

    /// Returns the slot with this index.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&'s Slot> {
        self.slots.get(index as usize)
    }

    /// Returns all slots.
    pub fn all(&self) -> &'s [Slot] {
        self.slots
    }

    /// Puts a request into a slot that is free, and returns the slot's index. This is for a request that has no slot yet, or whose slot
    /// another request holds. Slots are tried in turn, so that requests spread over them. Returns `None` if each slot was taken when
    /// it was tried.
    pub fn claim_any(&self, request: usize) -> Option<u32> {
        let mut index = self.next.load(Relaxed);
        for _ in self.slots {
            index = if index < self.slots.len() { index } else { 0 };
            if self.slots[index].claim(request) {
                // Only a hint: it does not matter whose is kept.
                self.next.store(index + 1, Relaxed);
                return u32::try_from(index).ok();
            }
            index += 1;
        }
        None
    }
}
