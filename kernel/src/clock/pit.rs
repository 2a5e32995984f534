//! The PIT as a source. Some machines have none, or switch it off.
use super::source::ClockSource;
use crate::arch;
use clock_math::{Counter, Source};

/// The second channel of the PIT, which counts.
pub struct Pit(());

impl Pit {
    /// Starts the counter. Returns `None` if there is no PIT.
    pub fn start() -> Option<Self> {
        arch::start_pit().then_some(Self(()))
    }
}

impl ClockSource for Pit {
    fn source(&self) -> Source {
        Source::Pit
    }

    fn counter(&self) -> Counter {
        clock_math::PIT
    }

    fn read(&self) -> u64 {
        arch::read_pit().into()
    }
}
