//! A CPU's cached frames: single frames of its own node that the CPU takes and frees without the node's lock.
//!
//! One CPU uses the value. Its fields are cells: a call that is interrupted by its own drain, when the CPU waits for others,
//! finds them consistent.
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use units::{FrameNumber, NodeId};

use crate::blocks::block_of;
use crate::carve::Carver;
use crate::contents::{ALL, CACHE_FRAMES, CacheView, Contents, Ring, STEP, add, slot};
use crate::frame_map::FrameMap;
use crate::hot_chunks::KnownBlock;
use crate::owner::PageOwner;
use crate::owners::Owners;
use crate::span_table::Span;
use crate::word::count_of;

/// The number of frames that a cache returns at once, at most. The rest stays for a CPU that allocates next, and the node's lock is
/// not held for long.
pub const FLUSHED_FRAMES: usize = 64;

/// The number of words whose frames a cache returns at once, at most: each may lie in a block of its own, whose descriptor changes.
const FLUSHED_WORDS: usize = 6;

/// The number of words that a cache remembers: 32 MiB in a row. The low bits of a word's number give its index.
const KNOWN_WORDS: usize = 128;

/// The number of blocks, of any node, whose frame maps a cache remembers: 32 MiB in a row. The low bits of a block's number give
/// its index.
const KNOWN_BLOCKS: usize = 16;

/// The cached frames of one CPU. They count as free.
pub struct CachedFrames<'m> {
    contents: &'m Contents<'m>,
    /// The top of `contents` when the cache is empty, and when it is full.
    bottom: Cell<u64>,
    limit: Cell<u64>,
    /// For each entry of the ring, the bytes that contain the frame's.
    owners: Cell<[&'m Owners; CACHE_FRAMES]>,
    /// The remembered bytes of 64 frames each, and the first of these frames.
    known_firsts: Cell<[u64; KNOWN_WORDS]>,
    known_owners: Cell<[&'m Owners; KNOWN_WORDS]>,
    known_blocks: Cell<[KnownBlock<'m>; KNOWN_BLOCKS]>,
    /// The block from which the cache was refilled last.
    refill_block: Cell<Option<RefillBlock>>,
    /// The number of frames that the next refill takes at least.
    pub(crate) wanted: Cell<u32>,
}

/// A split block of the cache's node: its region, and the slot of its descriptor there.
#[derive(Clone, Copy)]
pub struct RefillBlock {
    pub region: u32,
    pub slot: usize,
}

/// Stands for the number of no block.
const NO_NUMBER: u64 = u64::MAX;

/// Stands for the first of no frames: no frame is this one, or little above it.
const NO_FIRST: u64 = 1 << 63;

/// Stands for a missing map. All its frames are reserved.
static NO_MAP: FrameMap = FrameMap::all_reserved();

/// Stands for a missing span.
static NO_SPAN: Span = Span::EMPTY;

/// The ring of a CPU without a cache, which is always empty and full.
static NO_CONTENTS: Contents<'static> = Contents::empty(None, None);

/// Returns where the frame's byte is remembered.
#[inline]
fn known_index(frame: u64) -> usize {
    (frame / 64) as usize % KNOWN_WORDS
}

impl<'m> CachedFrames<'m> {
    /// Returns a cache that has no room for any frame.
    pub const fn none() -> Self {
        Self::over(&NO_CONTENTS, 0)
    }

    /// Builds an empty cache of the node's frames in `memory`. `next` is the node's next cache.
    pub fn new(
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
            bottom: Cell::new(0),
            limit: Cell::new(limit),
            owners: Cell::new([NO_MAP.owners_of(0); CACHE_FRAMES]),
            known_firsts: Cell::new([NO_FIRST; KNOWN_WORDS]),
            known_owners: Cell::new([NO_MAP.owners_of(0); KNOWN_WORDS]),
            known_blocks: Cell::new(
                [KnownBlock { number: NO_NUMBER, map: &NO_MAP, span: &NO_SPAN }; KNOWN_BLOCKS],
            ),
            refill_block: Cell::new(None),
            wanted: Cell::new(1),
        }
    }

    /// Returns the ring.
    pub fn contents(&self) -> &'m Contents<'m> {
        self.contents
    }

    /// Returns the view of other CPUs.
    pub fn view(&self) -> CacheView<'m> {
        CacheView::new(self.contents)
    }

    /// Returns the node of the frames, or `None` if the cache has no room for any.
    #[inline]
    pub fn node(&self) -> Option<NodeId> {
        self.contents.node
    }

    /// Returns the number of cached frames.
    #[inline]
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Returns true if a further frame needs room first.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.contents.ring.top.load(Relaxed) == self.limit.get()
    }

    /// Takes a frame out of the cache. The frame becomes a grant of the owner, who is not the kernel.
    #[inline(always)]
    pub fn take(&self, owner: PageOwner) -> Option<FrameNumber> {
        self.take_and(|frame, owners| owners[frame as usize % 64].grant(owner))
    }

    /// Takes a frame out of the cache for the kernel. The frame stays withheld.
    pub fn take_withheld(&self) -> Option<FrameNumber> {
        self.take_and(|_, _| ())
    }

    #[inline(always)]
    fn take_and(&self, grant: impl FnOnce(u64, &Owners)) -> Option<FrameNumber> {
        let ring = &self.contents.ring;
        let top = ring.top.load(Relaxed);
        if top == self.bottom.get() {
            return None;
        }
        let slot = slot(top.wrapping_sub(STEP));
        let frame = ring.frames[slot].load(Relaxed);
        grant(frame, self.owners.as_array_of_cells()[slot].get());
        add(&ring.top, STEP.wrapping_neg());
        add(&ring.granted, 1);
        Some(FrameNumber(frame))
    }

    /// Puts a frame into the cache, if it is a grant of its own, and this owner's. Returns false, with nothing changed, if it is not, if
    /// the cache does not remember its byte, or if the cache is full.
    #[inline(always)]
    #[must_use = "a frame that was not put into the cache is still granted"]
    pub fn put(&self, frame: FrameNumber, owner: PageOwner) -> bool {
        let known = known_index(frame.0);
        let offset = frame.0.wrapping_sub(self.known_firsts.as_array_of_cells()[known].get());
        offset < 64 && self.put_at(frame.0, offset, self.known_owners.as_array_of_cells()[known].get(), owner)
    }

    /// Puts a frame into the cache, if these bytes say that it is a grant of its own, and this owner's. Returns false, with nothing
    /// changed, if it is not, or if the cache is full.
    #[inline]
    pub fn put_into(&self, frame: u64, owners: &'m Owners, owner: PageOwner) -> bool {
        self.put_at(frame, frame % 64, owners, owner)
    }

    /// Puts a frame into the cache as [`CachedFrames::put_into`] does. `offset` is the frame's among those of the bytes.
    #[inline(always)]
    fn put_at(&self, frame: u64, offset: u64, owners: &'m Owners, owner: PageOwner) -> bool {
        let ring = &self.contents.ring;
        let top = ring.top.load(Relaxed);
        if top == self.limit.get() {
            return false;
        }
        let slot = slot(top);
        // Above the top, so not in the cache yet.
        ring.frames[slot].store(frame, Relaxed);
        self.owners.as_array_of_cells()[slot].set(owners);
        let put = owners[offset as usize % 64].take_back(owner);
        if put {
            add(&ring.top, STEP);
        }
        put
    }

    /// Returns the frame's block, if the cache remembers it. The block may be another node's.
    #[inline]
    pub fn known_block(&self, frame: u64) -> Option<KnownBlock<'m>> {
        let known = self.known_blocks.as_array_of_cells()[block_of(frame) as usize % KNOWN_BLOCKS].get();
        (known.number == block_of(frame)).then_some(known)
    }

    /// Remembers a block of any node.
    pub fn remember(&self, block: KnownBlock<'m>) {
        self.known_blocks.as_array_of_cells()[block.number as usize % KNOWN_BLOCKS].set(block);
    }

    /// Remembers the bytes of the frame and of the others of its word.
    #[inline]
    pub fn remember_owners(&self, frame: u64, owners: &'m Owners) {
        let known = known_index(frame);
        self.known_firsts.as_array_of_cells()[known].set(frame & !63);
        self.known_owners.as_array_of_cells()[known].set(owners);
    }

    /// Puts withheld frames into the cache, which has room for them: those frames of the word starting with `first` whose bits are
    /// set in `frames`. The cache then grants the lowest first.
    pub fn fill(&self, first: u64, mut frames: u64, owners: &'m Owners) {
        let Ring { top, frames: ring, .. } = &self.contents.ring;
        let end = top.load(Relaxed).wrapping_add(u64::from(count_of(frames)) * STEP);
        let mut next = end;
        let mut put = |frame| {
            next = next.wrapping_sub(STEP);
            ring[slot(next)].store(frame, Relaxed);
            self.owners.as_array_of_cells()[slot(next)].set(owners);
        };
        if frames == !0 {
            (first..first + 64).for_each(put);
        } else {
            while frames != 0 {
                put(first + u64::from(frames.trailing_zeros()));
                frames &= frames - 1;
            }
        }
        top.store(end, Relaxed);
    }

    /// Takes the oldest frames out of the cache: up to [`FLUSHED_FRAMES`], of a few words. Reports the frames of one word that lie
    /// side by side in the ring together: one of them, their bits in the word, and their number.
    pub fn flush(&self, mut give_back: impl FnMut(u64, u64, u16)) {
        let start = slot(self.bottom.get());
        // The rest of the ring, behind its end, is for the next time.
        let end = CACHE_FRAMES.min(start + self.len().min(FLUSHED_FRAMES));
        let words = &self.owners.as_array_of_cells()[start..end];
        let frames = &self.contents.ring.frames[start..end];
        let mut next = 0;
        for _ in 0..FLUSHED_WORDS {
            let Some(word) = words.get(next).map(Cell::get) else { break };
            let (first, frame) = (next, frames[next].load(Relaxed));
            let mut bits = 0;
            while next < words.len() && ptr::eq(words[next].get(), word) {
                bits |= 1 << (frames[next].load(Relaxed) % 64);
                next += 1;
            }
            give_back(frame, bits, (next - first) as u16);
        }
        self.bottom.set(self.bottom.get().wrapping_add(next as u64 * STEP));
        self.limit.set(self.bottom.get().wrapping_add(ALL));
        self.contents.set_bottom(self.bottom.get());
    }

    /// Sets the block from which the cache is refilled.
    pub fn set_refill_block(&self, block: RefillBlock) {
        self.refill_block.set(Some(block));
    }

    /// Clears and returns the block from which the cache was refilled last.
    pub fn take_refill_block(&self) -> Option<RefillBlock> {
        self.refill_block.take()
    }

    /// Returns true if neither a frame nor a refill block belongs to the cache.
    #[inline]
    pub fn is_drained(&self) -> bool {
        self.len() == 0 && self.refill_block.get().is_none()
    }
}
