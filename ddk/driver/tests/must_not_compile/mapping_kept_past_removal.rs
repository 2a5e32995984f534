//! The state of one device keeps a mapping of another one, which may be removed before.
#![forbid(unsafe_code)]
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::mmio::Bar;

struct Driver;

impl DeviceDriver for Driver {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = Bar<'static>;

    fn add(device: Device<'_>) -> Result<Bar<'static>, Refusal> {
        device.bar(0).ok_or(Refusal(-1))
    }
}

fn main() {}
