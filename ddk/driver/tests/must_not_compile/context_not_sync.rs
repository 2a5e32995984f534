//! An interrupt's context is not for several CPUs.
#![forbid(unsafe_code)]
use core::cell::Cell;
use driver_kit::device::Device;
use driver_kit::interrupt::{Handled, Interrupts};

fn attach<'d>(device: Device<'d>, interrupts: Interrupts<'d>) -> bool {
    let count: &Cell<u32> = device.keep(Cell::new(0)).unwrap();
    interrupts.attach(0, None, count, |_| Handled::Yes)
}

fn main() {}
