//! Freeing a block when its magazine is not at hand or is full, and draining magazines.
use crate::atomic::Ordering;
use crate::class::Class;
use crate::cpu_heap::CpuHeap;
use crate::error::{FreeError, NeedsFrame};
use crate::magazine::Magazine;
use crate::node_heap::NodeHeap;
use crate::owner::OwnerId;
use crate::set::{NO_SET, Shelf};
use crate::sets::Sets;
use crate::window::{OF_DRIVER, frame_of};
use core::ptr::NonNull;
use lock_api::RawMutex;

/// A block's place, and the state byte of its first granule.
struct Found<'m, L> {
    node: usize,
    heap: &'m NodeHeap<'m, L>,
    granule: u32,
}

impl<'m, L: RawMutex> CpuHeap<'m, L> {
    /// Ends a free that [`CpuHeap::free_at_hand`] has begun with this block and this state.
    ///
    /// # Errors
    /// [`FreeError`]; nothing has changed.
    pub fn finish_free(&self, block: NonNull<u8>, state: u8) -> Result<(), FreeError> {
        let address = block.addr().get();
        let found = self.find(address)?;
        let Some(class) = Class::from_index(state.into()) else {
            if state == 0 {
                return Err(FreeError::NotInUse(address));
            }
            // SAFETY: `find` has checked that the granule has metadata.
            unsafe { found.heap.window.state(found.granule as usize) }.store(state, Ordering::Relaxed);
            return Err(FreeError::OtherOwner(address));
        };
        self.put(&found, class, OwnerId::KERNEL);
        Ok(())
    }

    /// Frees a block of any node that belongs to this owner.
    ///
    /// # Errors
    /// [`FreeError`]; nothing has changed. Of several CPUs that free the same block at once, one succeeds.
    pub fn free(&self, block: NonNull<u8>, owner: OwnerId) -> Result<(), FreeError> {
        let address = block.addr().get();
        let found = self.find(address)?;
        // SAFETY: `find` has checked that the granule has metadata.
        let byte = unsafe { found.heap.window.state(found.granule as usize) };
        let state = byte.load(Ordering::Relaxed);
        let class = Class::from_index((state & !OF_DRIVER).into()).ok_or(FreeError::NotInUse(address))?;
        let is_owner = || {
            let is_driver = owner != OwnerId::KERNEL;
            // SAFETY: `find` has checked that the granule's frame has metadata.
            (state & OF_DRIVER != 0) == is_driver
                && (!is_driver
                    || unsafe { found.heap.window.owner(frame_of(found.granule)) } == owner.index())
        };
        if !is_owner() {
            return Err(FreeError::OtherOwner(address));
        }
        byte.compare_exchange(state, 0, Ordering::Relaxed, Ordering::Relaxed)
            .map_err(|_| FreeError::NotInUse(address))?;
        // Between the two looks at the owner, wrong frees may have made the slab another's. It cannot change now.
        if !is_owner() {
            byte.store(state, Ordering::Relaxed);
            return Err(FreeError::OtherOwner(address));
        }
        self.put(&found, class, owner);
        Ok(())
    }

    /// Returns, once, what a free has lacked for a magazine: the block is free, and the next frees cost less if the node grows.
    #[inline]
    pub fn take_lacking(&self) -> Option<NeedsFrame> {
        self.lacking.take()
    }

    #[inline]
    fn find(&self, address: usize) -> Result<Found<'m, L>, FreeError> {
        let granule = self.home().granule(address);
        if granule < self.limit()
            && let Some(heap) = self.heap(self.node())
        {
            return Ok(Found { node: self.node(), heap, granule: granule as u32 });
        }
        self.find_elsewhere(address)
    }

    /// Finds a block that is not of the CPU's node, as far as the CPU knows.
    #[inline(never)]
    fn find_elsewhere(&self, address: usize) -> Result<Found<'m, L>, FreeError> {
        let find = || {
            let heaps = self.heaps()?;
            let node = heaps.node_of(address)?;
            let heap = heaps.node(node)?;
            let granule = heap.window.granule(address);
            self.update_limit(node, heap);
            (granule < heap.limit() as usize).then_some(Found { node, heap, granule: granule as u32 })
        };
        find().ok_or(FreeError::NotInHeap(address))
    }

    /// Puts a block that is neither in use nor in a magazine into a magazine of this CPU, or into its slab.
    #[inline(always)]
    fn put(&self, found: &Found<'m, L>, class: Class, owner: OwnerId) {
        let &Found { node, heap, granule } = found;
        let shelf = self.shelf_or_create(node, class, owner).unwrap_or_else(|needs| {
            self.lacking.set(Some(needs));
            None
        });
        let shelf = shelf.filter(|shelf| self.has_room(*shelf, found, class, owner));
        match shelf {
            // SAFETY: `has_room` has returned true, and the magazine is this CPU's.
            Some(Shelf { top, .. }) => top.set(unsafe { top.get().push(granule) }),
            None => heap.lock().put_back_one(granule),
        }
    }

    /// Returns true if the first magazine has room, or if one with room could take its place.
    #[inline(always)]
    fn has_room(&self, shelf: Shelf<'_>, found: &Found<'m, L>, class: Class, owner: OwnerId) -> bool {
        if !shelf.top.get().is_full() {
            return true;
        }
        if !shelf.rest.other.get().is_full() {
            shelf.exchange();
            return true;
        }
        self.make_room(shelf, found, class, owner)
    }

    /// Gives the node one of two full magazines, or some of its blocks. Returns false if there is no memory for an empty one.
    #[cold]
    #[inline(never)]
    fn make_room(&self, shelf: Shelf<'_>, found: &Found<'m, L>, class: Class, owner: OwnerId) -> bool {
        let &Found { node, heap, .. } = found;
        self.note_use();
        let mut slabs = heap.lock();
        let (top, other) = (shelf.top.get(), shelf.rest.other.get());
        let mut with_room = None;
        if other.is_some() {
            // SAFETY: the magazine is a full one of this CPU, which forgets it here.
            unsafe {
                let kept = if owner == OwnerId::KERNEL { slabs.put_full(class, other) } else { Err(other) };
                with_room = kept.err().map(|full| slabs.empty_some(class, full));
            }
        }
        if let Some(with_room) = with_room.or_else(|| slabs.empty_magazine(class)) {
            shelf.rest.other.set(top);
            shelf.top.set(with_room);
            return true;
        }
        shelf.rest.other.set(Magazine::NONE);
        if top.is_some() {
            // SAFETY: the magazine is a full one of this CPU, for this class.
            shelf.top.set(unsafe { slabs.empty_some(class, top) });
        } else {
            self.lacking.set(Some(NeedsFrame { node }));
        }
        top.is_some()
    }

    /// Returns some blocks of the CPU's magazines to their slabs. Returns false if the CPU has no magazine. A kernel calls this in a
    /// loop before a CPU halts, or when memory runs out, and lets interrupts and other threads in between.
    #[inline]
    pub fn drain_some(&self) -> bool {
        self.is_in_use() && self.drain_next()
    }

    /// Returns true if the CPU may have magazines. Other CPUs may call this at any time.
    #[inline]
    pub fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    #[cold]
    fn drain_next(&self) -> bool {
        let Some(home_heap) = self.heap(self.node()) else { return false };
        if !self.is_own_drained.get() {
            if drain_shelves(home_heap, |class| self.own_shelf(class)) {
                return true;
            }
            self.is_own_drained.set(true);
        }
        let Some(number) = self.sets().first_used() else { return self.end_drain() };
        self.drain_set(number, home_heap);
        true
    }

    /// Returns some blocks of the magazines of the set of this number to their slabs, or else the set itself.
    fn drain_set(&self, number: usize, home: &NodeHeap<'m, L>) {
        let Some(slot) = self.sets().slot(number) else { return };
        // SAFETY: the slot is not free, so it holds a set, which lives until the lines below. It is this CPU's.
        let set = unsafe { &*slot.get() };
        let node = Sets::node_of(number, self.node());
        if self.heap(node).is_some_and(|heap| drain_shelves(heap, |class| set.shelf(class))) {
            return;
        }
        let block = self.sets().replace(number, NO_SET.pointer());
        home.lock().put_back_one(home.window.granule(block.addr()) as u32);
    }

    fn end_drain(&self) -> bool {
        self.in_use.store(false, Ordering::Release);
        self.is_own_drained.set(false);
        false
    }
}

/// Returns some blocks of a magazine to their slabs. Returns false if there is no magazine.
fn drain_shelves<'a, L: RawMutex>(heap: &NodeHeap<'_, L>, shelf: impl Fn(Class) -> Shelf<'a>) -> bool {
    let found = Class::all().find_map(|class| Some((class, shelf(class).magazine_to_drain()?)));
    let Some((class, slot)) = found else { return false };
    // SAFETY: the magazine is this CPU's, of this node and for this class. The slot has what is left of it.
    slot.set(unsafe { heap.lock().drain(class, slot.get()) }.unwrap_or(Magazine::NONE));
    true
}
