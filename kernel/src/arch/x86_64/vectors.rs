//! The interrupt vectors in use. A higher vector has a higher priority (Intel SDM vol. 3 §11.8.3.1).

/// A CPU's timer.
pub const TIMER: u8 = 0xe0;
/// Wakes a halted CPU to look for work.
pub const WAKE: u8 = 0xf0;
/// Makes a CPU forget translations.
pub const SHOOTDOWN: u8 = 0xf1;
/// Asks a CPU for its free pages.
pub const DRAIN: u8 = 0xf2;
/// An interrupt that went away before it was taken; needs no end-of-interrupt.
pub const SPURIOUS: u8 = 0xff;
