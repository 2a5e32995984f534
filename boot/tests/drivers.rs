//! Drivers of the ramdisk: a sound driver is started, a bad driver is refused with its reason, and the boot goes on.
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::event::Driver;
use boot::{Machine, Run, Verdict, artifacts, driver};
use common::{assert_complete, boot};

/// One boot with every driver that these tests look at.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut drivers = compiled(folder.path());
    drivers.push(with_a_long_name(folder.path()));
    drivers.extend(damaged(folder.path()));
    let image = folder.path().join("disk.img");
    build_image(&image, &drivers, &[]);
    boot(&Machine::two_nodes().image(image).parameters("selftest"), Verdict::Success)
});

/// The drivers that are not back from `Driver_Init` when the boot goes on, in the order of their start; after them a sound one.
const LATE: [&str; 4] = ["loops_forever", "starts_late", "refuses_late", "sleeps_forever"];

/// A driver that fails; `faults.rs` boots it.
const FPU: &str = "uses_fpu";

/// A driver whose stack overflows.
const OVERFLOWING: &str = "large_frames";

/// One boot with the late drivers. Its clock counts instructions, 256 ns each, and skips the time in which no CPU does anything.
static LATE_RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let kit = artifacts::workspace().join("ddk");
    let mut drivers: Vec<PathBuf> =
        LATE.map(|name| compile(&kit.join("tests").join(name), folder.path())).into();
    drivers.push(compile(&kit.join("examples/numa_probe"), folder.path()));
    let image = folder.path().join("disk.img");
    build_image(&image, &drivers, &[]);
    boot(&Machine::two_nodes().image(image).counting(8), Verdict::Success)
});

/// Builds the driver of a folder.
fn compile(source: &Path, into: &Path) -> PathBuf {
    let name = source.file_name().unwrap();
    let driver = into.join(name).with_extension("so");
    driver::build(source, &driver).unwrap();
    driver
}

/// The drivers of `ddk/tests` between two examples, without those that do not start.
fn compiled(folder: &Path) -> Vec<PathBuf> {
    let kit = artifacts::workspace().join("ddk");
    let mut sources: Vec<PathBuf> = fs::read_dir(kit.join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            // After `hoarding` there is no memory for the others, and `talkative` fills the log. `measures` is for the benchmarks.
            let is_alone = [
                OVERFLOWING,
                FPU,
                "hoarding",
                "talkative",
                "in_turns",
                "measures",
                "busy",
                "disk_lost",
                "disk_segments",
                "disk_silent",
                "fails",
                "survivor",
                "unloads_failing",
                "panics",
                "stack_end",
                "stack_ends",
                "fuzz_exports",
                "counted",
                "counts",
                "fuzz_round",
                "hostages",
                "reloads",
                "unloads",
                "disk_bench",
                "nvme_c",
                "interrupts",
                "small_blocks",
                "leaves_interrupts",
                "wild_writes",
            ]
            .iter()
            .any(|alone| path.ends_with(alone));
            // The folder of Cargo's flags is none.
            path.is_dir()
                && !path.ends_with(".cargo")
                && !is_alone
                && !LATE.iter().any(|late| path.ends_with(late))
        })
        .collect();
    sources.sort();
    sources.insert(0, kit.join("examples/numa_probe"));
    sources.push(kit.join("examples/numa_threads"));
    sources.iter().map(|source| compile(source, folder)).collect()
}

/// A driver that needs a library whose name has 250 control characters, each of which is several letters in the log.
fn with_a_long_name(folder: &Path) -> PathBuf {
    let (library, driver) = (folder.join("library.o"), folder.join("long_reason.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-nostdlib", "-x", "c", "/dev/null", "-o"]).arg(&library);
    compiler.arg(format!("-Wl,-soname,{}", "\u{1}".repeat(250)));
    assert!(compiler.status().unwrap().success());
    let source = artifacts::workspace().join("ddk/tests/refusing/refusing.c");
    driver::compile(&["-Wl,--no-as-needed".into(), source, library], &driver).unwrap();
    driver
}

/// Files that are no driver or a damaged one and, last of all, a sound driver.
fn damaged(folder: &Path) -> [PathBuf; 5] {
    let sound = fs::read(folder.join("numa_probe.so")).unwrap();
    let mut other_machine = sound.clone();
    // e_machine: AArch64.
    other_machine[18..20].copy_from_slice(&[0xb7, 0]);
    let files: [(&str, &[u8]); 5] = [
        ("empty.so", &[]),
        ("not_elf.so", b"#!/bin/sh\n"),
        ("wrong_machine.so", &other_machine),
        ("cut_short.so", &sound[..sound.len() / 2]),
        ("last_probe.so", &sound),
    ];
    files.map(|(name, content)| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    })
}

fn build_image(image: &Path, drivers: &[PathBuf], options: &[&str]) {
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(image);
    if !drivers.is_empty() {
        builder.arg("--drivers").args(drivers);
    }
    assert!(builder.args(options).status().unwrap().success());
}

#[track_caller]
fn event(name: &str) -> Driver {
    let drivers: Vec<Driver> = RUN.drivers().into_iter().filter(|driver| driver.name == name).collect();
    let [driver] = &drivers[..] else { panic!("{name}: {drivers:?}\n{}", RUN.serial) };
    driver.clone()
}

#[track_caller]
fn assert_loaded(name: &str) {
    let driver = event(name);
    assert_eq!(driver.status, "loaded", "{driver:?}\n{}", RUN.serial);
}

#[track_caller]
fn assert_refused(name: &str, reason: &str) {
    let driver = event(name);
    assert_eq!(driver.status, "refused", "{driver:?}");
    assert!(driver.reason.as_ref().is_some_and(|given| given.contains(reason)), "{driver:?}");
    // The log says the same as the event.
    let is_logged = RUN.lines().any(|line| line.contains(name) && line.contains(reason));
    assert!(is_logged, "no line names {name} and {reason:?}\n{}", RUN.serial);
}

#[test]
fn boot_goes_on_after_bad_drivers() {
    assert_complete(&RUN, &RUN.topology());
}

#[test]
fn a_driver_in_c_finds_its_pages_on_each_node() {
    assert_loaded("numa_probe");
}

#[test]
fn a_drivers_threads_find_themselves_their_stacks_and_their_pages_on_each_node() {
    assert_loaded("numa_threads");
    for node in 0..2 {
        let found = format!("a thread of node {node} has its stack on node {node}, its page on node {node},");
        assert!(RUN.lines().any(|line| line.contains(&found)), "{found}\n{}", RUN.serial);
    }
}

#[test]
fn what_a_driver_sets_for_its_thread_ends_with_its_start() {
    // `bad_arguments` has set a policy and an affinity and has not reset them. These two drivers fail unless they start without.
    assert_loaded("last_probe");
    assert_loaded("numa_threads");
}

#[test]
fn every_function_of_the_header_is_exported() {
    assert_loaded("all_exports");
}

#[test]
fn threads_on_all_cpus_lose_no_count_under_the_locks_of_the_header_and_of_the_kit() {
    assert_loaded("locks");
    assert_loaded("locks_rust");
}

#[test]
fn timers_are_due_at_their_times_on_all_cpus() {
    assert_loaded("timers");
}

#[test]
fn a_driver_that_refuses_to_start_loses_its_timers_and_is_unloaded() {
    assert_refused("left_timer", "Driver_Init returned -6");
    assert!(event("left_timer").reason.is_some_and(|reason| reason.ends_with("-6")));
}

#[test]
fn misuse_of_timers_and_of_functions_for_threads_is_logged_once_for_each_driver() {
    let logged = |driver: &str, words: &str| {
        RUN.lines().filter(|line| line.contains(&format!("{driver} called ")) && line.contains(words)).count()
    };
    assert_eq!(logged("bad_arguments", "in a handler; refused"), 1, "\n{}", RUN.serial);
    assert_eq!(logged("bad_arguments", "Kernel_AllocatePage with interrupts off"), 1, "\n{}", RUN.serial);
    assert_eq!(logged("bad_arguments", "Kernel_Delay for"), 1, "\n{}", RUN.serial);
    assert_eq!(logged("bad_arguments", "which does not exist"), 1, "\n{}", RUN.serial);
    assert_eq!(logged("bad_arguments", "is another driver's"), 0, "\n{}", RUN.serial);
    assert_eq!(logged("timers", "is another driver's"), 1, "\n{}", RUN.serial);
    assert_eq!(logged("locks", ""), 0, "\n{}", RUN.serial);
}

#[test]
fn a_weak_symbol_may_be_unknown() {
    assert_loaded("weak_symbol");
}

#[test]
fn calls_with_bad_arguments_are_refused_and_fault_nothing() {
    assert_loaded("bad_arguments");
}

#[test]
fn a_refused_call_changes_nothing_however_few_pages_are_free() {
    assert_loaded("refusals");
}

#[test]
fn a_collector_with_regions_on_each_node_loses_no_object() {
    assert_loaded("gc_regions");
}

#[test]
fn block_devices_keep_their_requests_apart_and_refuse_misuse() {
    let wrong: Vec<_> =
        RUN.lines().filter(|line| line.contains("block_") && line.contains("not hold")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_loaded("block_ram");
    assert_loaded("block_user");
}

#[test]
fn in_submit_poll_and_done_the_driver_whose_function_runs_is_the_caller() {
    // The drivers check the calls. A wrong owner of memory is only logged, and so is the name before a driver's own line.
    assert_loaded("block_user");
    let line = "block_ram: polled on a thread of another driver";
    assert!(RUN.lines().any(|line_of_log| line_of_log.contains(line)), "{}", RUN.serial);
    assert!(!RUN.lines().any(|line| line.contains("block_ram freed ")), "{}", RUN.serial);
}

#[test]
fn the_first_mistake_of_each_kind_with_block_devices_is_logged() {
    assert_loaded("block_user");
    let kinds = [
        "block_ram: described a block device that cannot be; refused",
        "block_ram: completed the request at 0x",
        "which its Submit has not taken",
        "block_user: submitted the request at 0x",
        "which is outstanding already; refused",
        "which is not outstanding; refused",
        "of ram, which is another driver's; refused",
        "which is no block device; refused",
    ];
    let count = |kind: &str| RUN.lines().filter(|line| line.contains(kind)).count();
    for kind in kinds {
        assert!(count(kind) >= 1, "{kind}\n{}", RUN.serial);
    }
    // An address that is no request's is not the address of a request of some device.
    assert_eq!(count("completed the request at 0x8000000000000000 of"), 0, "{}", RUN.serial);
    // Two kinds of mistakes are about a request that is submitted.
    assert_eq!(count("block_user: "), 5, "{}", RUN.serial);
}

#[test]
fn the_kernels_own_pages_are_not_a_drivers_to_free() {
    assert_loaded("kernel_pages");
}

#[test]
fn refused_frees_name_their_driver_once_for_each_kind() {
    // The driver's other refused frees, some dozens, are only counted.
    let reported =
        |kind| RUN.lines().filter(|line| line.contains("kernel_pages freed ") && line.contains(kind)).count();
    assert_eq!((reported("was never handed out"), reported("is inside a grant")), (1, 1), "\n{}", RUN.serial);
    let counted =
        |line: &str| line.contains("kernel_pages: ") && line.contains("more of its frees were refused");
    assert!(RUN.lines().any(counted), "\n{}", RUN.serial);
}

#[test]
fn pages_by_turns_by_weight_and_of_a_set_come_from_the_nodes_that_they_should() {
    assert_loaded("policies");
}

#[test]
fn what_is_not_elf_is_refused() {
    assert_refused("not_elf", "not an ELF file");
    assert_eq!(event("empty").status, "refused");
}

#[test]
fn a_driver_for_another_machine_is_refused() {
    assert_refused("wrong_machine", "wrong machine");
}

#[test]
fn a_driver_that_is_cut_short_is_refused() {
    assert_refused("cut_short", "cut short");
}

#[test]
fn a_long_reason_is_cut_and_the_driver_has_its_event() {
    assert_refused("long_reason", r"needs the library \u{1}\u{1}");
    assert!(event("long_reason").reason.is_some_and(|reason| reason.ends_with("...")), "\n{}", RUN.serial);
}

#[test]
fn a_long_line_of_a_driver_is_cut_between_letters() {
    let line = RUN.line("bad_arguments: a long line").expect("the driver has logged it");
    assert!(line.ends_with("ö..."), "{line}");
}

#[test]
fn an_unknown_symbol_is_named() {
    assert_refused("unknown_symbol", "Kernel_NoSuchThing");
}

#[test]
fn a_driver_without_an_entry_is_refused() {
    assert_refused("no_init", "Driver_Init");
}

#[test]
fn a_driver_that_refuses_to_start_is_named_with_its_code() {
    assert_refused("refusing", "-7");
}

#[test]
fn the_threads_of_a_driver_that_refuses_to_start_are_ended() {
    assert_refused("left_thread", "-5");
    let event = event("left_thread");
    assert!(event.reason.is_some_and(|reason| reason.ends_with("-5")), "its memory does not stay");
    assert_eq!(event.left.map(|left| left.threads), Some(1));
}

#[test]
fn an_exit_of_the_thread_that_starts_a_driver_is_the_same_as_returning() {
    assert_refused("exits", "Driver_Init returned -9");
    assert_loaded("exits_well");
}

/// Returns the status in each of the driver's events.
fn statuses(run: &Run, name: &str) -> Vec<String> {
    run.drivers().into_iter().filter(|driver| driver.name == name).map(|driver| driver.status).collect()
}

#[test]
fn a_driver_that_never_returns_is_named_and_the_boot_goes_on() {
    for name in ["loops_forever", "sleeps_forever"] {
        assert_eq!(statuses(&LATE_RUN, name), ["starting"], "\n{}", LATE_RUN.serial);
        let named = format!("{name} is still starting: Driver_Init has not returned after 10 s");
        assert!(LATE_RUN.lines().any(|line| line.contains(&named)), "\n{}", LATE_RUN.serial);
    }
    assert_eq!(statuses(&LATE_RUN, "numa_probe"), ["loaded"], "\n{}", LATE_RUN.serial);
    assert!(LATE_RUN.lines().any(|line| line.contains("boot: complete")), "\n{}", LATE_RUN.serial);
}

#[test]
fn a_driver_that_returns_late_is_reported_when_it_returns() {
    assert_eq!(statuses(&LATE_RUN, "starts_late"), ["starting", "loaded"], "\n{}", LATE_RUN.serial);
    assert_eq!(statuses(&LATE_RUN, "refuses_late"), ["starting", "refused"], "\n{}", LATE_RUN.serial);
    let refused = "refuses_late refused: Driver_Init returned -3";
    assert!(LATE_RUN.lines().any(|line| line.contains(refused)), "\n{}", LATE_RUN.serial);
}

#[test]
fn frames_larger_than_a_page_do_not_step_over_the_guard_of_their_stack() {
    let folder = tempfile::tempdir().unwrap();
    let source = artifacts::workspace().join("ddk/tests").join(OVERFLOWING).join("large_frames.c");
    let driver = folder.path().join("large_frames.so");
    driver::compile_with(&["-fno-stack-clash-protection"], &[source], &driver).unwrap();
    let image = folder.path().join("disk.img");
    build_image(&image, &[driver], &[]);
    let run = boot(&Machine::two_nodes().image(image), Verdict::Success);
    for words in ["large_frames failed: ", ": the stack has overflown", ", in thread above"] {
        assert!(run.lines().any(|line| line.contains(words)), "{words}\n{}", run.serial);
    }
}

#[test]
fn memory_both_writable_and_executable_is_refused() {
    assert_refused("writable_code", "both writable and executable");
}

#[test]
fn code_that_is_not_position_independent_is_refused() {
    assert_refused("relocated_code", "-fPIC");
}

#[test]
fn constructors_are_refused() {
    assert_refused("constructor", "constructors");
}

#[test]
fn thread_local_storage_is_refused() {
    assert_refused("thread_local", "thread-local");
}

#[test]
fn drivers_that_find_no_memory_are_refused_with_that_reason() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_exhausting_image(&image).unwrap();
    let run = boot(&Machine::two_nodes().image(image), Verdict::Success);
    let drivers = run.drivers();
    let hoarding = drivers.iter().position(|driver| driver.name == "hoarding").expect("it has an event");
    assert!(drivers[..=hoarding].iter().all(|driver| driver.status == "loaded"), "\n{}", run.serial);
    let after = &drivers[hoarding + 1..];
    assert_eq!(after.len(), 2, "\n{}", run.serial);
    for driver in after {
        let reason = driver.reason.as_deref().unwrap_or_default();
        assert!(driver.status == "refused" && reason.contains("no memory"), "{driver:?}");
    }
}

#[test]
fn without_fw_cfg_the_parameters_come_from_the_ramdisk() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    build_image(&image, &[], &["--cmdline", "numa=off exit"]);
    let run = boot(&Machine::two_nodes().image(image).without_parameters(), Verdict::Success);
    assert_eq!(run.topology().source, "off");
}
