//! A CPU's access to the heaps: its magazines, and the paths that touch nothing but them.
use crate::atomic::Ordering;
use crate::class::{CLASSES, Class};
use crate::error::NeedsFrame;
use crate::magazine::Magazine;
use crate::node_heap::NodeHeap;
use crate::set::{Rest, Shelf};
use crate::sets::{NODES, Sets, is_free};
use crate::window::{OF_DRIVER, Window};
use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::AtomicBool;
use lock_api::RawMutex;

/// All states: those of blocks of the kernel, and those of blocks of drivers.
const STATES: usize = 2 * OF_DRIVER as usize;
/// What [`CpuHeap::free_at_hand`] has done.
#[must_use = "a block that was taken is lost unless `finish_free` follows"]
#[derive(Debug)]
pub enum AtHand {
    /// The block is free.
    Freed,
    /// Nothing: the address is not in the part of the window that the CPU knows. [`CpuHeap::free`] follows.
    Untouched,
    /// The state of the address is taken, and [`CpuHeap::finish_free`] follows with it, on any CPU.
    Taken(u8),
}

/// The heaps of all nodes. The windows lie side by side.
pub struct NodeHeaps<'m, L = spin::Mutex<()>> {
    nodes: &'m [&'m NodeHeap<'m, L>],
    base: usize,
    window_shift: u32,
}

impl<'m, L: RawMutex> NodeHeaps<'m, L> {
    /// Combines the heaps of all nodes, of which each window begins `window_bytes` after the one before.
    ///
    /// Returns `None` if `window_bytes` is not a power of two, if a window is elsewhere or is longer, or if there are no nodes or
    /// more than 128.
    pub fn new(nodes: &'m [&'m NodeHeap<'m, L>], window_bytes: usize) -> Option<Self> {
        let base = nodes.first()?.window.base.addr();
        let mut expected = (base..).step_by(window_bytes.max(1));
        let is_in_place = nodes.iter().all(|node| {
            expected.next() == Some(node.window.base.addr())
                && node.window.frames as usize * crate::FRAME <= window_bytes
        });
        let is_valid = window_bytes.is_power_of_two() && nodes.len() <= NODES && is_in_place;
        is_valid.then_some(Self { nodes, base, window_shift: window_bytes.trailing_zeros() })
    }

    /// Returns the heap of a node.
    #[inline]
    pub fn node(&self, node: usize) -> Option<&'m NodeHeap<'m, L>> {
        self.nodes.get(node).copied()
    }

    /// Returns all heaps, by node.
    pub fn iter(&self) -> impl Iterator<Item = &'m NodeHeap<'m, L>> {
        self.nodes.iter().copied()
    }

    /// Returns the number of the node whose window contains the address.
    #[inline]
    pub fn node_of(&self, address: usize) -> Option<usize> {
        let node = address.wrapping_sub(self.base) >> self.window_shift;
        (node < self.nodes.len()).then_some(node)
    }
}

/// A CPU's access to the heaps, with magazines of blocks that it takes and frees without a lock.
///
/// It is for one CPU: it can move to another one, but cannot be shared. A kernel keeps it in the CPU's own data, and keeps
/// preemption off during a call. No interrupt handler uses it.
#[repr(C)]
pub struct CpuHeap<'m, L = spin::Mutex<()>> {
    /// The magazines for blocks of the CPU's node and the kernel, by the block's state. States that are not the class of such a
    /// block have no magazine: it is always full, so that a free of such a state leaves the fast path.
    top: [Cell<Magazine>; STATES],
    /// The window of the CPU's node.
    home: Cell<Window<'m>>,
    /// The granules of that window whose states are backed, as far as this CPU knows.
    limit: Cell<usize>,
    /// Where the windows of all nodes begin, and the binary logarithm of the distance between two of them.
    windows: Cell<usize>,
    window_shift: Cell<u32>,
    node: Cell<u8>,
    heaps: Cell<Option<&'m NodeHeaps<'m, L>>>,
    sets: Cell<&'m Sets>,
    rest: [Rest; CLASSES],
    /// Whether the CPU may have magazines.
    pub(crate) in_use: AtomicBool,
    /// Whether [`CpuHeap::drain_some`] has come to the sets: no other magazine is left.
    pub(crate) is_own_drained: Cell<bool>,
    without_magazines: Cell<bool>,
    /// The node that had no frame for a magazine or a set when a block was freed last.
    pub(crate) lacking: Cell<Option<NeedsFrame>>,
    lock: PhantomData<L>,
}

// SAFETY: what the pointers point to is memory of the heaps that only the holder of this value uses.
unsafe impl<L: Sync> Send for CpuHeap<'_, L> {}

impl<'m, L> CpuHeap<'m, L> {
    /// Returns the access of a CPU before the heaps exist. It has no block at hand, and frees none.
    pub const fn detached() -> Self {
        Self {
            top: [const { Cell::new(Magazine::NONE) }; STATES],
            home: Cell::new(Window::NONE),
            limit: Cell::new(0),
            windows: Cell::new(0),
            window_shift: Cell::new(0),
            node: Cell::new(0),
            heaps: Cell::new(None),
            sets: Cell::new(Sets::none()),
            rest: [const { Rest::new() }; CLASSES],
            in_use: AtomicBool::new(false),
            is_own_drained: Cell::new(false),
            without_magazines: Cell::new(false),
            lacking: Cell::new(None),
            lock: PhantomData,
        }
    }

    /// Bytes of memory that [`CpuHeap::attach`] needs for sets of magazines, at a multiple of 8.
    pub const SETS_BYTES: usize = size_of::<Sets>();
}

impl<'m, L: RawMutex> CpuHeap<'m, L> {
    /// Attaches a detached access to the heaps, for a CPU of this node. Has no effect if it is attached already, or if there is no
    /// such node.
    ///
    /// `memory`, of [`CpuHeap::SETS_BYTES`] bytes or more, is for sets of magazines. Without it, or if it is too small or not
    /// aligned, blocks of other nodes and of drivers come from their node's slabs one by one.
    pub fn attach(
        &self,
        heaps: &'m NodeHeaps<'m, L>,
        node: usize,
        memory: Option<&'m mut [MaybeUninit<u8>]>,
    ) {
        let Some(home) = heaps.node(node).filter(|_| self.heaps.get().is_none()) else { return };
        self.sets.set(memory.and_then(|memory| Sets::in_memory(memory)).unwrap_or(Sets::none()));
        self.home.set(home.window);
        self.limit.set(home.limit() as usize);
        self.windows.set(heaps.base);
        self.window_shift.set(heaps.window_shift);
        // There are at most 128.
        self.node.set(node as u8);
        self.heaps.set(Some(heaps));
    }

    /// Makes the CPU do without magazines: each block comes from its slab and goes back there. For a CPU that has none yet.
    pub fn do_without_magazines(&self) {
        self.without_magazines.set(true);
    }

    /// Returns the number of the CPU's node.
    #[inline(always)]
    pub fn node(&self) -> usize {
        self.node.get().into()
    }

    #[inline(always)]
    pub(crate) fn heaps(&self) -> Option<&'m NodeHeaps<'m, L>> {
        self.heaps.get()
    }

    #[inline(always)]
    pub(crate) fn sets(&self) -> &'m Sets {
        self.sets.get()
    }

    /// Returns the window of the CPU's node.
    #[inline(always)]
    pub(crate) fn home(&self) -> Window<'m> {
        self.home.get()
    }

    /// Returns the granules of that window whose states are backed, as far as this CPU knows.
    #[inline(always)]
    pub(crate) fn limit(&self) -> usize {
        self.limit.get()
    }

    pub(crate) fn has_magazines(&self) -> bool {
        !self.without_magazines.get()
    }

    /// Returns the number of the window that contains the address: a node, or a number that no node has.
    #[inline(always)]
    pub(crate) fn window_of(&self, address: usize) -> usize {
        address.wrapping_sub(self.windows.get()) >> (self.window_shift.get() % usize::BITS)
    }

    /// Returns what the CPU has for blocks of its node and of the kernel.
    pub(crate) fn own_shelf(&self, class: Class) -> Shelf<'_> {
        Shelf { top: &self.top[class.index()], rest: &self.rest[class.index()] }
    }

    /// Learns how much of a node's window has metadata by now.
    pub(crate) fn update_limit(&self, node: usize, heap: &NodeHeap<'m, L>) {
        if node == self.node() {
            self.limit.set(heap.limit() as usize);
        } else if let Some(slot) = self.sets().slot(Sets::number_of_node(node)) {
            // SAFETY: a slot holds `NO_SET`, whose window is passed over, or a set, which lives until `drain_some` takes it out of the
            // slot.
            let set = unsafe { &*slot.get() };
            if !is_free(slot) {
                set.limit.set(heap.limit() as usize);
            }
        }
    }

    /// Allocates a block of the class for the kernel, of the CPU's node, if the CPU has one at hand. There is none of no class.
    #[inline(always)]
    pub fn take_at_hand(&self, class: Option<Class>) -> Option<NonNull<u8>> {
        // 0 has no magazine.
        let class = class.map_or(0, Class::index);
        // SAFETY: the index of a class is below `STATES`.
        let top = unsafe { self.top.get_unchecked(class) };
        let granule = top.get().peek();
        if granule == 0 {
            return None;
        }
        top.set(top.get().popped());
        let home = self.home.get();
        // SAFETY: a granule in a magazine is that of a block, so its frame has metadata, and its address is not null.
        unsafe {
            home.state(granule as usize).store(class as u8, Ordering::Relaxed);
            Some(NonNull::new_unchecked(home.address(granule)))
        }
    }

    /// Frees a block of the kernel and the CPU's node, if its magazine is at hand and has room.
    #[inline(always)]
    pub fn free_at_hand(&self, block: NonNull<u8>) -> AtHand {
        let home = self.home.get();
        let granule = home.granule(block.addr().get());
        if granule >= self.limit.get() {
            return AtHand::Untouched;
        }
        // SAFETY: `limit` is no more than the granules with metadata.
        let state = unsafe { home.state(granule) }.swap(0, Ordering::Relaxed);
        // SAFETY: states are those that `state_of` returns, which are below `STATES`.
        let top = unsafe { self.top.get_unchecked(state as usize) };
        let magazine = top.get();
        if magazine.is_full() {
            return AtHand::Taken(state);
        }
        // SAFETY: the magazine is not full, and it is this CPU's.
        top.set(unsafe { magazine.push(granule as u32) });
        AtHand::Freed
    }
}
