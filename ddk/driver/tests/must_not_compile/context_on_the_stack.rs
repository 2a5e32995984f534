//! An interrupt's context, and a thread's, lie on the stack of `add`.
#![forbid(unsafe_code)]
use core::sync::atomic::AtomicU32;
use driver_kit::device::Device;
use driver_kit::interrupt::{Handled, Interrupts};

fn attach<'d>(device: Device<'d>, interrupts: Interrupts<'d>) {
    let count = AtomicU32::new(0);
    let _ = interrupts.attach(0, None, &count, |_| Handled::Yes);
    device.create_thread(c"count", &count, |_| 0);
}

fn main() {}
