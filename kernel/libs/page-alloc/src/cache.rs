//! A CPU's cache: single frames of its own node that it hands out and takes back without the node's lock.
use core::alloc::{Layout, LayoutError};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use units::{FrameNumber, NodeId};

use crate::atomic::{AtomicU64, AtomicUsize};
use crate::blocks::block_of;
use crate::carve::Carver;
use crate::frame_map::{FrameMap, Word};

/// Frames that a cache has room for: as many as a word of a frame map knows.
pub const CACHE_FRAMES: usize = 64;

/// Blocks whose frame maps a cache remembers, each at the place that its number's low bits give.
const KNOWN_BLOCKS: usize = 16;

/// A cache of single frames, for one CPU: whoever has it exclusively. What it holds counts as free.
///
/// Dropped, it keeps what it holds; [`PageAllocator::drain`](crate::PageAllocator::drain) gives that back.
pub struct CpuCache<'m> {
    pub(crate) contents: &'m Contents<'m>,
    own: &'m mut Own<'m>,
}

/// What others may see of a cache.
#[repr(align(128))]
pub struct Contents<'m> {
    node: NodeId,
    /// The node's next cache.
    next: Option<&'m Contents<'m>>,
    len: AtomicUsize,
    granted: AtomicU64,
    /// The first `len` are in the cache. The others were, so that each is a frame which was added once.
    frames: [AtomicU64; CACHE_FRAMES],
}

/// What its CPU alone needs.
pub struct Own<'m> {
    /// For each frame the word that has its state.
    words: [&'m Word; CACHE_FRAMES],
    known: [Known<'m>; KNOWN_BLOCKS],
}

/// A block of the node that is or was split, and its frame map.
#[derive(Clone, Copy)]
struct Known<'m> {
    number: u64,
    map: &'m FrameMap,
}

/// Stands where there is no frame, and no block.
const NO_FRAME: u64 = u64::MAX;

/// Stands where there is none; each of its frames is withheld.
static NO_MAP: FrameMap = FrameMap::withheld();

impl<'m> CpuCache<'m> {
    pub(crate) fn layout() -> Result<Layout, LayoutError> {
        let (layout, _) = Layout::new::<Contents<'m>>().extend(Layout::new::<Own<'m>>())?;
        Ok(layout)
    }

    /// An empty cache of the node, to stand in front of the node's other caches.
    pub(crate) fn new(
        node: NodeId,
        next: Option<&'m Contents<'m>>,
        memory: &'m mut [MaybeUninit<u8>],
    ) -> Option<Self> {
        let mut carver = Carver::new(memory);
        let [contents] = carver.uninit::<Contents<'m>>(1)? else { return None };
        let [own] = carver.uninit::<Own<'m>>(1)? else { return None };
        let contents = contents.write(Contents {
            node,
            next,
            len: AtomicUsize::new(0),
            granted: AtomicU64::new(0),
            frames: [const { AtomicU64::new(NO_FRAME) }; CACHE_FRAMES],
        });
        let own = own.write(Own {
            words: [NO_MAP.word_of(0); CACHE_FRAMES],
            known: [Known { number: NO_FRAME, map: &NO_MAP }; KNOWN_BLOCKS],
        });
        Some(Self { contents, own })
    }

    /// The node whose frames it holds.
    #[inline]
    pub fn node(&self) -> NodeId {
        self.contents.node
    }

    /// Frames that it holds.
    #[inline]
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether it holds none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() == CACHE_FRAMES
    }

    /// Hands out a frame that it holds. [`PageAllocator::allocate_cached`](crate::PageAllocator::allocate_cached) also
    /// fills it first, where it is empty.
    #[inline]
    pub fn take(&mut self) -> Option<FrameNumber> {
        let contents = self.contents;
        let last = contents.len().checked_sub(1)?;
        let place = last % CACHE_FRAMES;
        let frame = contents.frames[place].load(Relaxed);
        self.own.words[place].grant_withheld(frame);
        contents.len.store(last, Relaxed);
        // Nobody else writes it.
        contents.granted.store(contents.granted.load(Relaxed) + 1, Relaxed);
        Some(FrameNumber(frame))
    }

    /// Takes back a frame that is a grant of its own. `false`, with nothing changed, where that cannot be told without the
    /// node's lock, or there is no room: then [`PageAllocator::free_cached`](crate::PageAllocator::free_cached) is asked.
    #[inline]
    #[must_use = "a frame that was not taken back is still granted"]
    pub fn put(&mut self, frame: FrameNumber) -> bool {
        let known = &self.own.known[block_of(frame.0) as usize % KNOWN_BLOCKS];
        let word = known.map.word_of(frame.0);
        known.number == block_of(frame.0) && word.is_single(frame.0) && self.put_in(frame.0, word)
    }

    /// The same for a frame whose word is known, and says that it is a grant of its own.
    #[inline]
    pub(crate) fn put_in(&mut self, frame: u64, word: &'m Word) -> bool {
        let contents = self.contents;
        let len = contents.len();
        let Some(slot) = contents.frames.get(len) else { return false };
        // Listed first, so that whoever finds the frame withheld finds it here. A frame that was never added is not listed for
        // a moment: it would be taken for one that was freed.
        slot.store(frame, Relaxed);
        if !word.withhold_single(frame) {
            return false;
        }
        self.own.words[len] = word;
        contents.len.store(len + 1, Relaxed);
        true
    }

    /// Remembers the frame map of the block that holds the frame.
    pub(crate) fn remember(&mut self, frame: u64, map: &'m FrameMap) {
        let number = block_of(frame);
        self.own.known[number as usize % KNOWN_BLOCKS] = Known { number, map };
    }

    /// Fills the cache, which is empty, with withheld frames: those of the word that the bits are set for. The lowest will
    /// be handed out first.
    pub(crate) fn fill(&mut self, first: u64, mut frames: u64, word: &'m Word) {
        let len = frames.count_ones() as usize;
        for place in (0..len).rev() {
            self.contents.frames[place].store(first + u64::from(frames.trailing_zeros()), Relaxed);
            self.own.words[place] = word;
            frames &= frames - 1;
        }
        self.contents.len.store(len, Relaxed);
    }

    /// Takes the `count` frames out that have been here longest, and tells which they are: those of one word together.
    pub(crate) fn flush(&mut self, count: usize, mut give_back: impl FnMut(u64, u64)) {
        let len = self.len();
        let mut place = 0;
        while place < count {
            let first = self.contents.frames[place].load(Relaxed);
            let word = self.own.words[place];
            let mut frames = 0;
            while place < count && ptr::eq(self.own.words[place], word) {
                frames |= 1 << (self.contents.frames[place].load(Relaxed) % 64);
                place += 1;
            }
            give_back(first / 64 * 64, frames);
        }
        for place in count..len {
            let frame = self.contents.frames[place].load(Relaxed);
            self.contents.frames[place - count].store(frame, Relaxed);
            self.own.words[place - count] = self.own.words[place];
        }
        self.contents.len.store(len - count, Relaxed);
    }
}

impl<'m> Contents<'m> {
    /// This cache and the node's further ones.
    pub fn chain(first: Option<&'m Self>) -> impl Iterator<Item = &'m Self> {
        core::iter::successors(first, |cache| cache.next)
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Frames that it has handed out.
    pub fn granted(&self) -> u64 {
        self.granted.load(Relaxed)
    }

    /// Whether it holds, or has held, one of these frames.
    pub fn lists(&self, frames: core::ops::Range<u64>) -> bool {
        self.frames.iter().any(|frame| frames.contains(&frame.load(Relaxed)))
    }
}
