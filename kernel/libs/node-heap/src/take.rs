//! Allocating a block when none is at hand.
use crate::FRAME;
use crate::atomic::Ordering;
use crate::class::Class;
use crate::cpu_heap::CpuHeap;
use crate::error::NeedsFrame;
use crate::node_heap::NodeHeap;
use crate::owner::OwnerId;
use crate::set::{Set, Shelf};
use crate::sets::{Sets, is_free};
use crate::window::state_of;
use core::ptr::NonNull;
use lock_api::RawMutex;

const _: () = assert!(size_of::<Set>() <= FRAME);

impl<'m, L: RawMutex> CpuHeap<'m, L> {
    /// Allocates a block of the class of this node for this owner.
    ///
    /// # Errors
    /// [`NeedsFrame`]: the caller makes that node [grow](NodeHeap::grow), outside of the heap, and tries again. If it cannot grow,
    /// [`CpuHeap::take_alone`] is the last resort.
    pub fn take(&self, node: usize, class: Class, owner: OwnerId) -> Result<NonNull<u8>, NeedsFrame> {
        let heap = self.heap(node).ok_or(NeedsFrame { node })?;
        self.update_limit(node, heap);
        let granule = match self.shelf_or_create(node, class, owner)? {
            Some(shelf) => self.take_from(shelf, heap, class, owner),
            None => heap.lock().take_one(class, owner),
        };
        granule.and_then(|granule| grant(heap, granule, class, owner)).ok_or(NeedsFrame { node })
    }

    /// Allocates a block of the class of this node for this owner from the node's slabs and spare frames, without a magazine. `None`
    /// means that they have none.
    pub fn take_alone(&self, node: usize, class: Class, owner: OwnerId) -> Option<NonNull<u8>> {
        let heap = self.heap(node)?;
        let granule = heap.lock().take_one(class, owner)?;
        grant(heap, granule, class, owner)
    }

    pub(crate) fn heap(&self, node: usize) -> Option<&'m NodeHeap<'m, L>> {
        self.heaps()?.node(node)
    }

    /// Returns what the CPU has of the class for blocks of this node and owner; `None` if it keeps none of them.
    ///
    /// # Errors
    /// [`NeedsFrame`]: the CPU would keep some, but has no memory for the set.
    #[inline]
    pub(crate) fn shelf_or_create(
        &self,
        node: usize,
        class: Class,
        owner: OwnerId,
    ) -> Result<Option<Shelf<'_>>, NeedsFrame> {
        if !self.has_magazines() {
            return Ok(None);
        }
        if node == self.node() && owner == OwnerId::KERNEL {
            return Ok(Some(self.own_shelf(class)));
        }
        self.shelf_of_set(node, class, owner)
    }

    #[inline(never)]
    fn shelf_of_set(
        &self,
        node: usize,
        class: Class,
        owner: OwnerId,
    ) -> Result<Option<Shelf<'_>>, NeedsFrame> {
        let number = self.set_number(node, owner);
        let Some((number, slot)) = number.and_then(|number| Some((number, self.sets().slot(number)?))) else {
            return Ok(None);
        };
        if is_free(slot) {
            self.create_set(number, node)?;
        }
        // SAFETY: the slot holds a set, as it did before or since the line above. The set lives until `drain_some` takes it out of
        // the slot, which is not called while the result is used, and is this CPU's.
        Ok(Some(unsafe { &*slot.get() }.shelf(class)))
    }

    /// Makes the set of this number, for blocks of this node, in a block of the CPU's node.
    #[cold]
    fn create_set(&self, number: usize, node: usize) -> Result<(), NeedsFrame> {
        let home = self.node();
        let needs_frame = NeedsFrame { node: home };
        let (heap, of) = self.heap(home).zip(self.heap(node)).ok_or(needs_frame)?;
        let granule = heap.lock().take_one(Set::CLASS, OwnerId::KERNEL).ok_or(needs_frame)?;
        let set = heap.window.address(granule).cast::<Set>();
        // SAFETY: the block is large enough for a set, aligned to a granule, mapped, and in no slab. It is not in use, so that no
        // free takes it.
        unsafe { set.write(Set::new(of.window.unbound(), of.limit() as usize)) };
        self.sets().replace(number, set);
        self.note_use();
        Ok(())
    }

    /// Returns the number of the slot for the set for blocks of this node and owner, if the CPU may keep such a set.
    fn set_number(&self, node: usize, owner: OwnerId) -> Option<usize> {
        match owner {
            OwnerId::KERNEL => Some(Sets::number_of_node(node)),
            driver if node == self.node() => Some(Sets::number_of_owner(driver.index())),
            _ => None,
        }
    }

    /// Notes that the CPU has magazines to drain.
    pub(crate) fn note_use(&self) {
        self.in_use.store(true, Ordering::Relaxed);
        self.is_own_drained.set(false);
    }

    fn take_from(
        &self,
        shelf: Shelf<'_>,
        heap: &NodeHeap<'m, L>,
        class: Class,
        owner: OwnerId,
    ) -> Option<u32> {
        if shelf.top.get().is_empty() {
            if shelf.rest.other.get().is_empty() {
                self.refill(shelf, heap, class, owner)?;
            } else {
                shelf.exchange();
            }
        }
        let granule = shelf.top.get().peek();
        shelf.top.set(shelf.top.get().popped());
        Some(granule)
    }

    /// Exchanges the empty magazine for a full one of the node, or fills it from slabs. `None`, and the magazine is empty, if the
    /// node has no block.
    #[cold]
    #[inline(never)]
    fn refill(&self, shelf: Shelf<'_>, heap: &NodeHeap<'m, L>, class: Class, owner: OwnerId) -> Option<()> {
        self.note_use();
        let mut slabs = heap.lock();
        let mut top = shelf.top.get();
        if owner == OwnerId::KERNEL
            && let Some(full) = slabs.take_full(class)
        {
            if top.is_some() {
                // SAFETY: the magazine is empty, is this CPU's, and the line below forgets it.
                unsafe { slabs.put_empty(top) };
            }
            shelf.top.set(full);
            return Some(());
        }
        if !top.is_some() {
            top = slabs.empty_magazine(class)?;
            shelf.top.set(top);
        }
        let most = class.capacity().div_ceil(2);
        let wanted = usize::from(shelf.rest.wanted.get());
        shelf.rest.wanted.set((2 * wanted).min(most) as u8);
        // SAFETY: the magazine is this CPU's, and only this line uses its room.
        let room = unsafe { top.room() };
        let room = room.get_mut(..wanted.min(most))?;
        let got = slabs.fill(class, owner, room);
        // The lowest is taken first.
        room[..got].reverse();
        shelf.top.set(top.grown(got));
        (got > 0).then_some(())
    }
}

/// Hands out a block that is in no slab and no magazine.
fn grant<L: RawMutex>(
    heap: &NodeHeap<'_, L>,
    granule: u32,
    class: Class,
    owner: OwnerId,
) -> Option<NonNull<u8>> {
    // SAFETY: the granule is that of a block, so its frame has metadata.
    let state = unsafe { heap.window.state(granule as usize) };
    state.store(state_of(class.index() as u8, owner), Ordering::Relaxed);
    heap.window.block(granule)
}
