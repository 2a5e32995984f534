//! Searches in a block's frame map: free chunks of each order, and runs of free frames.
use core::ops::Range;

use super::{FrameMap, WORD_ORDER, WORDS, ones};
use crate::word::Word;

/// The bits that start an aligned chunk of each order up to 6 within a word.
const CHUNK_STARTS: [u64; 7] = [
    !0,
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
];

impl FrameMap {
    /// Returns the order of the largest aligned run of free frames that contains this aligned free chunk.
    pub fn order_around(&self, first: u16) -> u8 {
        let word = first / 64;
        let taken = !self.words[usize::from(word)].available();
        if taken != 0 {
            return order_within(taken, (first % 64).into());
        }
        let word = usize::from(word);
        let mut len = 1;
        while len < WORDS {
            let buddy = (word ^ len) & !(len - 1);
            if self.words[buddy..buddy + len].iter().any(|word| word.available() != !0) {
                break;
            }
            len *= 2;
        }
        WORD_ORDER + len.ilog2() as u8
    }

    /// Returns the order of the largest aligned run of free frames that has frames in the word of `frame`. `available` are the
    /// free frames of that word, at least one.
    pub fn largest_order_at(&self, frame: u16, available: u64) -> u8 {
        match available {
            u64::MAX => self.order_around(frame),
            free => largest_aligned(free, WORD_ORDER - 1),
        }
    }

    /// Returns the maximal runs of free frames within each word, ascending. Runs in neighbouring words may touch.
    pub fn free_runs(&self) -> impl Iterator<Item = Range<u16>> {
        let mut word = 0;
        let mut left = self.words[0].available();
        core::iter::from_fn(move || {
            while left == 0 {
                word += 1;
                left = self.words.get(word)?.available();
            }
            let start = left.trailing_zeros();
            let len = (left >> start).trailing_ones();
            left &= !(ones(len) << start);
            let first = (word as u32 * 64 + start) as u16;
            Some(first..first + len as u16)
        })
    }

    /// Returns the order of the largest aligned run of free frames, at most 9, or `None` if no frame is free.
    pub fn largest_order(&self) -> Option<u8> {
        let whole = self.whole_words();
        if whole != 0 {
            return Some(6 + largest_aligned(whole.into(), 3));
        }
        let mut chunks = self.words.each_ref().map(Word::available);
        let mut largest = None;
        for order in 0..6u8 {
            if chunks.iter().fold(0, |any, word| any | word) == 0 {
                break;
            }
            largest = Some(order);
            for word in &mut chunks {
                *word = next_order(*word, order);
            }
        }
        largest
    }

    /// Returns the lowest aligned run of 2^`order` free frames. `order` is at most 8.
    pub fn find(&self, order: u8) -> Option<u16> {
        if order >= 6 {
            let chunks = (0..order - 6).fold(self.whole_words().into(), next_order);
            return (chunks != 0).then(|| chunks.trailing_zeros() as u16 * 64);
        }
        self.words.iter().zip(0..).find_map(|(word, position)| {
            let free = word.available();
            let chunks = if free == 0 || free == !0 { free } else { (0..order).fold(free, next_order) };
            (chunks != 0).then(|| position * 64 + chunks.trailing_zeros() as u16)
        })
    }

    /// Adds the frames of each maximal free chunk to the count of the chunk's order.
    pub fn count_by_order(&self, frames: &mut [u64]) {
        let whole = self.whole_words();
        count_chunks(whole.into(), 3, |order, chunks| {
            frames[usize::from(order) + 6] += chunks << (order + 6)
        });
        for word in self.words.iter().filter(|word| word.available() != !0) {
            count_chunks(word.available(), 5, |order, chunks| frames[usize::from(order)] += chunks << order);
        }
    }

    /// Returns a bit for each word whose frames are all free.
    fn whole_words(&self) -> u8 {
        self.words.iter().rev().fold(0, |whole, word| whole << 1 | u8::from(word.available() == !0))
    }
}

/// Returns the starts of the next order's aligned chunks, from those of this order, within one word.
fn next_order(chunks: u64, order: u8) -> u64 {
    chunks & (chunks >> (1u32 << order)) & CHUNK_STARTS[usize::from(order) + 1]
}

/// Returns the order of the largest aligned run around bit `at` that contains no bit of `taken`; `taken` is not 0.
///
/// An aligned run that contains one bit and not another has at most the order at which their numbers first differ. The nearest
/// taken bit on either side decides.
fn order_within(taken: u64, at: u32) -> u8 {
    let below = taken & ((1 << at) - 1);
    let above = taken & !((1 << at) - 1);
    let below = below.checked_ilog2().map_or(WORD_ORDER.into(), |other| (other ^ at).ilog2());
    let above = if above != 0 { (above.trailing_zeros() ^ at).ilog2() } else { WORD_ORDER.into() };
    below.min(above) as u8
}

/// Returns the largest order, at most `limit`, of a chunk among these starts of order 0. At least one bit is set.
fn largest_aligned(mut chunks: u64, limit: u8) -> u8 {
    for order in 0..limit {
        chunks = next_order(chunks, order);
        if chunks == 0 {
            return order;
        }
    }
    limit
}

/// Reports the number of maximal chunks of each order up to `limit` that these free frames form.
fn count_chunks(mut chunks: u64, limit: u8, mut report: impl FnMut(u8, u64)) {
    for order in 0..=limit {
        let larger = if order < limit { next_order(chunks, order) } else { 0 };
        report(order, u64::from(chunks.count_ones()) - 2 * u64::from(larger.count_ones()));
        chunks = larger;
    }
}
