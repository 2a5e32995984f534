//! ACPI's PM timer as a source.
use super::source::ClockSource;
use crate::arch::PmTimerPort;
use clock_math::{Counter, Source};

/// A PM timer. It counts from power-on.
pub struct PmTimer {
    port: PmTimerPort,
    counter: Counter,
}

impl PmTimer {
    /// Returns the PM timer that the FADT describes.
    pub fn at(place: acpi_tables::PmTimer) -> Self {
        // SAFETY: the FADT names this as the port of the PM timer, and a read of the PM timer has no effect. The kernel relies on
        // firmware here: it cannot check what answers at a port.
        let port = unsafe { PmTimerPort::new(place.port) };
        Self { port, counter: clock_math::pm_timer(place.bits) }
    }
}

impl ClockSource for PmTimer {
    fn source(&self) -> Source {
        Source::PmTimer
    }

    fn counter(&self) -> Counter {
        self.counter
    }

    fn read(&self) -> u64 {
        self.port.read().into()
    }
}
