//! The result of a wait.

/// The result of a wait for a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum WaitOutcome {
    /// The condition became true.
    Done,
    /// The time passed, and the condition is still false.
    TimedOut,
    /// The condition is still false, and the machine has no clock. The time has passed, and perhaps far more.
    NoClock,
}
