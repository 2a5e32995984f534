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

    /// Frees the slot. Fails, and changes nothing, if it does not hold this request, whose address is not 0. For each claim, one
    /// call succeeds.
    #[inline(always)]
    pub fn release(&self, request: usize) -> bool {
        debug_assert!(request != FREE, "no request has address 0");
        self.0.compare_exchange(request, FREE, AcqRel, Relaxed).is_ok()
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

/// Puts a request into one of these slots that is free, and returns the slot's index. This is for a request that has no slot yet, or
/// whose slot another request holds. Slots are tried in turn from `next` on, which all searches of a queue share, so that requests
/// spread over them. Returns `None` if each slot was taken when it was tried.
pub fn claim_any(slots: &[Slot], next: &AtomicUsize, request: usize) -> Option<u32> {
    let mut index = next.load(Relaxed);
    for _ in slots {
        index = if index < slots.len() { index } else { 0 };
        if slots[index].claim(request) {
            // Only a hint: it does not matter whose is kept.
            next.store(index + 1, Relaxed);
            return u32::try_from(index).ok();
        }
        index += 1;
    }
    None
}
