//! The drivers of the tutorial drive their device, on its node.
mod common;

use boot::{Machine, Run, Verdict, driver};
use common::boot;

/// Boots the two-node machine with this driver of `ddk/tutorial` alone. Its device is on node 1.
fn boot_with(name: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&[name], &image).unwrap();
    // A host bridge of node 1. A conventional device needs a bridge from PCI Express.
    let devices = [
        "pxb-pcie,id=far,bus_nr=64,numa_node=1,bus=pcie.0",
        "pcie-root-port,id=to_far,bus=far,chassis=9",
        "pcie-pci-bridge,id=conventional,bus=to_far",
        "edu,bus=conventional,addr=1",
    ];
    let arguments = devices.iter().flat_map(|device| ["-device", device]);
    boot(&Machine::two_nodes().image(&image).arguments(arguments), Verdict::Success)
}

#[track_caller]
fn assert_drives_its_device(name: &str) {
    let run = boot_with(name);
    let says = |end: &str| run.lines().any(|line| line.ends_with(end));
    let texts = [
        "10! is 3628800, the device says with an interrupt",
        "2048 bytes went through the device and came back",
    ];
    for text in texts {
        assert!(says(&format!("{name}: {text}")), "{text}\n{}", run.serial);
    }
    assert!(says(&format!("(1234:11e8) on node 1, driver {name}")), "{}", run.serial);
}

#[test]
fn the_first_driver_in_c_computes_and_copies_with_its_device() {
    assert_drives_its_device("edu");
}

#[test]
fn the_first_driver_in_rust_computes_and_copies_with_its_device() {
    assert_drives_its_device("edu_rust");
}
