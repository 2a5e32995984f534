//! A CPU's cache: single frames of its own node that it hands out and takes back without the node's lock.
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use units::{FrameNumber, NodeId};

use crate::atomic::AtomicU64;
use crate::blocks::block_of;
use crate::carve::Carver;
use crate::frame_map::{FrameMap, Word};
use crate::kept::KnownBlock;
use crate::span_table::Span;

/// Frames that a cache has room for: 2 MiB. A CPU that takes and gives back hundreds in a row asks for the node's lock every
/// few hundred.
#[cfg(not(loom))]
pub const CACHE_FRAMES: usize = 512;

/// Fewer in a model, whose threads have small stacks.
#[cfg(loom)]
pub const CACHE_FRAMES: usize = 64;

/// Frames that a full cache gives back at once: most of them, so that whoever only frees does so seldom; and the rest are at hand
/// for who then allocates.
pub const FLUSHED_FRAMES: usize = CACHE_FRAMES / 4 * 3;

/// Words that a cache remembers, each at the place that its number's low bits give: those of 32 MiB in a row, as of the blocks.
const KNOWN_WORDS: usize = 128;

/// Blocks whose frame maps a cache remembers, likewise; of any node.
const KNOWN_BLOCKS: usize = 16;

/// A cache of single frames, for one CPU: whoever has it exclusively. What it holds counts as free.
///
/// Dropped, it keeps what it holds; [`PageAllocator::drain`](crate::PageAllocator::drain) gives that back.
pub struct CpuCache<'m> {
    pub(crate) contents: &'m Contents<'m>,
    /// What the top of `contents` is when it is empty, and when it is full.
    bottom: u64,
    limit: u64,
    /// For each of the frames in it the word that has its state.
    words: [&'m Word; CACHE_FRAMES],
    /// The words remembered: their numbers, which are those of their frames without the low six bits, and where they are.
    known_numbers: [u64; KNOWN_WORDS],
    known_words: [&'m Word; KNOWN_WORDS],
    known_blocks: [KnownBlock<'m>; KNOWN_BLOCKS],
    /// The block that is its own to be filled from.
    pub(crate) claim: Option<Claim>,
    /// Frames that it is to be filled with at least.
    pub(crate) wanted: u32,
}

/// A split block of a cache's node: the place of its descriptor in a region.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    pub region: u32,
    pub place: usize,
}

/// A cache as any CPU may see it, at the moment it looks.
#[derive(Clone, Copy)]
pub struct CacheView<'m>(&'m Contents<'m>);

impl CacheView<'_> {
    /// The node whose frames it holds; `None` for [`CpuCache::none`].
    pub fn node(&self) -> Option<NodeId> {
        self.0.node
    }

    /// Frames that it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames that it has handed out since it was made.
    pub fn granted(&self) -> u64 {
        self.0.granted()
    }
}

/// What others may see of a cache.
pub struct Contents<'m> {
    /// Whose frames it has; `None` for a cache that never has any.
    node: Option<NodeId>,
    /// The node's next cache.
    next: Option<&'m Contents<'m>>,
    ring: Ring,
}

/// The frames: they come and go at the top; at the bottom those are given back that have been here longest.
#[repr(align(128))]
struct Ring {
    /// The frames from `bottom` to below `top` are in the cache; in units of [`STEP`], from which [`place`] makes a place in
    /// the ring.
    top: AtomicU64,
    bottom: AtomicU64,
    granted: AtomicU64,
    /// Those not in the cache were, so that each is a frame which was added once and not removed.
    frames: [AtomicU64; CACHE_FRAMES],
}

/// From one frame of the ring to the next, and how many of these the whole ring is. In bytes, so that a number and its place's
/// address are one instruction apart.
const STEP: u64 = size_of::<u64>() as u64;
const ALL: u64 = CACHE_FRAMES as u64 * STEP;

/// Stands where there is no frame, no word and no block.
const NO_FRAME: u64 = u64::MAX;

/// Stands where there is none; each of its frames is withheld.
static NO_MAP: FrameMap = FrameMap::withheld();

/// Stands where there is no span.
static NO_SPAN: Span = Span::EMPTY;

/// What a cache has that never has any frame.
static NO_CONTENTS: Contents<'static> = Contents::empty(None, None);

impl<'m> CpuCache<'m> {
    /// A cache that has no frames and takes none, for a CPU that has no other: what is asked of it goes to the nodes.
    pub const fn none() -> Self {
        Self::over(&NO_CONTENTS, 0)
    }

    /// An empty cache of the node, to stand in front of the node's other caches.
    pub(crate) fn new(
        node: NodeId,
        next: Option<&'m Contents<'m>>,
        memory: &'m mut [MaybeUninit<u8>],
    ) -> Option<Self> {
        let [contents] = Carver::new(memory).uninit::<Contents<'m>>(1)? else { return None };
        let contents = contents.write(Contents::empty(Some(node), next));
        Some(Self::over(contents, ALL))
    }

    const fn over(contents: &'m Contents<'m>, limit: u64) -> Self {
        Self {
            contents,
            bottom: 0,
            limit,
            words: [NO_MAP.word_of(0); CACHE_FRAMES],
            known_numbers: [NO_FRAME; KNOWN_WORDS],
            known_words: [NO_MAP.word_of(0); KNOWN_WORDS],
            known_blocks: [KnownBlock { number: NO_FRAME, map: &NO_MAP, span: &NO_SPAN }; KNOWN_BLOCKS],
            claim: None,
            wanted: 1,
        }
    }

    /// What others may see of it while its CPU uses it.
    pub fn view(&self) -> CacheView<'m> {
        CacheView(self.contents)
    }

    /// The node whose frames it holds; `None` for [`CpuCache::none`].
    #[inline]
    pub fn node(&self) -> Option<NodeId> {
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

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.contents.ring.top.load(Relaxed) == self.limit
    }

    /// Hands out a frame that it holds. [`PageAllocator::allocate_cached`](crate::PageAllocator::allocate_cached) also
    /// fills it first, where it is empty.
    #[inline]
    pub fn take(&mut self) -> Option<FrameNumber> {
        let ring = &self.contents.ring;
        let top = ring.top.load(Relaxed);
        if top == self.bottom {
            return None;
        }
        let place = place(top.wrapping_sub(STEP));
        let frame = ring.frames[place].load(Relaxed);
        self.words[place].grant_withheld(frame);
        add(&ring.top, STEP.wrapping_neg());
        add(&ring.granted, 1);
        Some(FrameNumber(frame))
    }

    /// Takes back a frame that is a grant of its own. `false`, with nothing changed, where that cannot be told from a word that
    /// is remembered, or there is no room: then [`PageAllocator::free_cached`](crate::PageAllocator::free_cached) is asked.
    #[inline]
    #[must_use = "a frame that was not taken back is still granted"]
    pub fn put(&mut self, frame: FrameNumber) -> bool {
        let FrameNumber(frame) = frame;
        let number = frame / 64;
        let known = number as usize % KNOWN_WORDS;
        let word = self.known_words[known];
        self.known_numbers[known] == number && word.is_single(frame) && self.put_in(frame, word)
    }

    /// The block that holds the frame, if it is remembered: of any node.
    #[inline]
    pub(crate) fn known_block(&self, frame: u64) -> Option<KnownBlock<'m>> {
        let known = self.known_blocks[block_of(frame) as usize % KNOWN_BLOCKS];
        (known.number == block_of(frame)).then_some(known)
    }

    /// The same for a frame whose word is known, and says that it is a grant of its own.
    #[inline]
    pub(crate) fn put_in(&mut self, frame: u64, word: &'m Word) -> bool {
        let ring = &self.contents.ring;
        let top = ring.top.load(Relaxed);
        if top == self.limit {
            return false;
        }
        let place = place(top);
        // Listed first, so that whoever finds the frame withheld finds it here. A frame that was never added is not listed for
        // a moment: it would be taken for one that was freed.
        ring.frames[place].store(frame, Relaxed);
        self.words[place] = word;
        let withheld = word.withhold_single(frame);
        if withheld {
            add(&ring.top, STEP);
        }
        withheld
    }

    /// Remembers a block, of any node.
    pub(crate) fn remember(&mut self, block: KnownBlock<'m>) {
        self.known_blocks[block.number as usize % KNOWN_BLOCKS] = block;
    }

    /// Remembers where the state of the frame is.
    #[inline]
    pub(crate) fn remember_word(&mut self, frame: u64, word: &'m Word) {
        let number = frame / 64;
        let known = number as usize % KNOWN_WORDS;
        self.known_numbers[known] = number;
        self.known_words[known] = word;
    }

    /// Puts withheld frames into the cache, which has room for them: those of the word that the bits are set for. The lowest
    /// will be handed out first.
    pub(crate) fn fill(&mut self, first: u64, mut frames: u64, word: &'m Word) {
        let Ring { top, frames: ring, .. } = &self.contents.ring;
        let end = top.load(Relaxed).wrapping_add(u64::from(frames.count_ones()) * STEP);
        let mut next = end;
        while frames != 0 {
            next = next.wrapping_sub(STEP);
            ring[place(next)].store(first + u64::from(frames.trailing_zeros()), Relaxed);
            self.words[place(next)] = word;
            frames &= frames - 1;
        }
        top.store(end, Relaxed);
    }

    /// Takes the `count` frames out that have been here longest, and tells which they are: those of one word that lie side by
    /// side in the ring together, by one of them, their bits in the word, and how many they are.
    pub(crate) fn flush(&mut self, count: usize, mut give_back: impl FnMut(u64, u64, u16)) {
        let start = place(self.bottom);
        let before_end = count.min(CACHE_FRAMES - start);
        for places in [start..start + before_end, 0..count - before_end] {
            let (words, frames) = (&self.words[places.clone()], &self.contents.ring.frames[places]);
            let mut next = 0;
            while let Some(word) = words.get(next) {
                let (first, frame) = (next, frames[next].load(Relaxed));
                let mut bits = 0;
                while next < words.len() && ptr::eq(words[next], *word) {
                    bits |= 1 << (frames[next].load(Relaxed) % 64);
                    next += 1;
                }
                give_back(frame, bits, (next - first) as u16);
            }
        }
        self.bottom = self.bottom.wrapping_add(count as u64 * STEP);
        self.limit = self.bottom.wrapping_add(ALL);
        self.contents.ring.bottom.store(self.bottom, Release);
    }
}

/// Where in the ring a frame is.
#[inline]
fn place(number: u64) -> usize {
    (number / STEP) as usize % CACHE_FRAMES
}

/// Adds to a number that nobody else writes.
#[inline]
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
}

impl<'m> Contents<'m> {
    const fn empty(node: Option<NodeId>, next: Option<&'m Self>) -> Self {
        Self {
            node,
            next,
            ring: Ring {
                top: AtomicU64::new(0),
                bottom: AtomicU64::new(0),
                granted: AtomicU64::new(0),
                frames: [const { AtomicU64::new(NO_FRAME) }; CACHE_FRAMES],
            },
        }
    }

    /// Memory for it.
    pub const fn layout() -> Layout {
        Layout::new::<Self>()
    }

    /// This cache and the node's further ones.
    pub fn chain(first: Option<&'m Self>) -> impl Iterator<Item = &'m Self> {
        core::iter::successors(first, |cache| cache.next)
    }

    #[inline]
    pub fn len(&self) -> usize {
        // Its CPU may change both meanwhile; the bottom never passes the top that is read after it.
        let bottom = self.ring.bottom.load(Acquire);
        let len = self.ring.top.load(Relaxed).wrapping_sub(bottom) / STEP;
        len.min(CACHE_FRAMES as u64) as usize
    }

    /// Frames that it has handed out.
    pub fn granted(&self) -> u64 {
        self.ring.granted.load(Relaxed)
    }

    /// No longer says that it has held these frames, which it does not hold.
    pub fn forget(&self, frames: core::ops::Range<u64>) {
        for slot in &self.ring.frames {
            let frame = slot.load(Relaxed);
            if frames.contains(&frame) {
                // Where the cache's CPU has put another frame there meanwhile, that one stays.
                let _ = slot.compare_exchange(frame, NO_FRAME, Relaxed, Relaxed);
            }
        }
    }

    /// Whether it holds the frame.
    pub fn holds(&self, frame: u64) -> bool {
        let bottom = self.ring.bottom.load(Relaxed);
        let mut places = (0..self.len() as u64).map(|n| place(bottom.wrapping_add(n * STEP)));
        places.any(|place| self.ring.frames[place].load(Relaxed) == frame)
    }

    /// Whether it holds, or has held, one of these frames.
    pub fn lists(&self, frames: core::ops::Range<u64>) -> bool {
        self.ring.frames.iter().any(|frame| frames.contains(&frame.load(Relaxed)))
    }
}
