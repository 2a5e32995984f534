//! A driver's exception ends the driver, and the machine goes on.
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;

const KINDS: [&str; 9] = [
    "NULL_WRITE",
    "WILD_READ",
    "CONSTANT_WRITE",
    "DATA_JUMP",
    "NULL_JUMP",
    "DIVISION",
    "INVALID_OPCODE",
    "FPU",
    "LOCKED",
];

/// In `Driver_Init`, in a thread that it waits for, and in a thread that outlives it.
const PLACES: [&str; 3] = ["INIT", "THREAD", "LAST_THREAD"];

fn name(kind: &str, place: &str) -> String {
    format!("{kind}_{place}").to_lowercase()
}

/// One boot with a driver for each kind of failure in each place, and a sound one behind them.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let tests = artifacts::workspace().join("ddk/tests");
    let mut drivers = Vec::new();
    for (kind, place) in KINDS.iter().flat_map(|kind| PLACES.map(|place| (kind, place))) {
        let driver = folder.path().join(name(kind, place)).with_extension("so");
        let flags = [format!("-DKIND={kind}"), format!("-DPLACE={place}")];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        driver::compile_with(&flags, &[tests.join("fails/fails.c")], &driver).unwrap();
        drivers.push(driver);
    }
    drivers.push(compile(&tests.join("locks"), folder.path()));
    let image = folder.path().join("disk.img");
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(&image);
    assert!(builder.arg("--drivers").args(drivers).status().unwrap().success());
    boot(&Machine::two_nodes().image(image), Verdict::Success)
});

fn compile(source: &Path, into: &Path) -> PathBuf {
    let driver = into.join(source.file_name().unwrap()).with_extension("so");
    driver::build(source, &driver).unwrap();
    driver
}

#[test]
fn each_kind_of_failure_in_each_place_ends_the_driver_and_not_the_machine() {
    let drivers = RUN.drivers();
    for name in KINDS.iter().flat_map(|kind| PLACES.map(|place| name(kind, place))) {
        let failed: Vec<_> =
            drivers.iter().filter(|driver| driver.name == name && driver.status == "failed").collect();
        let [failed] = failed[..] else { panic!("{name}: {drivers:?}\n{}", RUN.serial) };
        let left = failed.left.expect("it says what was left");
        assert_eq!(left.heap, 1, "{name}\n{}", RUN.serial);
        assert!(
            failed.reason.as_ref().is_some_and(|reason| !reason.contains("stays")),
            "{name}\n{}",
            RUN.serial
        );
    }
    assert!(drivers.iter().any(|driver| driver.name == "locks" && driver.status == "loaded"));
}

#[test]
fn the_log_says_what_failed_and_where_in_the_file() {
    let says = |words: &[&str]| RUN.lines().any(|line| words.iter().all(|word| line.contains(word)));
    let one = |words: &[&str]| assert!(says(words), "{words:?}\n{}", RUN.serial);
    one(&["ERROR drivers: null_write_init failed: page fault at offset 0x", "in thread Driver_Init"]);
    one(&[
        "null_write_thread failed: page fault at offset 0x",
        "address 0x0000000000000000",
        "in thread fails",
    ]);
    one(&["null_jump_init failed: page fault at 0x0000000000000000, which is none of its code"]);
    one(&["division_init failed: divide error at offset 0x"]);
    one(&["invalid_opcode_init failed: invalid opcode at offset 0x"]);
    one(&["fpu_init failed: ", "it uses the FPU or vector registers"]);
    // The stack, by the unwind tables and the symbols of the driver's file and of the kernel's.
    for kind in ["null_write", "null_jump", "data_jump"] {
        let driver = format!("{kind}_thread: #");
        one(&[&driver, " fail_on_thread+0x", ", offset 0x", &format!(" of driver {kind}_thread")]);
        one(&[&driver, " kernel::threads::lifecycle::thread_main+0x"]);
    }
    one(&["null_jump_thread: #0 unknown function, 0x0000000000000000"]);
    one(&["null_write_last_thread ended after its failure; it left 1 heap blocks, "]);
}
