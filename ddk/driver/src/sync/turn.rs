//! The turn: work that one CPU at a time does for all that want it done.
#[cfg(not(loom))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::AtomicU32;

/// Somebody has the turn.
const HELD: u32 = 1;
/// Somebody else has wanted the turn since.
const WANTED: u32 = 2;

/// The right to do some work, for example to complete what a device has done. One CPU at a time has it. Nobody waits for it: who does not get
/// it leaves, and the work is done once more for it. So an interrupt handler may want the turn that the code has which it interrupts.
///
/// ```ignore
/// if turn.take() || turn.want() {
///     work();
///     while turn.end_is_early() && turn.take_again() {
///         work();
///     }
/// }
/// ```
///
/// The models are in `kernel/libs/block-slots/tests/loom.rs`.
#[derive(Default)]
pub struct Turn(AtomicU32);

impl Turn {
    /// Returns a turn that nobody has.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Returns a turn that nobody has.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the turn. Returns false if somebody has it.
    #[inline(always)]
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.fetch_or(HELD, Ordering::Acquire) & HELD == 0
    }

    /// Makes whoever has the turn do the work once more; it sees what the caller has written until now. Returns true if nobody has it any
    /// more: then the caller has it.
    #[cold]
    #[must_use]
    pub fn want(&self) -> bool {
        self.0.fetch_or(HELD | WANTED, Ordering::AcqRel) & HELD == 0
    }

    /// Ends the turn. Returns true if somebody has wanted it since: then the caller calls [`Self::take_again`].
    #[inline(always)]
    #[must_use]
    pub fn end_is_early(&self) -> bool {
        self.0.fetch_sub(HELD, Ordering::Release) != HELD
    }

    /// Takes the turn again, for those that have wanted it. Returns false if somebody else has taken it, who then does it for them.
    #[cold]
    #[must_use]
    pub fn take_again(&self) -> bool {
        if !self.take() {
            return false;
        }
        self.0.fetch_and(!WANTED, Ordering::Acquire);
        true
    }
}
