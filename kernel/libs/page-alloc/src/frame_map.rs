//! The 512 frames of a block that is not whole: two bits each.
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::atomic::{AtomicU64, fence};

/// Frames in a block: 2 MiB, what a large page maps.
pub const BLOCK_FRAMES: u16 = 1 << 9;

const WORDS: usize = BLOCK_FRAMES as usize / 64;

/// What a frame is to the allocator. The bits are (`free`, `head`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameState {
    /// (1, 0): may be handed out.
    Free,
    /// (0, 1): the first frame of a grant.
    Head,
    /// (0, 0): a further frame of the grant that began before it.
    Inside,
    /// (1, 1): never added (a hole, another node's, or taken at boot), or removed, or in a cache. Also the first frame of a
    /// sealed grant.
    Withheld,
}

/// 64 frames. Both bits of a frame share a cache line.
///
/// The holder of the node's lock changes the bits of frames that are free, withheld or granted and being freed. Without
/// the lock, the CPU that has a frame in its cache flips that frame's `free` bit, so that every change is one of its own
/// bits alone. Steps of one change are in such an order that a frame never looks to be inside a grant when it is not, nor to be
/// a grant of its own while a longer one is made of it: the first frame's `free` bit is cleared last.
#[derive(Debug)]
pub struct Word {
    free: AtomicU64,
    head: AtomicU64,
}

impl Word {
    /// A word of a map that no allocator has.
    pub const fn detached() -> Self {
        Self { free: AtomicU64::new(!0), head: AtomicU64::new(!0) }
    }

    /// Read before `head` by who holds no lock: of a grant that is seen here, all of `head` is seen, too.
    #[inline]
    fn free(&self) -> u64 {
        self.free.load(Acquire)
    }

    #[inline]
    fn head(&self) -> u64 {
        self.head.load(Relaxed)
    }

    /// The frames that are free.
    #[inline]
    pub fn available(&self) -> u64 {
        self.free() & !self.head()
    }

    fn claim(&self, frames: u64, heads: u64) {
        self.head.fetch_or(heads, Relaxed);
        self.free.fetch_and(!frames, Release);
    }

    fn release(&self, frames: u64) {
        self.free.fetch_or(frames, Relaxed);
        self.head.fetch_and(!frames, Relaxed);
    }

    /// Withholds free frames: for a cache, or for good.
    pub fn withhold(&self, frames: u64) {
        self.head.fetch_or(frames, Relaxed);
    }

    /// Makes frames free that a cache had.
    pub fn give_back(&self, frames: u64) {
        self.head.fetch_and(!frames, Relaxed);
    }

    /// Makes a frame that a cache has a grant.
    #[inline]
    pub fn grant_withheld(&self, frame: u64) {
        self.free.fetch_and(!(1 << (frame % 64)), Relaxed);
    }

    /// Whether the frame is a grant of its own, as far as this word knows: `false` for its last frame.
    #[inline]
    pub fn is_single(&self, frame: u64) -> bool {
        let free = self.free();
        let not_inside = free | self.head();
        // Of all 64 frames at once: those that begin grants and have a frame behind them that is not inside one.
        let single = (not_inside ^ free) & not_inside >> 1;
        single >> (frame % 64) & 1 != 0
    }

    /// Whether `count` frames from this one on are a grant of their own. They end before the word does.
    #[inline]
    pub fn is_grant(&self, frame: u64, count: u64) -> bool {
        if count == 1 {
            return self.is_single(frame);
        }
        let free = self.free();
        let not_inside = (free | self.head()) >> (frame % 64);
        let behind = 1 << (count % 64);
        // Of these frames and the one behind them, the first and that one alone are not inside; and the first is not free.
        not_inside & (2 * behind - 1) == behind | 1 && free >> (frame % 64) & 1 == 0
    }

    /// Withholds `count` frames from this one on, which are a grant of their own and end before the word does; `false`, with
    /// nothing changed, when a cache has taken a single one back at the same moment.
    #[inline]
    pub fn withhold_grant(&self, frame: u64, count: u64) -> bool {
        if count == 1 {
            return self.withhold_single(frame);
        }
        let frames = ((1 << (count % 64)) - 1) << (frame % 64);
        self.free.fetch_or(frames, Release);
        self.head.fetch_or(frames, Relaxed);
        true
    }

    /// Makes `count` frames from this one on, which are withheld, a grant of their own. They end before the word does.
    #[inline]
    pub fn grant_kept(&self, frame: u64, count: u64) {
        if count == 1 {
            return self.grant_withheld(frame);
        }
        let first = 1 << (frame % 64);
        let frames = ((1 << (count % 64)) - 1) << (frame % 64);
        // In this order: with the other bit first, each frame would look like a grant of its own for a moment.
        self.head.fetch_and(!frames | first, Relaxed);
        self.free.fetch_and(!frames, Release);
    }

    /// Makes the first frame of a grant look withheld, or takes that back; `false`, with nothing changed, where it is so already.
    pub fn set_sealed(&self, frame: u64, sealed: bool) -> bool {
        let bit = 1 << (frame % 64);
        if sealed {
            self.free.fetch_or(bit, Relaxed) & bit == 0
        } else {
            self.free.fetch_and(!bit, Relaxed) & bit != 0
        }
    }

    /// Withholds a frame that is a grant of its own; `false`, with nothing changed, when somebody else
    /// has taken it back at the same moment.
    #[inline]
    pub fn withhold_single(&self, frame: u64) -> bool {
        let bit = 1 << (frame % 64);
        self.free.fetch_or(bit, Release) & bit == 0
    }
}

/// Orders up to this one fit in a word.
const WORD_ORDER: u8 = 6;

/// The states of a block's frames.
#[derive(Debug)]
#[repr(align(64))]
pub struct FrameMap([Word; WORDS]);

/// Bits that begin an aligned chunk of each order up to 6 within a word.
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
    /// A block that is free throughout.
    pub const fn free() -> Self {
        Self([const { Word { free: AtomicU64::new(!0), head: AtomicU64::new(0) } }; WORDS])
    }

    /// A block none of whose frames was added.
    pub const fn withheld() -> Self {
        Self([const { Word::detached() }; WORDS])
    }

    /// Takes over what another map says.
    pub fn copy(&self, other: &Self) {
        for (word, other) in self.0.iter().zip(&other.0) {
            word.free.store(other.free(), Relaxed);
            word.head.store(other.head(), Relaxed);
        }
    }

    /// The word that holds a frame of the block.
    #[inline]
    pub const fn word_of(&self, frame: u64) -> &Word {
        &self.0[(frame / 64) as usize % WORDS]
    }

    pub fn state(&self, frame: u16) -> FrameState {
        let word = &self.0[usize::from(frame / 64)];
        let bit = 1 << (frame % 64);
        match (word.free() & bit != 0, word.head() & bit != 0) {
            (true, false) => FrameState::Free,
            (false, true) => FrameState::Head,
            (false, false) => FrameState::Inside,
            (true, true) => FrameState::Withheld,
        }
    }

    /// Makes free frames a grant, or a further part of one that began in an earlier block.
    pub fn claim(&self, frames: Range<u16>, begins_grant: bool) {
        let mut words = masks(frames.clone());
        let first = words.next();
        // The others first: behind a grant's first frame there is never one that is still free.
        words.for_each(|(word, mask)| self.0[word].claim(mask, 0));
        if let Some((word, mask)) = first {
            self.0[word].claim(mask, if begins_grant { 1 << (frames.start % 64) } else { 0 });
        }
    }

    /// Makes granted or withheld frames free.
    pub fn release(&self, frames: Range<u16>) {
        for (word, mask) in masks(frames) {
            self.0[word].release(mask);
        }
    }

    /// Makes an aligned chunk of free frames a grant of its own; `order` is at most 8.
    #[inline]
    pub fn claim_chunk(&self, first: u16, order: u8) {
        let (words, mask) = chunk(first, order);
        let mut heads = 1 << (first % 64);
        for word in &self.0[words] {
            word.claim(mask, heads);
            heads = 0;
        }
    }

    /// Withholds an aligned chunk that is a grant of its own; `order` is at most 8. `false`, with nothing changed, when a cache
    /// has taken it back at the same moment, which happens to single frames alone.
    #[inline]
    pub fn withhold_chunk(&self, first: u16, order: u8) -> bool {
        if order == 0 {
            return self.word_of(first.into()).withhold_single(first.into());
        }
        let (words, mask) = chunk(first, order);
        for word in &self.0[words] {
            word.free.fetch_or(mask, Release);
            word.head.fetch_or(mask, Relaxed);
        }
        true
    }

    /// Makes an aligned chunk that is withheld a grant of its own; `order` is at most 8.
    #[inline]
    pub fn grant_withheld_chunk(&self, first: u16, order: u8) {
        if order == 0 {
            return self.word_of(first.into()).grant_withheld(first.into());
        }
        let (words, mask) = chunk(first, order);
        let mut head = 1 << (first % 64);
        for word in &self.0[words] {
            // In this order: with the other bit first, each frame would look like a grant of its own for a moment.
            word.head.fetch_and(!mask | head, Relaxed);
            word.free.fetch_and(!mask, Release);
            head = 0;
        }
    }

    /// Makes an aligned chunk that is withheld free; `order` is at most 8.
    #[inline]
    pub fn release_withheld_chunk(&self, first: u16, order: u8) {
        let (words, mask) = chunk(first, order);
        self.0[words].iter().for_each(|word| word.give_back(mask));
    }

    /// Whether the aligned chunk is a grant of its own, as far as the block knows: `false` also where that takes a look
    /// at the next block.
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

    /// Whether the frame is a grant of its own, as far as the block knows: `false` for its last frame.
    #[inline]
    pub fn is_single(&self, frame: u16) -> bool {
        let (word, behind) = (self.word_of(frame.into()), frame + 1);
        if behind % 64 != 0 {
            return word.is_single(frame.into());
        }
        let (next, free) = (self.word_of(behind.into()), word.free());
        word.head() & !free & 1 << 63 != 0 && behind < BLOCK_FRAMES && (next.free() | next.head()) & 1 != 0
    }

    #[inline(never)]
    fn is_granted_long_chunk(&self, first: u16, order: u8) -> bool {
        let (words, mask) = chunk(first, order);
        let bit = 1 << (first % 64);
        let starts = self.0[words.start].head() & mask == bit && self.0[words.start].free() & mask == 0;
        // Whoever made it a grant has made the frames behind it part of that before.
        fence(Acquire);
        let mut others = self.0[words.start + 1..words.end].iter();
        let behind = first + (1 << order);
        starts
            && others.all(|word| word.free() | word.head() == 0)
            && behind < BLOCK_FRAMES
            && self.state(behind) != FrameState::Inside
    }

    /// The order of the largest aligned run of free frames that holds this aligned free chunk.
    pub fn order_around(&self, first: u16) -> u8 {
        let word = first / 64;
        let taken = !self.0[usize::from(word)].available();
        if taken != 0 {
            return order_within(taken, (first % 64).into());
        }
        let word = usize::from(word);
        let mut len = 1;
        while len < WORDS {
            let buddy = (word ^ len) & !(len - 1);
            if self.0[buddy..buddy + len].iter().any(|word| word.available() != !0) {
                break;
            }
            len *= 2;
        }
        WORD_ORDER + len.ilog2() as u8
    }

    /// The order of the largest aligned run of free frames that has frames in the word of this frame, of which these are free:
    /// some.
    pub fn largest_order_at(&self, frame: u16, available: u64) -> u8 {
        match available {
            u64::MAX => self.order_around(frame),
            free => largest_aligned(free, WORD_ORDER - 1),
        }
    }

    /// Withholds free frames.
    pub fn withhold(&self, frames: Range<u16>) {
        masks(frames).for_each(|(word, mask)| self.0[word].withhold(mask));
    }

    /// The lowest of the frames that is not free.
    pub fn first_not_free(&self, frames: Range<u16>) -> Option<u16> {
        masks(frames).find_map(|(word, mask)| {
            let others = mask & !self.0[word].available();
            (others != 0).then(|| word as u16 * 64 + others.trailing_zeros() as u16)
        })
    }

    pub fn all_withheld(&self, frames: Range<u16>) -> bool {
        masks(frames).all(|(word, mask)| self.0[word].free() & self.0[word].head() & mask == mask)
    }

    /// How many frames from `first` on are inside a grant, up to the first that is not.
    pub fn inside_from(&self, first: u16) -> u16 {
        for (word, mask) in masks(first..BLOCK_FRAMES) {
            let others = (self.0[word].free() | self.0[word].head()) & mask;
            if others != 0 {
                return word as u16 * 64 + others.trailing_zeros() as u16 - first;
            }
        }
        BLOCK_FRAMES - first
    }

    /// The maximal runs of free frames within each 64, ascending. Runs in neighbouring words may touch.
    pub fn free_runs(&self) -> impl Iterator<Item = Range<u16>> {
        let mut word = 0;
        let mut left = self.0[0].available();
        core::iter::from_fn(move || {
            while left == 0 {
                word += 1;
                left = self.0.get(word)?.available();
            }
            let start = left.trailing_zeros();
            let len = (left >> start).trailing_ones();
            left &= !(ones(len) << start);
            let first = (word as u32 * 64 + start) as u16;
            Some(first..first + len as u16)
        })
    }

    /// The order of the largest aligned run of free frames, at most 9; `None` when no frame is free.
    pub fn largest_order(&self) -> Option<u8> {
        let whole = self.whole_words();
        if whole != 0 {
            return Some(6 + largest_aligned(whole.into(), 3));
        }
        let mut chunks = self.0.each_ref().map(Word::available);
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

    /// The lowest aligned run of 2^`order` free frames, `order` at most 8.
    pub fn find(&self, order: u8) -> Option<u16> {
        if order >= 6 {
            let chunks = (0..order - 6).fold(self.whole_words().into(), next_order);
            return (chunks != 0).then(|| chunks.trailing_zeros() as u16 * 64);
        }
        self.0.iter().zip(0..).find_map(|(word, position)| {
            let free = word.available();
            let chunks = if free == 0 || free == !0 { free } else { (0..order).fold(free, next_order) };
            (chunks != 0).then(|| position * 64 + chunks.trailing_zeros() as u16)
        })
    }

    /// Adds each maximal free chunk's frames to the count of its order.
    pub fn count_by_order(&self, frames: &mut [u64]) {
        let whole = self.whole_words();
        count_chunks(whole.into(), 3, |order, chunks| {
            frames[usize::from(order) + 6] += chunks << (order + 6)
        });
        for word in self.0.iter().filter(|word| word.available() != !0) {
            count_chunks(word.available(), 5, |order, chunks| frames[usize::from(order)] += chunks << order);
        }
    }

    /// A bit for each word whose frames are all free.
    fn whole_words(&self) -> u8 {
        self.0.iter().rev().fold(0, |whole, word| whole << 1 | u8::from(word.available() == !0))
    }
}

/// From the starts of the aligned chunks of an order to those of the next order, within one word.
fn next_order(chunks: u64, order: u8) -> u64 {
    chunks & (chunks >> (1u32 << order)) & CHUNK_STARTS[usize::from(order) + 1]
}

/// The order of the largest aligned run around a place none of whose places is taken; some other place is. An aligned run
/// that holds the one but not the other is of at most the order at which their numbers first differ, and the nearest taken
/// place on either side decides.
fn order_within(taken: u64, place: u32) -> u8 {
    let below = taken & ((1 << place) - 1);
    let above = taken & !((1 << place) - 1);
    let below = below.checked_ilog2().map_or(WORD_ORDER.into(), |other| (other ^ place).ilog2());
    let above = if above != 0 { (above.trailing_zeros() ^ place).ilog2() } else { WORD_ORDER.into() };
    below.min(above) as u8
}

/// The largest order, at most `limit`, of a chunk among these starts of order 0, of which there is one.
fn largest_aligned(mut chunks: u64, limit: u8) -> u8 {
    for order in 0..limit {
        chunks = next_order(chunks, order);
        if chunks == 0 {
            return order;
        }
    }
    limit
}

/// Reports for each order up to `limit` how many maximal chunks of it these free frames make.
fn count_chunks(mut chunks: u64, limit: u8, mut report: impl FnMut(u8, u64)) {
    for order in 0..=limit {
        let larger = if order < limit { next_order(chunks, order) } else { 0 };
        report(order, u64::from(chunks.count_ones()) - 2 * u64::from(larger.count_ones()));
        chunks = larger;
    }
}

/// The words that an aligned chunk of up to 256 frames lies in, and its bits in each.
#[inline]
fn chunk(first: u16, order: u8) -> (Range<usize>, u64) {
    let word = usize::from(first / 64) % WORDS;
    if order < WORD_ORDER {
        (word..word + 1, ones(1 << order) << (first % 64))
    } else {
        (word..WORDS.min(word + (1 << (order - WORD_ORDER))), !0)
    }
}

/// The words that the frames lie in, with the frames' bits in each. There is at least one frame.
fn masks(frames: Range<u16>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = frames;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let first = start.max(word * 64) - word * 64;
        let len = end.min(word * 64 + 64) - word * 64 - first;
        (usize::from(word), ones(len.into()) << first)
    })
}

/// The lowest `len` bits, 1 to 64.
const fn ones(len: u32) -> u64 {
    !0 >> (64 - len)
}

#[cfg(test)]
mod tests;
