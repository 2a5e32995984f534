//! A driver's exception ends the driver, and the machine goes on.
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;
use tempfile::TempDir;

const KINDS: [&str; 11] = [
    "NULL_WRITE",
    "WILD_READ",
    "CONSTANT_WRITE",
    "DATA_JUMP",
    "NULL_JUMP",
    "DIVISION",
    "INVALID_OPCODE",
    "FPU",
    "LOCKED",
    "STACK",
    "LOST_STACK",
];

/// Where the drivers fail: in `Driver_Init`, in a thread that it waits for, in a thread that outlives it, and where the kernel calls them.
const PLACES: [&str; 11] = [
    "INIT",
    "THREAD",
    "LAST_THREAD",
    "ADD_DEVICE",
    "HANDLER",
    "TIMER",
    "SUBMIT",
    "POLL",
    "DONE",
    "EXIT",
    "REMOVE_DEVICE",
];

/// The places that a driver comes to only when it is unloaded. The driver `unloads_failing` unloads it twice.
const AT_UNLOAD: [&str; 2] = ["EXIT", "REMOVE_DEVICE"];

fn name(kind: &str, place: &str) -> String {
    format!("{kind}_{place}").to_lowercase()
}

/// An image with a driver for each kind of failure in each place, one that serves and uses them, and sound ones behind them.
static IMAGE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    // The first driver that fails in `Driver_RemoveDevice` keeps the device, so these come last.
    let mut drivers = failing(PLACES.iter().flat_map(|place| KINDS.map(|kind| (kind, *place))), &[], &folder);
    let list = |words: &[&str]| {
        words.iter().map(|word| format!("{:?}", word.to_lowercase())).collect::<Vec<_>>().join(",")
    };
    let flags = [format!("-DKINDS={}", list(&KINDS)), format!("-DPLACES={}", list(&AT_UNLOAD))];
    let source = tests().join("unloads_failing/unloads_failing.c");
    drivers.push(compile_with(&flags, &source, "unloads_failing", folder.path()));
    build_image(drivers, &folder);
    folder
});

/// Where code of a driver can loop for ever with interrupts on, so that its CPU runs no other thread.
const LOOPS: [&str; 5] = ["HANDLER", "TIMER", "SUBMIT", "POLL", "DONE"];
/// Where it can do so with interrupts off.
const LOOPS_OFF: [&str; 9] =
    ["INIT", "THREAD", "LAST_THREAD", "ADD_DEVICE", "HANDLER", "TIMER", "SUBMIT", "POLL", "DONE"];

fn looping() -> impl Iterator<Item = (&'static str, &'static str)> {
    let with_interrupts = LOOPS.iter().map(|place| ("LOOP", *place));
    with_interrupts.chain(LOOPS_OFF.iter().map(|place| ("LOOP_OFF", *place)))
}

/// Compiles a driver for each kind of failure and place, behind the one that serves and uses them.
fn failing(
    kinds: impl Iterator<Item = (&'static str, &'static str)>,
    survivor: &[String],
    folder: &TempDir,
) -> Vec<PathBuf> {
    let source = tests().join("fails/fails.c");
    let compile_one = |(kind, place)| {
        let flags = [format!("-DKIND={kind}"), format!("-DPLACE={place}")];
        compile_with(&flags, &source, &name(kind, place), folder.path())
    };
    let survivor = compile_with(survivor, &tests().join("survivor/survivor.c"), "survivor", folder.path());
    std::iter::once(survivor).chain(kinds.map(compile_one)).collect()
}

/// Builds an image with these drivers, and sound ones behind them.
fn build_image(mut drivers: Vec<PathBuf>, folder: &TempDir) {
    drivers.extend(["locks", "edu_dma"].map(|name| compile(&tests().join(name), folder.path())));
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(image_in(folder));
    assert!(builder.arg("--drivers").args(drivers).status().unwrap().success());
}

fn tests() -> PathBuf {
    artifacts::workspace().join("ddk/tests")
}

fn image_in(folder: &TempDir) -> PathBuf {
    folder.path().join("disk.img")
}

fn compile(source: &Path, into: &Path) -> PathBuf {
    let driver = into.join(source.file_name().unwrap()).with_extension("so");
    driver::build(source, &driver).unwrap();
    driver
}

fn compile_with(flags: &[String], source: &Path, name: &str, into: &Path) -> PathBuf {
    let driver = into.join(name).with_extension("so");
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    driver::compile_with(&flags, &[source.to_path_buf()], &driver).unwrap();
    driver
}

/// The machine with four CPUs, on two nodes.
static RUN: LazyLock<Run> = LazyLock::new(|| run(Machine::two_nodes(), &IMAGE));

fn run(machine: Machine, image: &TempDir) -> Run {
    boot(&machine.image(image_in(image)).arguments(["-device", "edu,addr=9"]), Verdict::Success)
}

/// Asserts that each driver has ended as failed, once for each time that it was loaded, with all that it had taken back, and that the
/// sound drivers have noticed nothing.
fn assert_contained<'k>(run: &Run, kinds: impl Iterator<Item = (&'k str, &'k str)> + Clone) {
    let drivers = run.drivers();
    for (kind, place) in kinds.clone() {
        let name = name(kind, place);
        let failed: Vec<_> =
            drivers.iter().filter(|driver| driver.name == name && driver.status == "failed").collect();
        let times = if AT_UNLOAD.contains(&place) { 2 } else { 1 };
        assert_eq!(failed.len(), times, "{name}: {drivers:?}\n{}", run.serial);
        for failed in failed {
            let left = failed.left.expect("it says what was left");
            assert_eq!(left.heap, 1, "{name}\n{}", run.serial);
            let reason = failed.reason.as_ref();
            assert!(reason.is_some_and(|reason| !reason.contains("stays")), "{name}\n{}", run.serial);
        }
    }
    for name in ["survivor", "locks", "edu_dma"] {
        let is_loaded = drivers.iter().any(|driver| driver.name == name && driver.status == "loaded");
        assert!(is_loaded, "{name}\n{}", run.serial);
    }
    for wrong in ["does not hold", "did not end", "goes on after"] {
        assert!(!run.serial.contains(wrong), "{wrong}\n{}", run.serial);
    }
    let disks = run.lines().filter(|line| line.contains("survivor: the requests ended as gone")).count();
    let expected = kinds.filter(|(_, place)| ["SUBMIT", "POLL"].contains(place)).count();
    assert_eq!(disks, expected, "{}", run.serial);
}

fn all_kinds() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    KINDS.into_iter().flat_map(|kind| PLACES.map(|place| (kind, place)))
}

#[test]
fn each_kind_of_failure_in_each_place_ends_the_driver_and_not_the_machine() {
    assert_contained(&RUN, all_kinds());
    assert!(RUN.drivers().iter().any(|driver| driver.name == "unloads_failing" && driver.status == "loaded"));
}

#[test]
fn a_machine_with_one_cpu_outlives_each_failure() {
    let machine = Machine::without_numa(1, 512).arguments(["-machine", "q35"]);
    assert_contained(&run(machine, &IMAGE), all_kinds());
}

#[test]
fn the_watchdog_fails_a_driver_whose_code_loops_where_nothing_else_gets_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    // One CPU is busy, so that it watches the others from the start.
    build_image(failing(looping(), &["-DSPINS=1".into()], &folder), &folder);
    let run = run(Machine::two_nodes().parameters("watchdog=fail"), &folder);
    assert_contained(&run, looping().collect::<Vec<_>>().into_iter());
}

#[test]
fn a_machine_with_one_cpu_fails_a_driver_that_loops_with_interrupts_on() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = ["SUBMIT", "POLL", "DONE"].map(|place| ("LOOP", place));
    build_image(failing(kinds.into_iter(), &[], &folder), &folder);
    let run = run(Machine::without_numa(1, 512).parameters("watchdog=fail"), &folder);
    assert_contained(&run, kinds.into_iter());
}

#[test]
fn a_handler_that_runs_for_too_long_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("SLOW", "TIMER"), ("SLOW", "HANDLER")];
    build_image(failing(kinds.into_iter(), &[], &folder), &folder);
    let machine = Machine::two_nodes().image(image_in(&folder)).arguments(["-device", "edu,addr=9"]);
    let run = boot(&machine, Verdict::Success);
    for name in ["slow_timer", "slow_handler"] {
        let lines = run.lines().filter(|line| line.contains(name) && line.contains("has run for")).count();
        assert_eq!(lines, 1, "{name}\n{}", run.serial);
    }
}

#[test]
fn a_failed_driver_makes_the_verdict_failure_only_if_drivers_are_strict() {
    let folder = tempfile::tempdir().unwrap();
    build_image(failing([("NULL_WRITE", "TIMER")].into_iter(), &[], &folder), &folder);
    let machine = Machine::two_nodes().image(image_in(&folder));
    boot(&machine.clone().parameters("drivers=strict"), Verdict::Failure);
    boot(&machine, Verdict::Success);
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
    one(&["division_handler failed: divide error at offset 0x", "in a handler"]);
    one(&["null_jump_timer failed: page fault at 0x0000000000000000", "in a handler"]);
    one(&["wild_read_poll failed: ", " at offset 0x", "in a function of its block device"]);
    one(&["fpu_done failed: ", "in Done of a request"]);
    one(&["data_jump_exit failed: page fault at offset 0x", "in thread Driver_Exit"]);
    one(&["null_write_last_thread ended after its failure; it left 1 heap blocks, "]);
}
