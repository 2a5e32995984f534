//! What the submissions of driver_kit use of its locks. A model has no interrupts.
pub use crate::turn::Turn;

/// Interrupts that are off.
pub struct InterruptsOff;

impl InterruptsOff {
    pub fn new() -> Self {
        Self
    }

    pub fn restore(self) {}
}
