//! The interrupt vectors in use. A higher vector has a higher priority (Intel SDM vol. 3 §11.8.3.1).

/// The first vector of devices' interrupts.
pub const FIRST_OF_DEVICES: u8 = ::device_interrupts::FIRST_VECTOR;
/// The last vector of devices' interrupts.
pub const LAST_OF_DEVICES: u8 = ::device_interrupts::LAST_VECTOR;

/// Makes a CPU say that it has handled the devices' interrupts that had reached it. Its priority is below theirs.
pub const BARRIER: u8 = 0x20;
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
/// Makes a CPU end the thread that it runs, if that runs the code of a driver that is being stopped.
pub const END_THREAD: u8 = 0xfe;
/// An interrupt that was withdrawn before the CPU took it. It needs no end-of-interrupt.
pub const SPURIOUS: u8 = 0xff;

const _: () =
    assert!(BARRIER / 16 < FIRST_OF_DEVICES / 16 && LAST_OF_DEVICES < TIMER && END_THREAD + 1 == SPURIOUS);
