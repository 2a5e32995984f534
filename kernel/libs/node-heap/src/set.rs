//! The magazines that a CPU has for the blocks of one node and one owner: two for each class.
use crate::class::{CLASSES, Class};
use crate::magazine::Magazine;
use core::cell::Cell;

/// A class's second magazine, and how the class is refilled.
pub(crate) struct Rest {
    /// Another magazine, full or empty, so that a CPU that allocates and frees in turn takes no lock.
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

impl Shelf<'_> {
    /// Exchanges the two magazines.
    pub fn exchange(&self) {
        self.rest.other.swap(self.top);
    }

    /// Takes one of the two magazines away, if there is one.
    pub fn take_magazine(&self) -> Option<Magazine> {
        let slots = [self.top, &self.rest.other];
        let slot = slots.into_iter().find(|slot| slot.get().is_some())?;
        self.rest.wanted.set(1);
        Some(slot.replace(Magazine::NONE))
    }
}

/// A set that lies in a block of the heap: for another node, or for a driver.
pub(crate) struct Set {
    shelves: [(Cell<Magazine>, Rest); CLASSES],
}

impl Set {
    /// The class of the block that a set lies in.
    pub const CLASS: Class = Class::of_constant(size_of::<Self>());

    pub const fn new() -> Self {
        Self { shelves: [const { (Cell::new(Magazine::NONE), Rest::new()) }; CLASSES] }
    }

    pub fn shelf(&self, class: Class) -> Shelf<'_> {
        let (top, rest) = &self.shelves[class.index()];
        Shelf { top, rest }
    }
}
