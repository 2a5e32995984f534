//! The vectors of a CPU that interrupts of devices use.
use crate::atomic::{AtomicU64, constructor};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// The lowest vector of a device. The class below it, 0x20 to 0x2f, has a lower priority than any device's interrupt.
pub const FIRST_VECTOR: u8 = 0x30;
/// The highest vector of a device. The kernel's own ones are above it.
pub const LAST_VECTOR: u8 = 0xdf;

const WORD_BITS: u8 = 64;
const WORDS: usize = 4;

/// The vectors of each word that are for devices.
const FOR_DEVICES: [u64; WORDS] = {
    let mut words = [0; WORDS];
    let mut vector = FIRST_VECTOR;
    while vector <= LAST_VECTOR {
        words[(vector / WORD_BITS) as usize] |= 1 << (vector % WORD_BITS);
        vector += 1;
    }
    words
};

/// The vectors of one CPU that are in use. CPUs may allocate and free at once.
pub struct VectorSet {
    /// Bit n of word w is set while vector 64w + n is in use.
    used: [AtomicU64; WORDS],
}

impl VectorSet {
    constructor! {
        /// Returns a set without vectors in use.
        pub fn new() -> Self {
            Self { used: [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)] }
        }
    }

    /// Allocates the lowest free vector, or returns `None` if all are in use.
    pub fn allocate(&self) -> Option<u8> {
        self.allocate_where(|_| u64::MAX)
    }

    /// Allocates the lowest vector that is also free in `other`, or is `or` there. The vector is not allocated in `other`.
    ///
    /// The caller keeps others from allocating in `other` meanwhile, or allocates there next and tries again.
    pub fn allocate_common(&self, other: &Self, or: u8) -> Option<u8> {
        let (own_word, own_bit) = place(or);
        // The own vector first: a move that keeps its vector changes one register only.
        if self.allocate_this(or) {
            return Some(or);
        }
        self.allocate_where(|word| {
            let free = !other.used[word].load(Acquire);
            if word == own_word { free | own_bit } else { free }
        })
    }

    /// Allocates this vector. Returns false if it is in use, or not for devices.
    pub fn allocate_this(&self, vector: u8) -> bool {
        let (word, bit) = place(vector);
        FOR_DEVICES[word] & bit != 0 && self.used[word].fetch_or(bit, AcqRel) & bit == 0
    }

    /// Allocates the lowest free vector whose bit is set in `allowed` of its word.
    fn allocate_where(&self, allowed: impl Fn(usize) -> u64) -> Option<u8> {
        (0..WORDS).find_map(|index| {
            let word = &self.used[index];
            let mut used = word.load(Relaxed);
            loop {
                let free = !used & FOR_DEVICES[index] & allowed(index);
                if free == 0 {
                    return None;
                }
                let bit = free.trailing_zeros() as u8;
                match word.compare_exchange(used, used | 1 << bit, AcqRel, Relaxed) {
                    Ok(_) => return Some(index as u8 * WORD_BITS + bit),
                    Err(now) => used = now,
                }
            }
        })
    }

    /// Frees a vector. Returns false if it was not in use.
    pub fn free(&self, vector: u8) -> bool {
        let (word, bit) = place(vector);
        self.used[word].fetch_and(!bit, AcqRel) & bit != 0
    }

    /// Returns the number of vectors in use.
    pub fn used(&self) -> u32 {
        self.used.iter().map(|word| word.load(Relaxed).count_ones()).sum()
    }
}

#[cfg(not(loom))]
impl Default for VectorSet {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the word of a vector, and its bit there.
const fn place(vector: u8) -> (usize, u64) {
    ((vector / WORD_BITS) as usize, 1 << (vector % WORD_BITS))
}
