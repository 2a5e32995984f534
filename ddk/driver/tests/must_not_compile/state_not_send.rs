//! The state of a device belongs to one thread.
#![forbid(unsafe_code)]
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::driver::{DeviceDriver, Refusal};

struct Driver;

impl DeviceDriver for Driver {
    const DEVICES: &'static [DeviceMatch] = &[];
    type State<'d> = std::rc::Rc<u32>;

    fn add(_: Device<'_>) -> Result<std::rc::Rc<u32>, Refusal> {
        Err(Refusal(-1))
    }
}

fn main() {}
