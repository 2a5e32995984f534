//! What a node's lock guards: its slabs, its spare frames, and the magazines that no CPU holds.
use crate::class::{CLASSES, Class};
use crate::magazine::Magazine;
use crate::owner::{OWNERS, OwnerId};
use crate::record::Record;
use crate::window::{Window, first_granule, frame_of};

/// Full magazines that a node keeps of a class.
const DEPOT: u8 = 16;
/// Empty magazines that a node keeps, of all classes.
const EMPTIES: u32 = 32;

/// What [`Slabs::put_back_some`] may cost, in blocks: the lock is held and preemption is off meanwhile.
const STEP: usize = 48;
/// What the first block of a frame costs besides, since each frame has a record and may change its list.
const FRAME_COST: usize = 7;

/// A list of frames: the first one, and how many there are.
#[derive(Clone, Copy)]
struct FrameList {
    first: u32,
    len: u32,
}

/// The list of frames that any owner may have.
const SPARE: usize = 0;
/// The list of frames that were a driver's slabs: they are unmapped before they are used again.
const LEFT: usize = 1;

/// A node's slabs. Frames and magazines are linked by their numbers; 0 is none.
pub(crate) struct Slabs<'m> {
    pub window: Window<'m>,
    /// For each class the first full magazine, by its granule, and how many there are. All hold blocks of the kernel.
    depot: [u32; CLASSES],
    depot_len: [u8; CLASSES],
    /// Empty magazines.
    empties: u32,
    empties_len: u32,
    /// A magazine of the depot that has been broken up in part.
    broken: Option<(Class, Magazine)>,
    /// For each owner and class, the first slab that has blocks.
    partial: [[u32; CLASSES]; OWNERS],
    /// For each owner, how many frames are its slabs.
    slabs: [u32; OWNERS],
    /// Frames that are mapped and no slabs: [`SPARE`] and [`LEFT`].
    unused: [FrameList; 2],
    /// A driver's frames are left when they are slabs no more.
    pub are_left: bool,
    /// Frames of the window that were mapped and are not any more.
    holes: u32,
    /// The first frame of the window that was never mapped.
    fresh: u32,
    /// The first frame that has no metadata.
    pub limit: u32,
    /// Frames that are mapped, or are about to be.
    pub mapped: u32,
}

impl<'m> Slabs<'m> {
    pub const fn new(window: Window<'m>) -> Self {
        Self {
            window,
            depot: [0; CLASSES],
            depot_len: [0; CLASSES],
            empties: 0,
            empties_len: 0,
            broken: None,
            partial: [[0; CLASSES]; OWNERS],
            slabs: [0; OWNERS],
            unused: [FrameList { first: 0, len: 0 }; 2],
            are_left: false,
            holes: 0,
            fresh: 1,
            limit: 0,
            mapped: 0,
        }
    }

    /// Returns the record of a frame that has metadata.
    #[inline(always)]
    fn record(&self, frame: u32) -> &Record {
        debug_assert!(frame != 0 && frame < self.limit);
        // SAFETY: frames are mapped only below `limit`, where metadata is backed. `self` is borrowed from the node's lock.
        unsafe { self.window.record(frame) }
    }

    /// Returns true if a frame is a slab of this owner.
    pub fn has_slab_of(&self, owner: OwnerId) -> bool {
        self.slabs[owner.index()] != 0
    }

    /// Returns the blocks of a frame that are in use or in magazines, if it is a slab of this owner.
    pub fn outside(&self, frame: u32, owner: OwnerId) -> Option<(Class, [u64; 2])> {
        if frame == 0 || frame >= self.limit {
            return None;
        }
        let record = self.record(frame);
        let (class, _) = record.slab().filter(|(_, of)| *of == owner)?;
        Some((class, record.outside(class)))
    }

    /// Moves blocks of the class out of slabs to `to`, and returns how many. Begins at most one slab.
    pub fn fill(&mut self, class: Class, owner: OwnerId, to: &mut [u32]) -> usize {
        let mut got = 0;
        let mut begun = false;
        while got < to.len() {
            let mut frame = self.partial[owner.index()][class.index()];
            if frame == 0 {
                if begun {
                    break;
                }
                begun = true;
                let Some(new) = self.begin(class, owner) else { break };
                frame = new;
            }
            got += self.take_from(frame, class, owner, &mut to[got..]);
        }
        got
    }

    /// Moves blocks of the first slab of its list to `to`, and returns how many. An exhausted slab leaves the list.
    #[inline(always)]
    fn take_from(&mut self, frame: u32, class: Class, owner: OwnerId, to: &mut [u32]) -> usize {
        let record = self.record(frame);
        let mut slots = to.iter_mut();
        let mut got = 0;
        let mut first = first_granule(frame);
        for word in &record.free {
            let mut bits = word.get();
            while bits != 0
                && let Some(slot) = slots.next()
            {
                *slot = first + bits.trailing_zeros();
                bits &= bits - 1;
                got += 1;
            }
            word.set(bits);
            first += u64::BITS;
        }
        let left = record.count.get() - got as u16;
        record.count.set(left);
        if left == 0 {
            let next = record.next.get();
            self.partial[owner.index()][class.index()] = next;
            if next != 0 {
                self.record(next).prev.set(0);
            }
        }
        got
    }

    /// Takes one block of the class out of a slab.
    pub fn take_one(&mut self, class: Class, owner: OwnerId) -> Option<u32> {
        let mut granule = [0];
        (self.fill(class, owner, &mut granule) == 1).then_some(granule[0])
    }

    /// Puts a block back into its slab. A slab that has all its blocks becomes a spare frame.
    pub fn put_back_one(&mut self, granule: u32) {
        self.put_back_some(&[granule]);
    }

    /// Puts the last of these blocks back into their slabs as [`Slabs::put_back_one`] does, and returns how many are left. Blocks of a
    /// frame that lie side by side in the slice go together.
    pub fn put_back_some(&mut self, granules: &[u32]) -> usize {
        let mut rest = granules.iter().rev().copied().peekable();
        let mut cost = 0;
        while cost < STEP
            && let Some(first) = rest.next()
        {
            let frame = frame_of(first);
            let mut bits = [0u64; 2];
            let mut more = 0;
            let mut granule = Some(first);
            cost += FRAME_COST;
            while let Some(block) = granule {
                bits[(block / u64::BITS % 2) as usize] |= 1 << (block % u64::BITS);
                more += 1;
                cost += 1;
                granule = rest.next_if(|next| frame_of(*next) == frame && cost < STEP);
            }
            self.put_back_bits(frame, bits, more);
        }
        rest.len()
    }

    #[inline(always)]
    fn put_back_bits(&mut self, frame: u32, bits: [u64; 2], more: u16) {
        let record = self.record(frame);
        for (word, bits) in record.free.iter().zip(bits) {
            debug_assert!(word.get() & bits == 0, "a block is put into its slab twice");
            word.set(word.get() | bits);
        }
        let before = record.count.get();
        record.count.set(before + more);
        let Some((class, owner)) = record.slab() else { return };
        if before + more == class.blocks() {
            if before != 0 {
                self.unlink(frame, class, owner);
            }
            self.record(frame).end();
            self.slabs[owner.index()] -= 1;
            if self.are_left && owner != OwnerId::KERNEL {
                self.add_unused(LEFT, frame);
            } else {
                self.add_spare(frame);
            }
        } else if before == 0 {
            self.link(frame, class, owner);
        }
    }

    /// Makes a spare frame a slab, the first of its list.
    fn begin(&mut self, class: Class, owner: OwnerId) -> Option<u32> {
        let frame = self.take_spare()?;
        self.record(frame).begin(class, owner);
        self.slabs[owner.index()] += 1;
        self.link(frame, class, owner);
        Some(frame)
    }

    fn link(&mut self, frame: u32, class: Class, owner: OwnerId) {
        let head = &mut self.partial[owner.index()][class.index()];
        let next = core::mem::replace(head, frame);
        self.record(frame).next.set(next);
        self.record(frame).prev.set(0);
        if next != 0 {
            self.record(next).prev.set(frame);
        }
    }

    fn unlink(&mut self, frame: u32, class: Class, owner: OwnerId) {
        let (next, prev) = (self.record(frame).next.get(), self.record(frame).prev.get());
        if prev == 0 {
            self.partial[owner.index()][class.index()] = next;
        } else {
            self.record(prev).next.set(next);
        }
        if next != 0 {
            self.record(next).prev.set(prev);
        }
    }

    /// Returns the number of frames that are mapped and no slabs.
    pub fn unused(&self) -> u32 {
        self.unused.iter().map(|list| list.len).sum()
    }

    /// Adds a frame that is mapped and no slab.
    pub fn add_spare(&mut self, frame: u32) {
        self.add_unused(SPARE, frame);
    }

    /// Takes a frame that any owner may have.
    fn take_spare(&mut self) -> Option<u32> {
        self.take_unused(SPARE)
    }

    /// Takes frames that are to be unmapped, until there is none or `to` is full. Returns how many.
    pub fn take_some_to_unmap(&mut self, to: &mut [u32], keep: u32) -> usize {
        let mut count = 0;
        while count < to.len()
            && let Some(frame) = self.take_to_unmap(keep)
        {
            to[count] = frame;
            count += 1;
        }
        count
    }

    /// Takes a frame that is to be unmapped: one that was a driver's slab, or a spare one if there are more than `keep`.
    fn take_to_unmap(&mut self, keep: u32) -> Option<u32> {
        let spare = self.unused[SPARE].len;
        self.take_unused(LEFT).or_else(|| if spare > keep { self.take_spare() } else { None })
    }

    fn add_unused(&mut self, list: usize, frame: u32) {
        self.record(frame).next.set(self.unused[list].first);
        let list = &mut self.unused[list];
        (list.first, list.len) = (frame, list.len + 1);
    }

    fn take_unused(&mut self, list: usize) -> Option<u32> {
        let FrameList { first, len } = self.unused[list];
        if first == 0 {
            return None;
        }
        self.unused[list] = FrameList { first: self.record(first).next.get(), len: len - 1 };
        Some(first)
    }

    /// Takes a frame of the window that is not mapped. `Err` says that the frames from the number on need metadata first, or,
    /// if there is no number, that the window has no more.
    pub fn take_place(&mut self) -> Result<u32, Option<u32>> {
        if self.holes != 0 {
            let frame = self.holes;
            self.holes = self.record(frame).next.get();
            self.mapped += 1;
            return Ok(frame);
        }
        if self.fresh >= self.window.frames {
            return Err(None);
        }
        if self.fresh >= self.limit {
            return Err(Some(self.limit));
        }
        self.fresh += 1;
        self.mapped += 1;
        Ok(self.fresh - 1)
    }

    /// Takes back a frame of the window that is not mapped, or not any more.
    pub fn put_place(&mut self, frame: u32) {
        self.record(frame).next.set(self.holes);
        self.holes = frame;
        self.mapped -= 1;
    }

    /// Returns an empty magazine for blocks of the class, or `None` if there is no memory for one.
    #[inline]
    pub fn empty_magazine(&mut self, class: Class) -> Option<Magazine> {
        let granule = if self.empties == 0 {
            self.take_one(Magazine::CLASS, OwnerId::KERNEL)?
        } else {
            self.take_empty()
        };
        // SAFETY: the granule is a block of the magazines' class, whose blocks lie at multiples of their size. It is in no slab
        // and not in use, so the magazine alone uses it.
        Some(unsafe { Magazine::new(self.start(granule), class) })
    }

    /// Takes an empty magazine.
    ///
    /// # Safety
    /// The magazine came from this node, holds no block, and nothing uses it any more.
    pub unsafe fn put_empty(&mut self, magazine: Magazine) {
        let granule = self.number(magazine);
        if self.empties_len == EMPTIES {
            return self.put_back_one(granule);
        }
        // SAFETY: by `# Safety` nothing else uses the magazine's memory.
        unsafe { magazine.start().write(self.empties) };
        self.empties = granule;
        self.empties_len += 1;
    }

    /// Returns a full magazine with blocks of the kernel, if the node keeps one.
    #[inline]
    pub fn take_full(&mut self, class: Class) -> Option<Magazine> {
        let granule = self.depot[class.index()];
        if granule == 0 {
            return None;
        }
        // SAFETY: `put_full` has linked only full magazines, and nothing has used them since.
        let full = unsafe { Magazine::full(self.start(granule)) };
        // SAFETY: `put_full` has linked it for this class.
        self.depot[class.index()] = unsafe { full.unlink(class) };
        self.depot_len[class.index()] -= 1;
        Some(full)
    }

    /// Takes a full magazine with blocks of the kernel. If the node has enough, it returns the magazine.
    ///
    /// # Safety
    /// The magazine came from this node, is a full one for the class, and nothing uses it any more.
    #[inline]
    pub unsafe fn put_full(&mut self, class: Class, full: Magazine) -> Result<(), Magazine> {
        let index = class.index();
        if self.depot_len[index] == DEPOT {
            return Err(full);
        }
        // SAFETY: by `# Safety` nothing else uses the magazine.
        unsafe { full.link(class, self.depot[index]) };
        self.depot[index] = self.number(full);
        self.depot_len[index] += 1;
        Ok(())
    }

    /// Puts some blocks of a magazine back into their slabs, at least one if it holds any. Returns the magazine with the others.
    ///
    /// # Safety
    /// This is a magazine of this node for the class, and nothing else uses it.
    pub unsafe fn empty_some(&mut self, class: Class, magazine: Magazine) -> Magazine {
        // SAFETY: `# Safety` is the same.
        let blocks = unsafe { magazine.blocks(class) };
        let left = self.put_back_some(blocks);
        magazine.shrunk(blocks.len() - left)
    }

    /// Puts some blocks of a magazine back into their slabs, or the magazine if it is empty. Returns the magazine if there still is one.
    ///
    /// # Safety
    /// This is a magazine of this node for the class, and nothing else uses it.
    pub unsafe fn drain(&mut self, class: Class, magazine: Magazine) -> Option<Magazine> {
        // SAFETY: `# Safety` is the same.
        let rest = unsafe { self.empty_some(class, magazine) };
        if !rest.is_empty() {
            return Some(rest);
        }
        // SAFETY: the magazine is empty, and by `# Safety` the node's. Its holder forgets it.
        unsafe { self.put_empty(rest) };
        None
    }

    /// Puts some blocks of the magazines that the node keeps, or an empty magazine, back into slabs. Returns false if there is none.
    pub fn break_up_some(&mut self) -> bool {
        if let Some((class, magazine)) = self.broken.take().or_else(|| self.take_any_full()) {
            // SAFETY: the magazine was the depot's, so nothing else uses it, and it holds blocks of this class.
            self.broken = unsafe { self.drain(class, magazine) }.map(|rest| (class, rest));
            return true;
        }
        if self.empties == 0 {
            return false;
        }
        let granule = self.take_empty();
        self.put_back_one(granule);
        true
    }

    fn take_any_full(&mut self) -> Option<(Class, Magazine)> {
        let class = Class::all().find(|class| self.depot[class.index()] != 0)?;
        Some((class, self.take_full(class)?))
    }

    /// Takes an empty magazine out of the list, which has one.
    fn take_empty(&mut self) -> u32 {
        let granule = self.empties;
        // SAFETY: `put_empty` has written the link into the magazine, which nothing has used since.
        self.empties = unsafe { self.start(granule).read() };
        self.empties_len -= 1;
        granule
    }

    /// Returns true if the node keeps magazines.
    pub fn has_magazines(&self) -> bool {
        self.empties != 0 || self.broken.is_some() || self.depot.iter().any(|first| *first != 0)
    }

    fn start(&self, granule: u32) -> *mut u32 {
        self.window.address(granule).cast()
    }

    fn number(&self, magazine: Magazine) -> u32 {
        self.window.granule(magazine.start().addr()) as u32
    }
}
