//! The outstanding requests of a queue of a block device, as the kernel knows them: a table of slots.
//!
//! A request is in driver memory, which the kernel does not trust. So the table decides alone whether a request is outstanding: it
//! is while a slot holds it. The request itself notes its slot, and keeps the note when it has completed. A free slot
//! holds the note that leads to it, so the next submission exchanges the request's note for the request: this fails if the slot
//! is taken, and also if the note is another one. So no list of free slots is kept, and a submission and a completion are one exchange each.
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

/// The highest note, which a request keeps in 32 bits. All requests have addresses above it.
const HIGHEST_NOTE: usize = u32::MAX as usize;
/// A bit in a slot that a request has claimed only to leave it: nobody completes the request there. Addresses of requests are even.
const LEAVING: usize = 1;
/// What an unusable slot holds: no note, and an address that is not canonical.
const UNUSABLE: usize = 1 << (usize::BITS - 1);

/// A place for one outstanding request, by its address. If it is free, it holds its note.
pub struct Slot(AtomicUsize);

impl Slot {
    /// Returns a free slot, to which this note leads.
    #[must_use]
    pub fn free(note: usize) -> Self {
        Self(AtomicUsize::new(note))
    }

    /// Returns a slot that is never free.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn unusable() -> Self {
        Self(AtomicUsize::new(UNUSABLE))
    }

    /// Returns a slot that is never free.
    #[cfg(loom)]
    #[must_use]
    pub fn unusable() -> Self {
        Self(AtomicUsize::new(UNUSABLE))
    }

    /// Puts a request into the slot. Fails, and changes nothing, if the slot is not free, or if its note is another one.
    #[inline(always)]
    pub fn claim(&self, request: usize, note: usize) -> bool {
        self.0.compare_exchange(note, request, AcqRel, Relaxed).is_ok()
    }

    /// Puts a request into the slot that it notes. `still_notes` reads the request's note once more, and returns true if it is the same:
    /// another CPU may have moved the request to another slot since `note` was read. Fails, and changes nothing, also then.
    #[inline(always)]
    pub fn claim_noted(&self, request: usize, note: usize, still_notes: impl FnOnce(usize) -> bool) -> bool {
        // The exchange returns the note. Used from here on, it stays in the register where the exchange leaves it.
        let Ok(note) = self.0.compare_exchange(note, request, AcqRel, Relaxed) else { return false };
        // If the slot is free again already, the request was completed in it.
        still_notes(note) || !self.release(request, note)
    }

    /// Frees the slot, whose note this is. Fails, and changes nothing, if it does not hold this request. For each claim, one call
    /// succeeds.
    #[inline(always)]
    pub fn release(&self, request: usize, note: usize) -> bool {
        self.0.compare_exchange(request, note, AcqRel, Relaxed).is_ok()
    }

    /// Returns true if the slot holds this request, or if the request is about to leave it for another slot.
    pub fn holds(&self, request: usize) -> bool {
        self.0.load(Acquire) & !LEAVING == request
    }

    /// Returns the request that the slot holds.
    pub fn held(&self) -> Option<usize> {
        let held = self.0.load(Acquire);
        (held > HIGHEST_NOTE && held & LEAVING == 0 && held != UNUSABLE).then_some(held)
    }

    /// Frees the slot, whose note this is, and returns the request that it held.
    pub fn take(&self, note: usize) -> Option<usize> {
        let held = self.0.swap(note, AcqRel);
        (held > HIGHEST_NOTE && held & LEAVING == 0).then_some(held)
    }
}

/// The slots of a queue, for requests that need another slot than the one they note.
#[derive(Clone, Copy)]
pub struct Slots<'s> {
    /// The slots.
    pub slots: &'s [Slot],
    /// The note of the first slot. Those of the others follow.
    pub first_note: usize,
    /// Where the search begins. All searches of a queue share it, so that requests spread over the slots.
    pub next: &'s AtomicUsize,
}

/// Why a request does not get a slot. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// Each slot was taken when it was tried.
    Full,
    /// The request is outstanding: another CPU has submitted it meanwhile.
    Twice,
}

impl Slots<'_> {
    /// Puts a request into a slot of this queue that is free, and changes the request's note. `noted` is the slot that the request
    /// notes now, in any queue, and the note. `change_note` exchanges it for the new one, and fails if the request has another one.
    ///
    /// The noted slot is claimed meanwhile if it is free. So no CPU that submits the request by its note succeeds, too.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn claim_any(
        &self,
        request: usize,
        noted: (&Slot, usize),
        change_note: impl FnOnce(usize) -> bool,
    ) -> Result<(), ClaimError> {
        let (slot, note) = noted;
        let is_claimed = slot.claim(request | LEAVING, note);
        // Returns false if the slot's queue was taken away meanwhile.
        let release_noted = || !is_claimed || slot.release(request | LEAVING, note);
        if !is_claimed && slot.holds(request) {
            return Err(ClaimError::Twice);
        }
        let Some((new, new_note)) = self.search(request) else {
            release_noted();
            return Err(ClaimError::Full);
        };
        let is_changed = change_note(new_note);
        if release_noted() && is_changed {
            return Ok(());
        }
        new.release(request, new_note);
        Err(ClaimError::Twice)
    }

    /// Puts a request into a free slot, and returns the slot and its note.
    fn search(&self, request: usize) -> Option<(&Slot, usize)> {
        let mut index = self.next.load(Relaxed);
        for _ in self.slots {
            index = if index < self.slots.len() { index } else { 0 };
            let (slot, note) = (&self.slots[index], self.first_note + index);
            index += 1;
            if slot.claim(request, note) {
                // Only a hint: it does not matter whose is kept.
                self.next.store(index, Relaxed);
                return Some((slot, note));
            }
        }
        None
    }
}
