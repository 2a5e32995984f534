//! A driver of devices has no `add`.
#![forbid(unsafe_code)]
use driver_kit::device::DeviceMatch;
use driver_kit::driver::DeviceDriver;

struct Driver;

impl DeviceDriver for Driver {
    const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::ids(0x1234, 0x5678)];
    type State<'d> = ();
}

fn main() {}
