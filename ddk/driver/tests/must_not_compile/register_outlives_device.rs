//! A register is kept in a static, and lives longer than its device.
#![forbid(unsafe_code)]
use driver_kit::device::Device;
use driver_kit::mmio::Register;
use driver_kit::sync::Mutex;

static STATUS: Mutex<Option<Register<'static, u32>>> = Mutex::new(None);

fn add(device: Device<'_>) {
    *STATUS.lock() = device.bar(0).and_then(|bar| bar.register(0));
}

fn main() {}
