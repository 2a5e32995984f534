//! The driver reads a buffer while the device has it.
#![forbid(unsafe_code)]
use driver_kit::device::Device;

fn read(device: Device<'_>) -> u8 {
    let mut buffer = device.allocate::<[u8; 512]>().unwrap();
    buffer[0] = 1;
    let in_device = buffer.hand_over();
    in_device[0]
}

fn main() {}
