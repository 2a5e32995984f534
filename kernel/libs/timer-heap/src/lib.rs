//! A CPU's timers: by id, and in a binary heap by the time at which they are due.
//!
//! **Setting takes no lock.** [`Shared::set`] writes the timer's time and returns true only if the timer must move up in the heap. A
//! timer that is set to a later time, or stopped, stays where it is in the heap: it moves, or leaves, when it comes to the top. So a
//! driver that sets and stops a timer for each of its requests writes two words a call. All else is under the lock of the CPU's
//! timers, and takes a number of steps that grows with the logarithm of the number of timers in the heap.
//!
//! **No time is lost.** Whoever sets a timer writes its time, and then reads the time by which it is queued. Whoever takes it from the
//! top of the heap writes by which time it is queued, and then reads its time once more. With a fence between the two, one of them
//! sees what the other has written. So at rest no timer is queued by a later time than its own.
//!
//! **Slots stay with their owner** until [`Timers::release`]. A call of [`Shared::set`] that comes too late, after the timer was
//! destroyed, hits no timer of another owner.
//!
//! Nothing is allocated: the caller gives the slots.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

mod atomic;
mod heap;
mod shared;
#[cfg(all(test, not(loom)))]
mod tests;
mod timers;

pub use heap::Entry;
pub use shared::{NEVER, Shared, TimerId, find, free_slot, ids_of};
pub use timers::{Due, Timers};

/// Bits of an id for the slot.
pub const SLOT_BITS: u32 = 9;
/// Slots of a CPU. The first one is reserved, so that no id is 0.
pub const SLOTS: usize = 1 << SLOT_BITS;
/// Bits of an id for the tag.
pub const TAG_BITS: u32 = 10;
/// Ids have this many bits at most, so that they fit the ABI's `int`.
const ID_BITS: u32 = 31;
/// The generations of a slot are below this.
const GENERATIONS: u32 = 1 << (ID_BITS - SLOT_BITS - TAG_BITS);

/// Returns the tag of an id.
#[inline(always)]
#[must_use]
pub const fn tag_of(id: TimerId) -> u32 {
    id.0 >> SLOT_BITS & ((1 << TAG_BITS) - 1)
}
