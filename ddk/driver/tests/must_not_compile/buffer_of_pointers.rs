//! A buffer of what a device could make invalid: a reference, and a truth value.
#![forbid(unsafe_code)]
use driver_kit::device::Device;

fn allocate(device: Device<'_>) {
    let _ = device.allocate::<&'static u64>();
}

driver_kit::plain_struct! {
    struct Answer { is_done: bool }
}

fn main() {}
