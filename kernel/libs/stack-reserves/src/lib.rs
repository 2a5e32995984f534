//! The reserves of stacks: which stack has one, and who maps, unmaps and frees its frames.
//!
//! A stack that ends in a function of the kernel gets a reserve, so that the function comes to its end.
//!
//! - **The stack's CPU** opens the reserve in an exception, where any lock may be held: [`Reserves::claim`], or [`Reserve::open_again`] if the
//!   stack has had one that is not freed yet. When it is on the stack's own pages again, it unmaps the pages and calls [`Reserve::leave`].
//! - **A thread that tidies** frees the reserves that were left. In between all CPUs flush their translations: [`Reserves::begin_flush`] and
//!   [`Reserves::end_flush`]. Meanwhile the stack may end once more, and the reserve stays.
//! - **Whoever frees the stack** takes its reserve back: [`Reserves::take_back`].
//!
//! Each step is one exchange of a word that has the stack's address and the state. So a step fails if the place has another stack's reserve by
//! then. Nothing is locked and nothing waits. `tests/loom.rs` runs this code in every interleaving.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;

use crate::atomic::{AtomicU32, AtomicU64, AtomicUsize, constructor};
#[cfg(loom)]
use core::array;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// The lowest addresses of stacks are multiples of this.
pub const STACK_ALIGNMENT: u64 = 4096;

/// Being filled in by the CPU that claims it.
const CLAIMED: u64 = 1;
/// The pages are mapped.
const MAPPED: u64 = 2;
/// The pages are not mapped any more. Other CPUs may have translations of them.
const LEFT: u64 = 3;
/// The CPUs are flushing their translations, for the thread that tidies.
const FLUSHING: u64 = 4;
/// Its frames are about to be freed: its stack may get another reserve.
const ENDING: u64 = 5;

/// Returns true if a reserve in this state is its stack's.
const fn is_of_stack(state: u64) -> bool {
    matches!(state, MAPPED | LEFT | FLUSHING)
}

/// A place for a reserve.
struct Place {
    /// The stack's lowest address, and the state; 0 if there is no reserve.
    word: AtomicU64,
    frame: AtomicU64,
    return_to: AtomicU64,
    cpu: AtomicU32,
}

impl Place {
    constructor! {
        fn none() -> Self {
            Self { word: AtomicU64::new(0), frame: AtomicU64::new(0), return_to: AtomicU64::new(0), cpu: AtomicU32::new(0) }
        }
    }
}

/// The reserves that are open, at most `MOST`.
pub struct Reserves<const MOST: usize> {
    places: [Place; MOST],
    count: AtomicUsize,
}

/// A stack's reserve.
#[derive(Clone, Copy)]
pub struct Reserve<'r> {
    place: &'r Place,
    stack: u64,
}

/// A reserve whose frames nobody but the holder uses any more. [`Reserves::end`] gives its place up.
#[must_use]
pub struct Ending<'r>(Reserve<'r>);

/// A reserve that was taken back, and what the holder does before it frees the frames.
#[must_use]
pub enum TakenBack<'r> {
    /// Unmap the pages.
    Mapped(Ending<'r>),
    /// Have all CPUs flush their translations: the pages are not mapped.
    Left(Ending<'r>),
}

impl<'r> Reserve<'r> {
    /// Changes the state, if it is `from` and the place has this stack's reserve.
    fn change(&self, from: u64, to: u64) -> bool {
        self.place.word.compare_exchange(self.stack | from, self.stack | to, AcqRel, Relaxed).is_ok()
    }

    /// Returns the first frame.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.place.frame.load(Relaxed)
    }

    /// Returns the stack's lowest address, which is the end of the reserve.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        self.stack
    }

    /// Returns where the CPU returns to. The stack's CPU calls this.
    #[must_use]
    pub fn return_to(&self) -> u64 {
        self.place.return_to.load(Relaxed)
    }

    /// Returns true if the pages are mapped. The stack's CPU calls this.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        self.place.word.load(Relaxed) == self.stack | MAPPED
    }

    /// Opens a reserve that was left. Returns false, and changes nothing, if it was not, or if it is being freed. Otherwise the caller, which is
    /// the stack's CPU, maps the pages.
    #[must_use]
    pub fn open_again(&self, return_to: u64) -> bool {
        let is_opened = self.change(LEFT, MAPPED) || self.change(FLUSHING, MAPPED);
        if is_opened {
            self.place.return_to.store(return_to, Relaxed);
        }
        is_opened
    }

    /// Says that the stack's CPU, which calls this, does not use the reserve any more, and has unmapped its pages.
    pub fn leave(&self) {
        self.change(MAPPED, LEFT);
    }

    /// Gives up a reserve that was claimed, and whose pages were not mapped. The stack's CPU calls this.
    #[must_use]
    pub fn give_up(self) -> Option<Ending<'r>> {
        self.change(MAPPED, ENDING).then_some(Ending(self))
    }
}

impl Ending<'_> {
    /// Returns the first frame.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.0.frame()
    }

    /// Returns the CPU that claimed the reserve.
    #[must_use]
    pub fn cpu(&self) -> u32 {
        self.0.place.cpu.load(Relaxed)
    }

    /// Returns the stack's lowest address, which is the end of the reserve.
    #[must_use]
    pub const fn stack(&self) -> u64 {
        self.0.stack
    }
}

impl<const MOST: usize> Reserves<MOST> {
    constructor! {
        /// Returns the reserves, of which none is open.
        pub fn none() -> Self {
            Self { places: places(), count: AtomicUsize::new(0) }
        }
    }

    /// Returns true if no stack has a reserve. Stacks are freed all the time: this is one load.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Returns the reserve of the stack with this lowest address.
    #[must_use]
    pub fn of(&self, stack: u64) -> Option<Reserve<'_>> {
        let is_its =
            |word: u64| word & !(STACK_ALIGNMENT - 1) == stack && is_of_stack(word & (STACK_ALIGNMENT - 1));
        let place = self.places.iter().find(|place| is_its(place.word.load(Acquire)))?;
        Some(Reserve { place, stack })
    }

    /// Claims a place for a reserve of the stack with this lowest address, which has none. The reserve has these frames, which were this CPU's.
    /// Returns `None` if there is no place. The caller, which is the stack's CPU, maps the pages, or gives the reserve up.
    #[must_use]
    pub fn claim(&self, stack: u64, frame: u64, cpu: u32, return_to: u64) -> Option<Reserve<'_>> {
        debug_assert!(stack != 0 && stack.is_multiple_of(STACK_ALIGNMENT));
        let is_claimed =
            |place: &&Place| place.word.compare_exchange(0, stack | CLAIMED, Acquire, Relaxed).is_ok();
        let place = self.places.iter().find(is_claimed)?;
        place.frame.store(frame, Relaxed);
        place.cpu.store(cpu, Relaxed);
        place.return_to.store(return_to, Relaxed);
        self.count.fetch_add(1, Relaxed);
        place.word.store(stack | MAPPED, Release);
        Some(Reserve { place, stack })
    }

    /// Begins to free the reserves that were left. Returns true if there are any: then all CPUs flush their translations, and the caller calls
    /// [`Reserves::end_flush`]. One thread calls these two.
    #[must_use]
    pub fn begin_flush(&self) -> bool {
        self.changed(LEFT, FLUSHING).count() > 0
    }

    /// Returns the reserves whose translations are flushed, to be freed. Those that have been opened again meanwhile stay.
    pub fn end_flush(&self) -> impl Iterator<Item = Ending<'_>> {
        self.changed(FLUSHING, ENDING).map(Ending)
    }

    /// Changes the state of all reserves that have the state `from`. Returns them.
    fn changed(&self, from: u64, to: u64) -> impl Iterator<Item = Reserve<'_>> {
        self.places.iter().filter_map(move |place| {
            let word = place.word.load(Relaxed);
            let reserve = Reserve { place, stack: word & !(STACK_ALIGNMENT - 1) };
            (word & (STACK_ALIGNMENT - 1) == from && reserve.change(from, to)).then_some(reserve)
        })
    }

    /// Takes back the reserve of the stack with this lowest address, which nothing uses any more. Returns `None` if it has none, or if the thread
    /// that tidies is about to free it.
    pub fn take_back(&self, stack: u64) -> Option<TakenBack<'_>> {
        let reserve = self.of(stack)?;
        if reserve.change(MAPPED, ENDING) {
            Some(TakenBack::Mapped(Ending(reserve)))
        } else if reserve.change(LEFT, ENDING) {
            Some(TakenBack::Left(Ending(reserve)))
        } else {
            None
        }
    }

    /// Gives the place of a reserve up. Its frames are freed.
    pub fn end(&self, ending: Ending<'_>) {
        self.count.fetch_sub(1, Relaxed);
        ending.0.place.word.store(0, Release);
    }
}

#[cfg(not(loom))]
const fn places<const MOST: usize>() -> [Place; MOST] {
    [const { Place::none() }; MOST]
}

#[cfg(loom)]
fn places<const MOST: usize>() -> [Place; MOST] {
    array::from_fn(|_| Place::none())
}
