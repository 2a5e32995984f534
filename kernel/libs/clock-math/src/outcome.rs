//! How a wait ends.

/// How a wait for a condition ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum WaitOutcome {
    /// The condition became true.
    Done,
    /// The time passed, and the condition is still false.
    TimedOut,
    /// The condition is still false, and the machine has no clock. At least the time has passed, perhaps far more.
    NoClock,
}
