//! The states of the 512 frames of a split block.
use core::ops::Range;
use core::sync::atomic::Ordering::Acquire;

use crate::atomic::fence;
use crate::word::{FrameState, Word};

mod search;

/// Frames in a block: 2 MiB, which one large page maps.
pub const BLOCK_FRAMES: u16 = 1 << 9;

const WORDS: usize = BLOCK_FRAMES as usize / 64;

/// Orders up to this one fit in a word.
const WORD_ORDER: u8 = 6;

/// The states of a block's frames.
#[derive(Debug)]
#[repr(align(64))]
pub struct FrameMap([Word; WORDS]);

impl FrameMap {
    /// Returns the map of a block whose frames are all free.
    pub const fn all_free() -> Self {
        Self([const { Word::all_free() }; WORDS])
    }

    /// Returns the map of a block none of whose frames was added.
    pub const fn all_reserved() -> Self {
        Self([const { Word::all_reserved() }; WORDS])
    }

    /// Stores the states of another map.
    pub fn copy_from(&self, other: &Self) {
        self.0.iter().zip(&other.0).for_each(|(word, other)| word.copy_from(other));
    }

    /// Returns the word of a frame of the block.
    #[inline]
    pub const fn word_of(&self, frame: u64) -> &Word {
        &self.0[(frame / 64) as usize % WORDS]
    }

    /// Returns the state of a frame.
    pub fn state(&self, frame: u16) -> FrameState {
        self.word_of(frame.into()).state(frame.into())
    }

    /// Makes free frames a grant, or a further part of a grant that starts in an earlier block.
    pub fn grant(&self, frames: Range<u16>, starts_grant: bool) {
        let mut words = masks(frames.clone());
        let first = words.next();
        // The other words first: no frame behind a grant's first frame may still be free.
        words.for_each(|(word, mask)| self.0[word].grant_free(mask, 0));
        if let Some((word, mask)) = first {
            self.0[word].grant_free(mask, if starts_grant { 1 << (frames.start % 64) } else { 0 });
        }
    }

    /// Makes granted or reserved frames free.
    pub fn release(&self, frames: Range<u16>) {
        masks(frames).for_each(|(word, mask)| self.0[word].release(mask));
    }

    /// Reserves free frames.
    pub fn reserve(&self, frames: Range<u16>) {
        masks(frames).for_each(|(word, mask)| self.0[word].reserve_free(mask));
    }

    /// Makes an aligned chunk of free frames a grant of its own. `order` is at most 8.
    #[inline]
    pub fn grant_chunk(&self, first: u16, order: u8) {
        let (words, mask) = chunk(first, order);
        let mut heads = 1 << (first % 64);
        for word in &self.0[words] {
            word.grant_free(mask, heads);
            heads = 0;
        }
    }

    /// Reserves an aligned chunk that is a grant of its own. `order` is at most 8. Returns false, with nothing changed, if a
    /// cache has taken the chunk back at the same moment, which happens only to single frames.
    #[inline]
    pub fn reserve_chunk(&self, first: u16, order: u8) -> bool {
        if order == 0 {
            return self.word_of(first.into()).reserve_single(first.into());
        }
        let (words, mask) = chunk(first, order);
        self.0[words].iter().for_each(|word| word.reserve_granted(mask));
        true
    }

    /// Makes an aligned reserved chunk a grant of its own. `order` is at most 8.
    #[inline]
    pub fn grant_reserved_chunk(&self, first: u16, order: u8) {
        if order == 0 {
            return self.word_of(first.into()).grant_reserved_single(first.into());
        }
        let (words, mask) = chunk(first, order);
        let mut heads = 1 << (first % 64);
        for word in &self.0[words] {
            word.grant_reserved(mask, heads);
            heads = 0;
        }
    }

    /// Makes an aligned reserved chunk free. `order` is at most 8.
    #[inline]
    pub fn release_reserved_chunk(&self, first: u16, order: u8) {
        let (words, mask) = chunk(first, order);
        self.0[words].iter().for_each(|word| word.release_reserved(mask));
    }

    /// Returns true if the aligned chunk is a grant of its own. Returns false also if only the next block can tell.
    #[inline]
    pub fn is_granted_chunk(&self, first: u16, order: u8) -> bool {
        if order == 0 {
            return self.is_single(first);
        }
        if order < WORD_ORDER && first % 64 + (1 << order) < 64 {
            return self.word_of(first.into()).is_grant(first.into(), 1 << order);
        }
        self.is_granted_long_chunk(first, order)
    }

    /// Returns true if the frame is a grant of its own. Returns false for the block's last frame.
    #[inline]
    pub fn is_single(&self, frame: u16) -> bool {
        let (word, next) = (self.word_of(frame.into()), frame + 1);
        if next % 64 != 0 {
            return word.is_single(frame.into());
        }
        let (next_word, free) = (self.word_of(next.into()), word.free());
        word.head() & !free & 1 << 63 != 0 && next < BLOCK_FRAMES && next_word.not_inside() & 1 != 0
    }

    /// Returns true if all frames of a word from `first` on are a grant of their own. Returns false in the block's last word.
    #[inline(always)]
    pub fn is_grant_at_word_end(&self, first: u16) -> bool {
        let word = self.word_of(first.into());
        let free = word.free() >> (first % 64);
        let heads = word.head() >> (first % 64);
        let next = (first | 63) + 1;
        let next_word = self.word_of(next.into());
        free == 0 && heads == 1 && next < BLOCK_FRAMES && next_word.not_inside() & 1 != 0
    }

    #[inline(never)]
    fn is_granted_long_chunk(&self, first: u16, order: u8) -> bool {
        let (words, mask) = chunk(first, order);
        let bit = 1 << (first % 64);
        let starts = self.0[words.start].head() & mask == bit && self.0[words.start].free() & mask == 0;
        // Pairs with the release of the store that made this a grant. The other words were written before that store.
        fence(Acquire);
        let mut others = self.0[words.start + 1..words.end].iter();
        let next = first + (1 << order);
        starts
            && others.all(|word| word.not_inside() == 0)
            && next < BLOCK_FRAMES
            && self.state(next) != FrameState::Inside
    }

    /// Returns the lowest of the frames that is not free.
    pub fn first_not_free(&self, frames: Range<u16>) -> Option<u16> {
        masks(frames).find_map(|(word, mask)| {
            let others = mask & !self.0[word].available();
            (others != 0).then(|| word as u16 * 64 + others.trailing_zeros() as u16)
        })
    }

    /// Returns true if all these frames are reserved.
    pub fn is_reserved(&self, frames: Range<u16>) -> bool {
        masks(frames).all(|(word, mask)| self.0[word].free() & self.0[word].head() & mask == mask)
    }

    /// Counts the frames from `first` on that are inside a grant, up to the first frame that is not.
    pub fn inside_from(&self, first: u16) -> u16 {
        for (word, mask) in masks(first..BLOCK_FRAMES) {
            let others = self.0[word].not_inside() & mask;
            if others != 0 {
                return word as u16 * 64 + others.trailing_zeros() as u16 - first;
            }
        }
        BLOCK_FRAMES - first
    }
}

/// Returns the words of an aligned chunk of up to 256 frames, and its bits in each.
#[inline]
fn chunk(first: u16, order: u8) -> (Range<usize>, u64) {
    let word = usize::from(first / 64) % WORDS;
    if order < WORD_ORDER {
        (word..word + 1, ones(1 << order) << (first % 64))
    } else {
        (word..WORDS.min(word + (1 << (order - WORD_ORDER))), !0)
    }
}

/// Returns the words of the frames, each with the frames' bits in it. There is at least one frame.
fn masks(frames: Range<u16>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = frames;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let first = start.max(word * 64) - word * 64;
        let len = end.min(word * 64 + 64) - word * 64 - first;
        (usize::from(word), ones(len.into()) << first)
    })
}

/// Returns the lowest `len` bits, 1 to 64.
const fn ones(len: u32) -> u64 {
    !0 >> (64 - len)
}

#[cfg(test)]
mod tests;
