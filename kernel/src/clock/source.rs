//! A counter that measures the time stamp counter.
use clock_math::{Counter, Source};

/// A counter of a known rate.
pub trait ClockSource: Sync {
    /// Returns the source's name.
    fn source(&self) -> Source;
    /// Returns the counter's rate and size.
    fn counter(&self) -> Counter;
    /// Returns the counter's value.
    fn read(&self) -> u64;
}
