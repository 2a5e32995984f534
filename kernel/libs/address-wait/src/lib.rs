//! Waiting at an address until its word changes, as with a futex: the protocol without the machine.
//!
//! Addresses are divided among buckets. A bucket has a queue behind a lock, and counts in [`Waiters`] the threads that are in the
//! queue or on their way there. A thread that waits announces itself, takes the lock, reads the word, and enters the queue if the
//! word has the value that it expects. A thread that wakes others writes the word first, then asks [`Waiters::may_wait`], and takes
//! the lock only if that is true.
//!
//! **No wake-up is lost.** Between announcing and reading the word there is a fence, and so there is between writing the word and
//! reading the count. So the waiter sees the new word, or the waker sees the count. In the second case it waits for the lock, and
//! finds the waiter in the queue unless the waiter has seen the new word.
//!
//! **A thread that waits alone needs no queue.** If nobody else has announced itself, it may note in the bucket at which address, and on
//! which CPU, it waits ([`Alone`]), read the word, and halt the CPU with interrupts off until the halt. Whoever wakes it takes the note away with one exchange,
//! and interrupts that CPU. If the CPU is to do something else, the thread moves to the queue under the lock: a thread that wakes it either
//! takes the note away before that, or finds it in the queue.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

use core::sync::atomic::Ordering;

/// How many threads wait in a bucket, or are about to, and the one that waits alone.
pub struct Waiters {
    count: AtomicU32,
    /// What the thread that waits alone has noted; 0 if there is none.
    alone: AtomicU64,
}

/// What a thread notes that waits alone: the address, and its CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alone(u64);

/// Bits of a note for the CPU. Those above hold the address, whose own upper bits are all alike.
const CPU_BITS: u32 = u16::BITS;

impl Alone {
    /// Returns the note of a thread on this CPU. `None` if the address is 0 or not canonical.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: u64, cpu: u16) -> Option<Self> {
        if address != 0 && is_canonical(address) {
            Some(Self(address << CPU_BITS | cpu as u64))
        } else {
            None
        }
    }
}

/// Returns true if the bits that a note leaves out are like the highest one that it has.
#[inline(always)]
const fn is_canonical(address: u64) -> bool {
    ((address << CPU_BITS) as i64 >> CPU_BITS) as u64 == address
}

impl Waiters {
    /// Returns the count of a bucket in which no thread waits.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { count: AtomicU32::new(0), alone: AtomicU64::new(0) }
    }

    /// Returns the count of a bucket in which no thread waits. loom's atomics have no constant constructors.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self { count: AtomicU32::new(0), alone: AtomicU64::new(0) }
    }

    /// Announces the calling thread, which then takes the lock, reads the word and enters the queue. Whether it enters or not, it
    /// calls [`Waiters::leave`] when it does not wait any more.
    #[inline(always)]
    pub fn announce(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Announces the calling thread as [`Waiters::announce`] does, and leaves its note if no other thread has announced itself. Returns false
    /// if it has left none. A thread that has left one reads the word, and then waits until [`Waiters::is_woken`] or until it takes its note
    /// back.
    #[inline(always)]
    #[must_use]
    pub fn announce_alone(&self, note: Alone) -> bool {
        let is_alone = self.count.fetch_add(1, Ordering::Relaxed) == 0
            && self.alone.compare_exchange(0, note.0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        // Both the count and the note are written before the word is read.
        fence(Ordering::SeqCst);
        is_alone
    }

    /// Ends what [`Waiters::announce`] has begun. The thread is not in the queue, and its note is gone.
    #[inline(always)]
    pub fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns false if no thread waits that has not seen what the caller has written before.
    #[inline(always)]
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.count_waiting() != 0
    }

    /// Returns how many threads wait, or are about to, that have not seen what the caller has written before.
    #[inline(always)]
    #[must_use]
    pub fn count_waiting(&self) -> u32 {
        fence(Ordering::SeqCst);
        self.count.load(Ordering::Relaxed)
    }

    /// Wakes the thread that has left a note at this address. Returns its CPU, which the caller interrupts. The thread has come before all that
    /// are in the queue. It is the only one that waits if [`Waiters::count_waiting`] has returned 1 before.
    #[inline(always)]
    #[must_use]
    pub fn wake_alone(&self, address: u64) -> Option<u16> {
        let note = self.alone.load(Ordering::Relaxed);
        if note >> CPU_BITS != address << CPU_BITS >> CPU_BITS || note == 0 || !is_canonical(address) {
            return None;
        }
        // Of two threads that have left the same note one after the other, this wakes the one that is there.
        let taken = self.alone.compare_exchange(note, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        taken.then_some(note as u16)
    }

    /// Returns true if the calling thread, which has left this note, was woken.
    #[inline(always)]
    #[must_use]
    pub fn is_woken(&self, note: Alone) -> bool {
        self.alone.load(Ordering::Acquire) != note.0
    }

    /// Takes back the calling thread's note. Returns false if the thread was woken before.
    ///
    /// A thread that goes on to wait in the queue holds the lock. One that does not wait, because the word is another one than expected, was
    /// perhaps woken in place of a thread that waits: then it wakes the next one.
    #[inline(always)]
    #[must_use]
    pub fn take_back(&self, note: Alone) -> bool {
        self.alone.compare_exchange(note.0, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Default for Waiters {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the bucket of an address, below 2^`bits`. Addresses that are near each other, and those that differ in their high bits
/// alone, are in different buckets as a rule.
#[inline(always)]
#[must_use]
pub const fn bucket_of(address: u64, bits: u32) -> usize {
    // Fibonacci hashing: 2⁶⁴ divided by the golden ratio.
    (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_bucket_that_a_thread_has_left_has_nobody() {
        let waiters = Waiters::new();
        assert!(!waiters.may_wait());
        waiters.announce();
        waiters.announce();
        waiters.leave();
        assert!(waiters.may_wait());
        waiters.leave();
        assert!(!waiters.may_wait());
    }

    #[test]
    fn a_note_names_its_whole_address_and_its_cpu() {
        let high = 0xffff_d800_0002_8040_u64;
        let waiters = Waiters::new();
        let note = Alone::new(high, 1023).expect("a canonical address");
        assert!(waiters.announce_alone(note));
        assert!(!waiters.announce_alone(Alone::new(high, 5).expect("a canonical address")));
        for other in [high + 4, high - 4, high ^ 1 << 63, high ^ 1 << 48, high ^ 1 << 47, 0] {
            assert_eq!(waiters.wake_alone(other), None, "{other:#x}");
        }
        assert!(!waiters.is_woken(note));
        assert_eq!(waiters.wake_alone(high), Some(1023));
        assert!(waiters.is_woken(note) && !waiters.take_back(note));
        assert_eq!(waiters.wake_alone(high), None);
        assert_eq!(Alone::new(high ^ 1 << 60, 0), None);
        assert_eq!(Alone::new(0, 0), None);
    }

    #[test]
    fn words_in_a_row_and_at_a_stride_of_pages_are_spread_over_the_buckets() {
        for stride in [4, 64, 4096, 1 << 20, 64 << 30] {
            let mut full = vec![0; 256];
            for index in 0..1024_u64 {
                full[bucket_of(0xffff_c000_0000_0000 + index * stride, 8)] += 1;
            }
            assert!(full.iter().all(|count| *count <= 16), "stride {stride}: {full:?}");
        }
    }
}
