//! The short paths for blocks of other nodes: magazines alone, as for the CPU's own node.
use crate::atomic::Ordering;
use crate::class::{CLASSES, Class};
use crate::cpu_heap::{AtHand, CpuHeap};
use crate::set::Set;
use core::ptr::NonNull;
use lock_api::RawMutex;

impl<L: RawMutex> CpuHeap<'_, L> {
    /// Allocates a block of the class for the kernel, of another node than the CPU's, if the CPU has one at hand. There
    /// is none of no class.
    #[inline]
    pub fn take_at_hand_of(&self, node: usize, class: Option<Class>) -> Option<NonNull<u8>> {
        let set = self.set_of_node(node);
        // 0 has no magazine.
        let class = class.map_or(0, Class::index);
        let top = set.top_of(class as u8);
        let granule = top.get().peek();
        if granule == 0 {
            return None;
        }
        top.set(top.get().popped());
        // SAFETY: a granule in a magazine is that of a block, so its frame has metadata, and its address is not null.
        unsafe {
            set.window.state(granule as usize).store(class as u8, Ordering::Relaxed);
            Some(NonNull::new_unchecked(set.window.address(granule)))
        }
    }

    /// Frees a block of the kernel and another node than the CPU's, if its magazine is at hand and has room.
    #[inline]
    pub fn free_at_hand_of(&self, block: NonNull<u8>) -> AtHand {
        let address = block.addr().get();
        let set = self.set_of_node(self.window_of(address));
        let granule = set.window.granule(address);
        if granule >= set.limit.get() {
            return AtHand::Untouched;
        }
        // SAFETY: `limit` is no more than the granules with metadata.
        let state = unsafe { set.window.state(granule) }.swap(0, Ordering::Relaxed);
        if usize::from(state) >= CLASSES {
            return AtHand::Taken(state);
        }
        // State 0 is that of no class, whose magazine is always full.
        let top = set.top_of(state);
        let magazine = top.get();
        if magazine.is_full() {
            return AtHand::Taken(state);
        }
        // SAFETY: the magazine is not full, and it is this CPU's.
        top.set(unsafe { magazine.push(granule as u32) });
        AtHand::Freed
    }

    /// Returns the CPU's set for blocks of another node and the kernel, or one without blocks and room.
    #[inline(always)]
    fn set_of_node(&self, node: usize) -> &Set {
        let set = self.sets().of_node(node);
        // SAFETY: a slot holds `NO_SET`, or a set, which lives until `drain_some` takes it out of the slot, and that is not called
        // meanwhile. The set is this CPU's.
        unsafe { &*set }
    }
}
