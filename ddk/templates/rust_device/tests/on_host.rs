//! Tests of my_device without a machine: `cargo test`. This program plays the device.
use driver_mock::{Bus, DeviceModel, Left, Machine, Pci};
use my_device as _; // links the driver

/// What answers the driver's accesses of registers.
struct Model;

impl DeviceModel for Model {
    fn read(&mut self, _: &Bus, _bar: u32, _offset: u64, _width: u32) -> u64 {
        0
    }

    fn write(&mut self, _: &Bus, _bar: u32, _offset: u64, _width: u32, _value: u64) {}
}

#[test]
fn the_driver_adds_its_device_and_leaves_nothing() {
    let driver = driver_mock::driver!("my_device", Driver_Devices, Driver_RemoveDevice);
    // The kernel takes the mapping of the registers with the device.
    Machine::new().allow_left(Left::WITH_THE_DEVICE).run(driver, |kernel| {
        let device = kernel.plug(Pci::new(0x1234, 0x11e8).memory_bar(0, 4096), Model);
        assert_eq!(kernel.load(), 0);
        assert_eq!(device.added(), Some(0));
    });
}

#[test]
fn a_device_without_registers_is_given_back() {
    let driver = driver_mock::driver!("my_device", Driver_Devices, Driver_RemoveDevice);
    Machine::new().run(driver, |kernel| {
        let device = kernel.plug(Pci::new(0x1234, 0x11e8), Model);
        assert_eq!(kernel.load(), 0);
        assert_eq!(device.added(), Some(-2));
    });
}
