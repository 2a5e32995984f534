//! What `./run.sh new-driver` makes builds and boots, and finds its device, also in tests on the host. The guide's drivers that read a block are as short as it says.
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;

/// The drivers: the name, what is said on the command line, and what they say of themselves.
const DRIVERS: [(&str, &str, &str); 4] = [
    ("in_c", "--c", "Hello from in_c on node 000"),
    ("in_rust", "--rust", "Hello from in_rust on node 0"),
    // The device `edu`.
    ("of_edu", "--pci 1234:11e8 --c", "found 0000:00:1c.0, with 0x00100000 bytes of registers"),
    // The device `pci-testdev`.
    ("of_testdev", "--rust --pci 1b36:0005", "found 0000:00:1d.0, with 0x1000 bytes of registers"),
];

/// A driver that unloads the others.
const UNLOADER: &str = r#"
#include <proxima.h>
int Driver_Init(void) {
    return Kernel_UnloadDriver("in_c") | Kernel_UnloadDriver("in_rust") | Kernel_UnloadDriver("of_edu") |
           Kernel_UnloadDriver("of_testdev");
}
"#;

/// One boot of all, made in a folder outside of the repository, as a user does.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut built = Vec::new();
    for (name, options, _) in DRIVERS {
        new_driver(folder.path(), name, options);
        let file = folder.path().join(name).with_added_extension("so");
        driver::build(&folder.path().join(name), &file).unwrap();
        built.push(file);
    }
    let source = folder.path().join("unloader.c");
    fs::write(&source, UNLOADER).unwrap();
    built.push(folder.path().join("unloader.so"));
    driver::compile(&[source], built.last().unwrap()).unwrap();
    let image = folder.path().join("disk.img");
    driver::build_image(&image, &built).unwrap();
    let devices = ["-device", "edu,addr=1c", "-device", "pci-testdev,addr=1d"];
    boot(&Machine::two_nodes().image(&image).arguments(devices), Verdict::Success)
});

/// Runs the verb in a folder.
fn new_driver(folder: &Path, name: &str, options: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boot"));
    command.current_dir(folder).arg("new-driver").arg(name).args(options.split(' '));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("run.sh --drivers {name}")), "the next step: {said}");
}

#[test]
fn each_kind_of_driver_loads_and_says_what_it_finds() {
    for (name, _, says) in DRIVERS {
        let line = format!("{name}: {says}");
        assert!(RUN.lines().any(|logged| logged.ends_with(&line)), "{line}\n{}", RUN.serial);
        let is_loaded = |driver: &boot::event::Driver| driver.name == name && driver.status == "loaded";
        assert!(RUN.drivers().iter().any(is_loaded), "{name}\n{}", RUN.serial);
    }
}

#[test]
fn each_kind_of_driver_is_unloaded_and_leaves_no_memory() {
    let says = |line: &str| RUN.lines().any(|logged| logged.ends_with(line));
    assert!(says("in_c: Goodbye") && says("in_rust: Goodbye"), "{}", RUN.serial);
    assert!(says("of_edu: a device is removed"), "{}", RUN.serial);
    assert!(says("of_testdev: 0000:00:1d.0 is removed, with 0x1000 bytes of registers"), "{}", RUN.serial);
    for (name, ..) in DRIVERS {
        let events = RUN.drivers();
        let unloaded = events.iter().find(|driver| driver.name == name && driver.status == "unloaded");
        let left = unloaded.and_then(|driver| driver.left.as_ref()).expect("it is unloaded");
        assert_eq!((left.heap, left.threads, left.timers), (0, 0, 0), "{name}\n{}", RUN.serial);
    }
}

#[test]
fn the_tests_of_drivers_pass_on_the_host() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options, tests) in [("in_rust", "--rust", 1), ("of_testdev", "--rust --pci 1b36:0005", 2)] {
        new_driver(folder.path(), name, options);
        let mut cargo = Command::new("cargo");
        cargo.current_dir(folder.path().join(name)).args([
            "test",
            "--offline",
            "--locked",
            "--test",
            "on_host",
        ]);
        let target = artifacts::workspace().join("target/ddk/outside/new-drivers");
        let output = cargo.env("CARGO_TARGET_DIR", target).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let all = said.into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && all.contains(&format!("{tests} passed")), "{all}");
    }
    for (name, options) in [("in_c", "--c"), ("of_edu", "--c --pci 1234:11e8")] {
        new_driver(folder.path(), name, options);
        let script = artifacts::workspace().join("ddk/mock/test.sh");
        let output = Command::new(script).arg(folder.path().join(name)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).ends_with("The tests pass.\n"));
    }
}

#[test]
fn a_block_is_read_in_a_hundred_lines_of_c_and_eighty_of_rust() {
    let tutorial = artifacts::workspace().join("ddk/tutorial");
    let lines = |file: &str| fs::read_to_string(tutorial.join(file)).unwrap().lines().count();
    assert!(lines("read_block/read_block.c") <= 100);
    assert!(lines("read_block_rust/src/lib.rs") <= 80);

    let folder = tempfile::tempdir().unwrap();
    let (image, content) = (folder.path().join("disk.img"), folder.path().join("content"));
    driver::build_test_image(&["virtio_blk", "read_block", "read_block_rust"], &image).unwrap();
    let mut bytes = vec![0; 1 << 20];
    bytes[..8].copy_from_slice(b"\x01Proxima");
    fs::write(&content, bytes).unwrap();
    let drive = format!("if=none,id=disk,format=raw,file={}", content.display());
    let machine = Machine::two_nodes().disks([]).image(&image);
    let machine = machine.arguments(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"]);
    let run = boot(&machine, Verdict::Success);
    for name in ["read_block", "read_block_rust"] {
        let line = format!("{name}: the first block of vblk0 begins with 0150726f78696d61");
        assert!(run.lines().any(|logged| logged.ends_with(&line)), "{line}\n{}", run.serial);
    }
}
