//! Where a CPU keeps its sets of magazines for other nodes and for drivers.
use crate::owner::OWNERS;
use crate::set::{NO_SET, Set};
use core::cell::Cell;
use core::mem::MaybeUninit;

/// The most nodes.
pub(crate) const NODES: usize = 128;

const BITS: usize = u64::BITS as usize;

/// A place for a set: [`NO_SET`], or a block of the heap of the CPU's node.
pub(crate) type Slot = Cell<*const Set>;

/// The sets of a CPU.
pub(crate) struct Sets {
    /// For each node, the CPU's own excepted.
    nodes: [Slot; NODES],
    /// For each owner but the kernel, blocks of the CPU's node.
    owners: [Slot; OWNERS],
    /// The slots that hold a set: bit n of word n / 64. So a drain passes over the empty ones in a few steps.
    used: [Cell<u64>; (NODES + OWNERS).div_ceil(BITS)],
}

/// Stands where a CPU has no memory for sets.
static NO_SETS: Unused = Unused(Sets::new());

struct Unused(Sets);

// SAFETY: `Sets::slot` returns no slot of it, so nothing changes it. Its sets are `NO_SET`, which is not changed either.
unsafe impl Sync for Unused {}

/// Returns true if there is no set in the slot.
pub(crate) fn is_free(slot: &Slot) -> bool {
    core::ptr::eq(slot.get(), NO_SET.pointer())
}

impl Sets {
    const fn new() -> Self {
        Self {
            nodes: [const { Cell::new(NO_SET.pointer()) }; NODES],
            owners: [const { Cell::new(NO_SET.pointer()) }; OWNERS],
            used: [const { Cell::new(0) }; (NODES + OWNERS).div_ceil(BITS)],
        }
    }

    /// Returns the slots of a CPU that has no memory for sets.
    pub const fn none() -> &'static Self {
        &NO_SETS.0
    }

    /// Makes the slots of a CPU in its memory, if that is large enough and aligned.
    pub fn in_memory(memory: &mut [MaybeUninit<u8>]) -> Option<&Self> {
        let start = memory.as_mut_ptr().cast::<Self>();
        if memory.len() < size_of::<Self>() || !start.is_aligned() {
            return None;
        }
        // SAFETY: the memory is borrowed as long as the result, aligned, and large enough, as the lines above have checked.
        unsafe {
            start.write(Self::new());
            Some(&*start)
        }
    }

    /// Returns the set for blocks of another node and the kernel, or [`NO_SET`].
    #[inline(always)]
    pub fn of_node(&self, node: usize) -> *const Set {
        self.nodes.get(node).map_or(NO_SET.pointer(), Cell::get)
    }

    /// Returns the slot of this number, or `None` beyond the last one: first those of the nodes, then those of the owners.
    pub fn slot(&self, number: usize) -> Option<&Slot> {
        if core::ptr::eq(self, Self::none()) {
            return None;
        }
        match number.checked_sub(NODES) {
            None => self.nodes.get(number),
            Some(owner) => self.owners.get(owner),
        }
    }

    /// Puts a set into the slot of this number, or [`NO_SET`], and returns what was there. There is such a slot.
    pub fn replace(&self, number: usize, set: *const Set) -> *const Set {
        let Some(slot) = self.slot(number) else { return set };
        if let Some(word) = self.used.get(number / BITS) {
            let bit = 1 << (number % BITS);
            let is_set = !core::ptr::eq(set, NO_SET.pointer());
            word.set(if is_set { word.get() | bit } else { word.get() & !bit });
        }
        slot.replace(set)
    }

    /// Returns the lowest number of a slot that holds a set.
    pub fn first_used(&self) -> Option<usize> {
        let word = self.used.iter().position(|word| word.get() != 0)?;
        Some(word * BITS + self.used[word].get().trailing_zeros() as usize)
    }

    /// Returns the number of the slot for blocks of another node and the kernel.
    pub fn number_of_node(node: usize) -> usize {
        node
    }

    /// Returns the number of the slot for blocks of the CPU's node and this driver.
    pub fn number_of_owner(owner: usize) -> usize {
        NODES + owner
    }

    /// Returns the node whose blocks the set of this number holds. `home` is the CPU's node.
    pub fn node_of(number: usize, home: usize) -> usize {
        if number < NODES { number } else { home }
    }
}
