//! Tests of my_driver without a machine: `cargo test`.
use driver_mock::Machine;
use my_driver as _; // links the driver

#[test]
fn the_driver_starts_and_leaves_nothing() {
    Machine::new().run(driver_mock::driver!("my_driver"), |kernel| assert_eq!(kernel.load(), 0));
}
