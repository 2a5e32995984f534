//! Drivers get their devices, use them, and lose them.
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;

/// The drivers, in the order of their start.
const DRIVERS: [&str; 6] =
    ["edu_dma", "bad_table", "no_add_device", "refuses_with_device", "bad_devices", "waits_in_poll"];

/// One boot with a device that does DMA, a disk, and a device that no driver wants to keep.
static RUN: LazyLock<Run> = LazyLock::new(|| boot_drivers(&artifacts::kernel().unwrap(), &DRIVERS));

fn boot_drivers(kernel: &Path, names: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    let drivers: Vec<PathBuf> = names.iter().map(|name| compile(name, folder.path())).collect();
    build_image(kernel, &image, &drivers);
    let machine = Machine::two_nodes().image(&image).arguments(["-device", "edu", "-device", "pci-testdev"]);
    boot(&machine, Verdict::Success)
}

fn compile(name: &str, folder: &Path) -> PathBuf {
    let driver = folder.join(name).with_extension("so");
    let source = artifacts::workspace().join("ddk/tests").join(name).join(name).with_extension("c");
    driver::compile(&[source], &driver).unwrap();
    driver
}

fn build_image(kernel: &Path, image: &Path, drivers: &[PathBuf]) {
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(kernel).arg("--bios").arg(image);
    assert!(builder.arg("--drivers").args(drivers).status().unwrap().success());
}

#[track_caller]
fn assert_driver(name: &str, status: &str, reason: &str) {
    let drivers = RUN.drivers();
    let found = drivers.iter().find(|driver| driver.name == name).expect("it has an event");
    let found_reason = found.reason.as_deref().unwrap_or_default();
    assert!(found.status == status && found_reason.contains(reason), "{found:?}\n{}", RUN.serial);
}

#[test]
fn a_driver_sends_data_through_its_device_and_back() {
    assert_driver("edu_dma", "loaded", "");
    assert!(!RUN.lines().any(|line| line.contains("this does not hold")), "\n{}", RUN.serial);
}

#[test]
fn a_device_with_a_driver_has_a_line_and_an_event_with_the_drivers_name() {
    let devices: Vec<boot::event::Device> = RUN.events_of("device");
    let taken: Vec<_> = devices.iter().filter(|device| device.driver.is_some()).collect();
    let [edu] = taken[..] else { panic!("{taken:?}\n{}", RUN.serial) };
    assert_eq!((edu.vendor, edu.device, edu.driver.as_deref()), (0x1234, 0x11e8, Some("edu_dma")));
    // Its first event, and its first line, are those of the scan.
    assert_eq!(devices.iter().filter(|device| device.address == edu.address).count(), 2);
    let node = if edu.node < 0 { String::new() } else { format!(" on node {}", edu.node) };
    let start = format!("devices: {} ", edu.address);
    let end = format!(" (1234:11e8){node}, driver edu_dma");
    assert!(RUN.lines().any(|line| line.contains(&start) && line.ends_with(&end)), "\n{}", RUN.serial);
}

#[test]
fn a_device_that_a_driver_does_not_want_is_given_back() {
    let line = "edu_dma gave it back, Driver_AddDevice returned -77";
    assert!(RUN.lines().any(|line_of_log| line_of_log.ends_with(line)), "\n{}", RUN.serial);
}

#[test]
fn a_wrong_table_of_devices_is_refused_before_the_driver_runs() {
    assert_driver("bad_table", "refused", "an element 1 of the impossible Size 20");
    assert_driver("no_add_device", "refused", "a table Driver_Devices and no function Driver_AddDevice");
}

#[test]
fn a_driver_that_refuses_to_start_keeps_no_device_and_its_device_is_reset() {
    assert_driver("refuses_with_device", "refused", "Driver_Init returned -11");
    // `bad_devices` finds the same device without an owner, and reset.
    assert_driver("bad_devices", "loaded", "");
}

#[test]
fn wrong_calls_about_devices_are_refused_and_each_kind_is_logged_once() {
    assert_driver("bad_devices", "loaded", "");
    for words in [
        "which is no device; refused",
        "it does not own",
        "which maps nothing of its devices; refused",
        "which is no memory of its devices; refused",
    ] {
        let count =
            RUN.lines().filter(|line| line.contains("bad_devices passed ") && line.contains(words)).count();
        assert_eq!(count, 1, "{words}\n{}", RUN.serial);
    }
    assert!(
        RUN.lines().any(|line| line.contains("another driver's device stays its own")),
        "\n{}",
        RUN.serial
    );
}

#[test]
fn functions_that_wait_are_refused_where_a_driver_must_not_block() {
    assert_driver("waits_in_poll", "loaded", "");
    let logged = "waits_in_poll called Kernel_WaitAddress in a function that must not block; refused";
    assert_eq!(RUN.lines().filter(|line| line.contains(logged)).count(), 1, "\n{}", RUN.serial);
}

#[test]
fn the_checked_kernel_finds_no_wrong_order_of_locks_and_no_overflow() {
    let others = ["timers", "left_timer", "locks", "block_ram", "block_user"];
    let run = boot_drivers(&artifacts::checked_kernel().unwrap(), &[&DRIVERS[..], &others].concat());
    for name in ["edu_dma", "bad_devices", "waits_in_poll", "timers", "locks", "block_user"] {
        let is_loaded = |driver: &boot::event::Driver| driver.name == name && driver.status == "loaded";
        assert!(run.drivers().iter().any(is_loaded), "{name}\n{}", run.serial);
    }
}
