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
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, loom))]
extern crate std;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, fence};

use core::sync::atomic::Ordering;

/// How many threads wait in a bucket, or are about to.
pub struct Waiters(AtomicU32);

impl Waiters {
    /// Returns the count of a bucket in which no thread waits.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Returns the count of a bucket in which no thread waits. loom's atomics have no constant constructors.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Announces the calling thread, which then takes the lock, reads the word and enters the queue. Whether it enters or not, it
    /// calls [`Waiters::leave`] when it does not wait any more.
    pub fn announce(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Ends what [`Waiters::announce`] has begun. The thread is not in the queue.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns false if no thread waits that has not seen what the caller has written before.
    #[inline(always)]
    #[must_use]
    pub fn may_wait(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) != 0
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
