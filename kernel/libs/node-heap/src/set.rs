//! The magazines that a CPU has for the blocks of one node and one owner: two for each class.
use crate::class::{CLASSES, Class};
use crate::magazine::Magazine;
use crate::window::Window;
use core::cell::Cell;

/// A class's second magazine, and how the class is refilled.
pub(crate) struct Rest {
    /// Another magazine, mostly full or empty, so that a CPU that allocates and frees in turn takes no lock.
    pub other: Cell<Magazine>,
    /// How many blocks the next refill from slabs takes. It grows while the class is used.
    pub wanted: Cell<u8>,
}

impl Rest {
    pub const fn new() -> Self {
        Self { other: Cell::new(Magazine::NONE), wanted: Cell::new(1) }
    }
}

/// What a CPU has of one class of a set.
#[derive(Clone, Copy)]
pub(crate) struct Shelf<'a> {
    /// The magazine that blocks are taken from and put into.
    pub top: &'a Cell<Magazine>,
    pub rest: &'a Rest,
}

impl<'a> Shelf<'a> {
    /// Exchanges the two magazines.
    pub fn exchange(&self) {
        self.rest.other.swap(self.top);
    }

    /// Returns where one of the two magazines is, if there is one. The class is drained: its next refill is small.
    pub fn magazine_to_drain(self) -> Option<&'a Cell<Magazine>> {
        let slots = [self.top, &self.rest.other];
        let slot = slots.into_iter().find(|slot| slot.get().is_some())?;
        self.rest.wanted.set(1);
        Some(slot)
    }
}

/// A set that lies in a block of the heap: for another node, or for a driver.
#[repr(C)]
pub(crate) struct Set {
    shelves: [(Cell<Magazine>, Rest); CLASSES],
    /// The window of the node whose blocks the set holds.
    pub window: Window<'static>,
    /// The granules of that window whose states are backed, as far as this CPU knows.
    pub limit: Cell<usize>,
}

/// Stands where a CPU has no set. It has no magazine, so nothing is put into it, and its window has no block.
pub(crate) static NO_SET: Unused = Unused(Set::new(Window::NONE, 0));

/// A set in which no code changes anything.
pub(crate) struct Unused(Set);

// SAFETY: a set without magazines is not changed, as nothing can be taken from it or put into it: `drain_some` and `shelf_or_create`
// pass over `NO_SET`.
unsafe impl Sync for Unused {}

impl Unused {
    pub const fn pointer(&'static self) -> *const Set {
        &raw const self.0
    }
}

impl Set {
    /// The class of the block that a set lies in.
    pub const CLASS: Class = Class::of_constant(size_of::<Self>());

    pub const fn new(window: Window<'static>, limit: usize) -> Self {
        Self {
            window,
            limit: Cell::new(limit),
            shelves: [const { (Cell::new(Magazine::NONE), Rest::new()) }; CLASSES],
        }
    }

    /// Returns the first magazine of the class of this number, which is below [`CLASSES`]. 0 has none.
    #[inline(always)]
    pub fn top_of(&self, class: u8) -> &Cell<Magazine> {
        debug_assert!(usize::from(class) < CLASSES);
        // SAFETY: this function is private to the crate, and both callers have compared with `CLASSES`.
        unsafe { &self.shelves.get_unchecked(usize::from(class)).0 }
    }

    #[inline(always)]
    pub fn shelf(&self, class: Class) -> Shelf<'_> {
        let (top, rest) = &self.shelves[class.index()];
        Shelf { top, rest }
    }
}
