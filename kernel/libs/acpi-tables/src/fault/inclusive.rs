//! The form in which findings print a range of addresses.
use core::fmt;

use units::PhysRange;

/// A range that displays with its last address, not with the address after it.
pub(super) struct Inclusive(pub PhysRange);

impl fmt::Display for Inclusive {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#x}-{:#x}", self.0.start.0, self.0.end.0.saturating_sub(1))
    }
}
