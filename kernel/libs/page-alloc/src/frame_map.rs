//! The states of the 512 frames of a split block.
use core::ops::Range;

use crate::owner::PageOwner;
use crate::owners::{OwnerByte, Owners};
use crate::word::{FrameState, Word, bit_of};

mod search;

/// Frames in a block: 2 MiB, which one large page maps.
pub const BLOCK_FRAMES: u16 = 1 << 9;

const WORDS: usize = BLOCK_FRAMES as usize / 64;

/// Returns the owners of a block of which no frame starts a grant.
const fn no_owners() -> [Owners; WORDS] {
    [const { [const { OwnerByte::none() }; 64] }; WORDS]
}

/// Orders up to this one fit in a word.
const WORD_ORDER: u8 = 6;

/// The states of a block's frames. The bytes that caches change lie apart from the words, which the holder of the node's lock changes.
#[derive(Debug)]
#[repr(align(64))]
pub struct FrameMap {
    words: [Word; WORDS],
    owners: [Owners; WORDS],
}

/// Which part of a grant some frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantPart {
    /// All of it.
    Whole,
    /// Its beginning.
    First,
    /// A part that does not contain its first frame.
    Further,
}

impl FrameMap {
    /// Returns the map of a block whose frames are all free.
    #[cfg(test)]
    pub const fn all_free() -> Self {
        Self { owners: no_owners(), words: [const { Word::all_free() }; WORDS] }
    }

    /// Returns the map of a block none of whose frames was added.
    pub const fn all_reserved() -> Self {
        Self { owners: no_owners(), words: [const { Word::all_reserved() }; WORDS] }
    }

    /// Stores the states of another map.
    #[cfg(test)]
    pub fn copy_from(&self, other: &Self) {
        self.words.iter().zip(&other.words).for_each(|(word, other)| word.copy_from(other));
        let owners = self.owners.as_flattened().iter().zip(other.owners.as_flattened());
        owners.for_each(|(owner, other)| owner.copy_from(other));
    }

    /// Makes all frames free, or reserved. None of them is a grant of its own.
    pub fn set_all(&self, free: bool) {
        self.words.iter().for_each(|word| word.set_all(free));
    }

    /// Returns the word of a frame of the block.
    #[inline]
    pub const fn word_of(&self, frame: u64) -> &Word {
        &self.words[(frame / 64) as usize % WORDS]
    }

    /// Returns the owner of the grant that starts with a frame of the block.
    #[inline(always)]
    pub fn owner_of(&self, frame: u64) -> &OwnerByte {
        &self.owners.as_flattened()[frame as usize % BLOCK_FRAMES as usize]
    }

    /// Returns the owners of the grants that start with the frames of a word of the block.
    #[inline]
    pub const fn owners_of(&self, frame: u64) -> &Owners {
        &self.owners[(frame / 64) as usize % WORDS]
    }

    /// Returns the state of a frame: [`FrameState::Head`] for the block's last frame also if it is withheld, which only the next
    /// block can tell.
    pub fn state(&self, frame: u16) -> FrameState {
        match self.word_of(frame.into()).state(frame.into()) {
            FrameState::Head if self.owner_of(frame.into()).is_single() => FrameState::Single,
            FrameState::Head if frame + 1 < BLOCK_FRAMES && !self.is_inside(frame + 1) => {
                FrameState::Withheld
            }
            state => state,
        }
    }

    /// Makes free frames this part of a grant of the owner.
    pub fn grant(&self, frames: Range<u16>, part: GrantPart, owner: PageOwner) {
        if part == GrantPart::Whole && frames.len() == 1 {
            return self.grant_single(frames.start, owner);
        }
        let mut heads = 0;
        if part != GrantPart::Further {
            heads = bit_of(frames.start.into());
            self.owner_of(frames.start.into()).set_owner(owner);
        }
        for (word, mask) in masks(frames) {
            self.words[word].grant_free(mask, heads);
            heads = 0;
        }
    }

    /// Makes a free frame a grant of its own.
    fn grant_single(&self, frame: u16, owner: PageOwner) {
        self.word_of(frame.into()).withhold_free(bit_of(frame.into()));
        self.owner_of(frame.into()).grant(owner);
    }

    /// Makes reserved frames free, or those of a grant of several.
    pub fn release(&self, frames: Range<u16>) {
        masks(frames).for_each(|(word, mask)| self.words[word].release(mask));
    }

    /// Reserves free frames.
    pub fn reserve(&self, frames: Range<u16>) {
        masks(frames).for_each(|(word, mask)| self.words[word].reserve_free(mask));
    }

    /// Makes an aligned chunk of free frames a grant of its own. `order` is at most 8.
    #[inline]
    pub fn grant_chunk(&self, first: u16, order: u8, owner: PageOwner) {
        if order == 0 {
            return self.grant_single(first, owner);
        }
        self.owner_of(first.into()).set_owner(owner);
        let (words, mask) = chunk(first, order);
        let mut heads = bit_of(first.into());
        for word in &self.words[words] {
            word.grant_free(mask, heads);
            heads = 0;
        }
    }

    /// Reserves an aligned chunk, or withholds a single frame, if it is a grant of its own, and this owner's. `order` is at most 8. Returns
    /// false, with nothing changed, if it is not, or if only the next block can tell.
    #[inline]
    pub fn take_back_chunk(&self, first: u16, order: u8, owner: PageOwner) -> bool {
        if order == 0 {
            return self.owner_of(first.into()).take_back(owner);
        }
        let is_granted = if order < WORD_ORDER && first % 64 + (1 << order) < 64 {
            self.word_of(first.into()).is_grant(first.into(), 1 << order, false)
        } else {
            self.is_granted_long_chunk(first, order)
        };
        let takes_back = is_granted && self.owner_of(first.into()).is_owner(owner);
        if takes_back {
            let (words, mask) = chunk(first, order);
            self.words[words].iter().for_each(|word| word.reserve_granted(mask));
        }
        takes_back
    }

    /// Makes an aligned reserved or withheld chunk a grant of its own. `order` is at most 8.
    #[inline]
    pub fn grant_reserved_chunk(&self, first: u16, order: u8, owner: PageOwner) {
        if order == 0 {
            return self.owner_of(first.into()).grant(owner);
        }
        self.owner_of(first.into()).set_owner(owner);
        let (words, mask) = chunk(first, order);
        let mut heads = bit_of(first.into());
        for word in &self.words[words] {
            word.grant_reserved(mask, heads);
            heads = 0;
        }
    }

    /// Makes an aligned reserved or withheld chunk free. `order` is at most 8.
    #[inline]
    pub fn release_chunk(&self, first: u16, order: u8) {
        let (words, mask) = chunk(first, order);
        self.words[words].iter().for_each(|word| word.release(mask));
    }

    /// Returns true if all frames of a word from `first` on, at least two, are a grant of the kernel or of others. Returns false in
    /// the block's last word.
    #[inline(always)]
    pub fn is_grant_at_word_end(&self, first: u16, kernel_owned: bool) -> bool {
        let word = self.word_of(first.into());
        let free = word.free() >> (first % 64);
        let heads = word.head() >> (first % 64);
        let next = (first | 63) + 1;
        let next_word = self.word_of(next.into());
        free == u64::from(kernel_owned)
            && heads == 1
            && next < BLOCK_FRAMES
            && next_word.not_inside() & 1 != 0
    }

    #[inline(never)]
    fn is_granted_long_chunk(&self, first: u16, order: u8) -> bool {
        let (words, mask) = chunk(first, order);
        let bit = bit_of(first.into());
        let starts =
            self.words[words.start].head() & mask == bit && self.words[words.start].free() & mask == 0;
        let mut others = self.words[words.start + 1..words.end].iter();
        let next = first + (1 << order);
        starts && others.all(|word| word.not_inside() == 0) && next < BLOCK_FRAMES && !self.is_inside(next)
    }

    /// Returns the lowest of the frames that is not free.
    pub fn first_not_free(&self, frames: Range<u16>) -> Option<u16> {
        masks(frames).find_map(|(word, mask)| {
            let others = mask & !self.words[word].available();
            (others != 0).then(|| word as u16 * 64 + others.trailing_zeros() as u16)
        })
    }

    /// Returns true if the frame is inside a grant.
    #[inline]
    pub fn is_inside(&self, frame: u16) -> bool {
        self.word_of(frame.into()).not_inside() & bit_of(frame.into()) == 0
    }

    /// Returns true if all these frames are reserved.
    pub fn is_reserved(&self, frames: Range<u16>) -> bool {
        masks(frames).all(|(word, mask)| self.words[word].free() & self.words[word].head() & mask == mask)
    }

    /// Counts the frames from `first` on that are inside a grant, up to the first frame that is not.
    pub fn inside_from(&self, first: u16) -> u16 {
        for (word, mask) in masks(first..BLOCK_FRAMES) {
            let others = self.words[word].not_inside() & mask;
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
