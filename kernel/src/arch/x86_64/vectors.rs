//! The interrupt vectors in use. A higher vector has a higher priority (Intel SDM vol. 3 §11.8.3.1).

/// The running CPU's timer.
pub const TIMER: u8 = 0xe0;
/// Makes a CPU look for work.
pub const WAKE: u8 = 0xf0;
/// Makes a CPU flush its TLB.
pub const SHOOTDOWN: u8 = 0xf1;
/// Makes a CPU return the free pages in its cache.
pub const DRAIN: u8 = 0xf2;
/// For the fault injection: raised by a CPU on itself.
pub const INJECTED: u8 = 0xf3;
/// An interrupt that was withdrawn before the CPU took it. It needs no end-of-interrupt.
pub const SPURIOUS: u8 = 0xff;
