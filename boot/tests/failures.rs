//! A driver's exception ends the driver, and the machine goes on.
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;
use tempfile::TempDir;

const KINDS: [&str; 12] = [
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
    "IN_EXPORT",
];

/// Writes of memory that is the kernel's or another driver's.
const WILD_WRITES: [&str; 11] = [
    "KERNEL_DATA",
    "PAGE_TABLE",
    "KERNEL_HEAP",
    "KERNEL_STACK",
    "FREE_PAGE",
    "CPU_DATA",
    "OTHER_DATA",
    "OTHER_MEMORY",
    "OTHER_HEAP",
    "OTHER_STACK",
    "KERNEL_WRITES",
];

/// Instructions that change how the kernel is entered, and a jump to another driver's code.
const STATES: [&str; 5] =
    ["OTHER_JUMP", "SOFTWARE_FAULT", "SOFTWARE_NMI", "SOFTWARE_DOUBLE_FAULT", "DIRECTION"];

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
    drivers.push(unloading(&KINDS, &folder));
    build_image(drivers, &folder);
    folder
});

/// Compiles the driver that unloads those which fail in these ways when they are unloaded.
fn unloading(kinds: &[&str], folder: &TempDir) -> PathBuf {
    let list = |words: &[&str]| {
        words.iter().map(|word| format!("{:?}", word.to_lowercase())).collect::<Vec<_>>().join(",")
    };
    let flags = [format!("-DKINDS={}", list(kinds)), format!("-DPLACES={}", list(&AT_UNLOAD))];
    let source = tests().join("unloads_failing/unloads_failing.c");
    compile_with(&flags, &source, "unloads_failing", folder.path())
}

/// Where code of a driver can loop for ever with interrupts on, so that its CPU runs no other thread.
const LOOPS: [&str; 5] = ["HANDLER", "TIMER", "SUBMIT", "POLL", "DONE"];

/// The loops with interrupts on, and those with interrupts off, which are possible everywhere.
fn looping() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    let with_interrupts = LOOPS.iter().map(|place| ("LOOP", *place));
    with_interrupts.chain(PLACES.iter().map(|place| ("LOOP_OFF", *place)))
}

/// Boots with a driver for each loop, on a kernel that fails them.
fn run_looping(machine: Machine, survivor: &[String]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut drivers = failing(looping(), survivor, &folder);
    drivers.push(unloading(&["LOOP_OFF"], &folder));
    build_image(drivers, &folder);
    run(machine.parameters("watchdog=fail"), &folder)
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
    boot(&machine.image(image_in(image)).protected().arguments(["-device", "edu,addr=9"]), Verdict::Success)
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
        let has_failed = drivers.iter().any(|driver| driver.name == name && driver.status == "failed");
        assert!(!has_failed && !run.serial.contains(&format!("{name} failed")), "{name}\n{}", run.serial);
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
    // One CPU is busy, so that it watches the others from the start.
    assert_contained(&run_looping(Machine::two_nodes(), &["-DSPINS=1".into()]), looping());
}

#[test]
fn a_machine_with_one_cpu_fails_a_driver_whose_code_loops_where_nothing_else_gets_the_cpu() {
    let run = run_looping(Machine::without_numa(1, 512), &[]);
    assert_contained(&run, looping());
    let says = |words: &[&str]| run.lines().any(|line| words.iter().all(|word| line.contains(word)));
    // As on several CPUs, it is known where the code was.
    for (place, function) in [("init", "Driver_Init"), ("timer", "fail"), ("submit", "fail")] {
        let name = format!("loop_off_{place}");
        assert!(says(&[&name, " failed: ", " has ", " ms, at offset 0x"]), "{}", run.serial);
        assert!(says(&[&format!("{name}: #0 {function}+0x")]), "{}", run.serial);
    }
}

/// Ways for the interrupts of the HPET to reach the CPU, by machine and property: the log's words, and arguments for QEMU.
const WAYS_OF_THE_HPET: [(&str, [&str; 4]); 2] = [
    ("by messages", ["-machine", "q35", "-global", "hpet.msi=on"]),
    // Its HPET has only the input at which the PIT interrupts.
    ("at input 2 of the I/O APIC", ["-machine", "pc", "-global", "hpet.msi=off"]),
];

#[test]
fn one_cpu_watches_itself_however_the_hpet_reaches_it() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("LOOP_OFF", "INIT"), ("LOOP_OFF", "TIMER"), ("LOOP_OFF", "THREAD")];
    build_image(failing(kinds.into_iter(), &[], &folder), &folder);
    for (way, arguments) in WAYS_OF_THE_HPET {
        let machine = Machine::without_numa(1, 512).arguments(arguments);
        let run = run(machine.parameters("watchdog=fail log=debug"), &folder);
        assert!(
            run.lines().any(|line| line.contains("the HPET interrupts") && line.contains(way)),
            "{}",
            run.serial
        );
        assert_contained(&run, kinds.into_iter());
    }
}

#[test]
fn the_log_says_once_if_nobody_watches_the_only_cpu() {
    let lines = |machine: &Machine| {
        let run = boot(machine, Verdict::Success);
        let nobody = run.lines().filter(|line| line.contains("nobody notices code")).count();
        let timer = run.lines().filter(|line| line.contains("the HPET interrupts the only CPU")).count();
        (nobody, timer)
    };
    let machine = |cpus| Machine::without_numa(cpus, 256).parameters("log=debug");
    let without_hpet = ["-machine", "q35,hpet=off"];
    assert_eq!(lines(&machine(1)), (0, 1));
    assert_eq!(lines(&machine(1).arguments(without_hpet)), (1, 0));
    // Others do, or it is not wanted.
    assert_eq!(lines(&machine(2).arguments(without_hpet)), (0, 0));
    assert_eq!(lines(&machine(2)), (0, 0));
    assert_eq!(lines(&machine(1).parameters("log=debug watchdog=off")), (0, 0));
}

#[test]
fn wrong_instructions_and_jumps_end_the_driver_and_neither_another_one_nor_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let places = ["INIT", "THREAD", "HANDLER", "TIMER", "SUBMIT", "POLL", "DONE"];
    let mut kinds: Vec<_> = STATES.iter().flat_map(|kind| places.map(|place| (*kind, place))).collect();
    // These places have interrupts on.
    kinds.extend(["INIT", "THREAD", "SUBMIT", "POLL", "DONE"].map(|place| ("STACK_IN_PAGE_LOOP", place)));
    build_image(failing(kinds.clone().into_iter(), &[], &folder), &folder);
    assert_contained(&run(Machine::two_nodes(), &folder), kinds.into_iter());
}

/// Where the driver `panics` does so, by the values of its parameter.
const PANICS: [&str; 5] = ["init", "locked", "thread", "timer", "exit"];

#[test]
fn a_panic_of_a_driver_in_rust_ends_the_driver_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let panics = folder.path().join("panics.so");
    driver::build(&tests().join("panics"), &panics).unwrap();
    let copy = |place: &&str| {
        let copy = folder.path().join(format!("panics_{place}.so"));
        std::fs::copy(&panics, &copy).unwrap();
        copy
    };
    let mut drivers: Vec<PathBuf> = PANICS.iter().map(copy).collect();
    let flags = ["-DKINDS=\"panics\"".into(), "-DPLACES=\"exit\"".into()];
    let source = tests().join("unloads_failing/unloads_failing.c");
    drivers.push(compile_with(&flags, &source, "unloads_failing", folder.path()));
    build_image(drivers, &folder);
    let words = (0..).zip(PANICS).map(|(number, place)| format!("driver.panics_{place}.place={number}"));
    let words: Vec<String> = words.collect();
    let run = run(Machine::two_nodes().parameters(&words.join(" ")), &folder);
    for place in PANICS {
        let name = format!("panics_{place}");
        let failed: Vec<_> = run
            .drivers()
            .into_iter()
            .filter(|driver| driver.name == name && driver.status == "failed")
            .collect();
        assert_eq!(failed.len(), if place == "exit" { 2 } else { 1 }, "{name}\n{}", run.serial);
        assert!(
            failed.iter().all(|driver| driver.left.as_ref().is_some_and(|left| left.heap == 1)),
            "{}",
            run.serial
        );
        // The kit's line, and the kernel's.
        for says in [": panicked at ", " failed: invalid opcode at offset 0x"] {
            let is_said = run.lines().any(|line| line.contains(&name) && line.contains(says));
            assert!(is_said, "{name} {says}\n{}", run.serial);
        }
    }
    let is_loaded =
        |driver: &boot::event::Driver| driver.name == "unloads_failing" && driver.status == "loaded";
    assert!(run.drivers().iter().any(is_loaded), "{}", run.serial);
}

#[test]
fn a_double_free_and_a_sleep_in_a_handler_are_refused_and_no_failures() {
    let folder = tempfile::tempdir().unwrap();
    let kinds =
        [("DOUBLE_FREE", "INIT"), ("DOUBLE_FREE", "THREAD"), ("SLEEPS", "TIMER"), ("SLEEPS", "HANDLER")];
    build_image(failing(kinds.into_iter(), &[], &folder), &folder);
    let run = run(Machine::two_nodes().parameters("drivers=strict"), &folder);
    for (kind, place) in kinds {
        assert_eq!(
            states(&run, &name(kind, place)),
            [("loaded".to_owned(), String::new())],
            "{}",
            run.serial
        );
    }
    // Each is logged once, however often it happens.
    for words in [
        ["WARN  pages: double_free_init freed 1 pages at 0x", "refused"],
        ["WARN  heap: double_free_init", "refused"],
        [
            "WARN  drivers: sleeps_timer called Kernel_SleepThread in a handler",
            "refused, and not logged again",
        ],
        [
            "WARN  drivers: sleeps_handler called Kernel_SleepThread in a handler",
            "refused, and not logged again",
        ],
    ] {
        let lines = run.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(lines, 1, "{words:?}\n{}", run.serial);
    }
    assert!(!run.serial.contains("does not hold"), "{}", run.serial);
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

/// What a driver calls where its stack ends: `ddk/tests/stack_end/depth.h`.
const WAYS: [&str; 12] = [
    "LOG",
    "SLEEP",
    "PAGE",
    "HEAP",
    "GOOD_POINTER",
    "BAD_POINTER",
    "THREAD",
    "LOAD",
    "INTERRUPT",
    "HANDLER",
    "IN_HANDLER",
    "ON_THREAD",
];
/// Bytes whose depths one driver tries.
const OF_ONE: usize = 512;

/// Returns the most bytes that are left of the stack: more than the function needs. The handler's depth has a period.
fn most_left(way: &str) -> usize {
    match way {
        "LOG" | "LOAD" => 8192,
        "HANDLER" => 128,
        _ => 4096,
    }
}

/// Asserts that a driver whose stack ends in a function of the kernel ends, and nothing else, with the numbers of bytes left that `steps` says:
/// for each way, a first one, one behind the last, and the distance.
fn assert_stacks_end(machine: Machine, steps: impl Fn(&'static str) -> Vec<(usize, usize, usize)>) {
    let folder = tempfile::tempdir().unwrap();
    let stack_end = compile_with(&[], &tests().join("stack_end/stack_end.c"), "stack_end", folder.path());
    let hello =
        compile_with(&[], &artifacts::workspace().join("ddk/examples/hello/hello.c"), "hello", folder.path());
    let mut drivers = vec![stack_end, hello];
    let mut names = Vec::new();
    for (way, (from, to, step)) in
        WAYS.iter().flat_map(|way| steps(way).into_iter().map(move |step| (way, step)))
    {
        let flags = [
            ("WAY", (*way).into()),
            ("FROM", from.to_string()),
            ("TO", to.to_string()),
            ("STEP", step.to_string()),
        ];
        let flags = flags.map(|(name, value): (&str, String)| format!("-D{name}={value}"));
        let name = format!("stack_ends_{way}_{from}").to_lowercase();
        drivers.push(compile_with(&flags, &tests().join("stack_ends/stack_ends.c"), &name, folder.path()));
        names.push(name);
    }
    build_image(drivers, &folder);
    let machine = machine.image(image_in(&folder)).arguments(["-device", "edu,addr=9"]);
    let run = boot(&machine, Verdict::Success);
    let outcomes = run.drivers();
    for name in &names {
        let ended = outcomes.iter().find(|driver| driver.name == *name).expect("each has an event");
        assert_eq!(ended.reason.as_deref(), Some("Driver_Init returned 1"), "{name}\n{}", run.serial);
    }
    let of_kernel = |line: &&str| line.contains("the stack has ended in a function of the kernel");
    assert!(run.lines().filter(of_kernel).count() > 500, "{}", run.serial);
    let stays =
        outcomes.iter().filter_map(|driver| driver.reason.as_ref()).find(|reason| reason.contains("stays"));
    assert_eq!(stays, None, "{}", run.serial);
}

#[test]
fn a_stack_that_ends_in_a_function_of_the_kernel_ends_the_driver_at_every_depth() {
    assert_stacks_end(Machine::two_nodes(), |way| {
        let most = most_left(way);
        (0..most).step_by(OF_ONE).map(|from| (from, most.min(from + OF_ONE), 8)).collect()
    });
}

#[test]
fn a_stack_that_ends_in_a_function_of_the_kernel_or_at_its_gate_ends_the_driver_with_protection() {
    // The gates and the entries of interrupts use the stack with the driver's rights, so the first depths are all tried. Gates are slow in
    // QEMU, so of the others some must do; an odd number of words comes to both alignments.
    assert_stacks_end(Machine::two_nodes().protected(), |way| {
        let most = most_left(way);
        let first = most.min(OF_ONE);
        std::iter::once((0, first, 8)).chain((first < most).then_some((first, most, 7 * 8))).collect()
    });
}

/// Returns the states of a driver, in their order, each with its reason.
fn states(run: &Run, name: &str) -> Vec<(String, String)> {
    let of_name = run.drivers().into_iter().filter(|driver| driver.name == name);
    of_name.map(|driver| (driver.status, driver.reason.unwrap_or_default())).collect()
}

#[test]
fn a_failed_driver_is_loaded_again_as_often_as_a_parameter_says() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("NULL_WRITE", "INIT"), ("DIVISION", "ADD_DEVICE"), ("FPU", "TIMER"), ("STACK", "INIT")];
    let mut drivers = failing(kinds.into_iter(), &[], &folder);
    // The boot waits 10 s for this one. By then, the others have failed as often as they may.
    drivers.push(compile(&tests().join("starts_late"), folder.path()));
    build_image(drivers, &folder);
    let words =
        "driver.null_write_init.restart=3 driver.division_add_device.restart=2 driver.fpu_timer.restart=x";
    let run = run(Machine::two_nodes().parameters(words), &folder);
    let attempt =
        |number: u32, of: u32| ("starting".to_owned(), format!("attempt {number} of {of} after a failure"));
    let failed = || ("failed".to_owned(), "a failure of its code".to_owned());
    let loaded = || ("loaded".to_owned(), String::new());
    let mut expected = vec![failed()];
    expected.extend((1..=3).flat_map(|number| [attempt(number, 3), failed()]));
    assert_eq!(states(&run, "null_write_init"), expected, "{}", run.serial);
    // Its device is offered to it again.
    let mut expected = vec![loaded(), failed()];
    expected.extend((1..=2).flat_map(|number| [attempt(number, 2), loaded(), failed()]));
    assert_eq!(states(&run, "division_add_device"), expected, "{}", run.serial);
    for without in ["fpu_timer", "stack_init"] {
        assert_eq!(states(&run, without), [failed()], "{}", run.serial);
    }
    for line in [
        "INFO  drivers: null_write_init is loaded again: attempt 3 of 3 after a failure",
        "WARN  drivers: null_write_init is not loaded again: it has failed after 3 attempts",
        "the parameter \"driver.fpu_timer.restart=x\" is no number and ignored",
    ] {
        assert_eq!(run.lines().filter(|found| found.contains(line)).count(), 1, "{line}\n{}", run.serial);
    }
}

#[test]
fn a_driver_that_writes_memory_of_the_kernel_or_of_another_driver_fails_and_has_changed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The functions of a block device may write the memory of the driver that submits, which is the only other one here.
    let is_forbidden =
        |&(kind, place): &(&str, &str)| !kind.starts_with("OTHER") || !["SUBMIT", "POLL"].contains(&place);
    let of_place = |place| WILD_WRITES.map(move |kind| (kind, place));
    let kinds: Vec<_> = PLACES.into_iter().flat_map(of_place).filter(is_forbidden).collect();
    let mut drivers = failing(kinds.iter().copied(), &[], &folder);
    drivers.push(unloading(&WILD_WRITES, &folder));
    build_image(drivers, &folder);
    let run = run(Machine::two_nodes(), &folder);
    assert_contained(&run, kinds.into_iter());
    let says = |words: &[&str]| run.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(
        says(&["kernel_data_timer failed: page fault", "belongs to the kernel or to another driver"]),
        "{}",
        run.serial
    );
}

#[test]
fn small_blocks_of_a_driver_share_pages_also_where_keys_protect_them() {
    let folder = tempfile::tempdir().unwrap();
    let source = tests().join("small_blocks");
    build_image(vec![compile(&source, folder.path())], &folder);
    for machine in [Machine::two_nodes().protected(), Machine::two_nodes().parameters("protection=off")] {
        let run = boot(&machine.image(image_in(&folder)), Verdict::Success);
        for line in
            ["INFO  small_blocks: blocks of 16 bytes share pages", "INFO  drivers: small_blocks loaded"]
        {
            assert!(run.lines().any(|found| found == line), "{line}\n{}", run.serial);
        }
        assert!(!run.serial.contains("does not hold"), "{}", run.serial);
    }
}

#[test]
fn requests_are_counted_down_only_where_their_submitter_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let drivers = ["block_ram", "block_user"].map(|name| compile(&tests().join(name), folder.path()));
    build_image(drivers.into(), &folder);
    let run = boot(&Machine::two_nodes().image(image_in(&folder)).protected(), Verdict::Success);
    assert!(run.lines().any(|line| line == "INFO  drivers: block_user loaded"), "{}", run.serial);
    assert!(!run.serial.contains("does not hold"), "{}", run.serial);
    let lost = run.lines().filter(|line| line.contains("has lost its word in Context")).count();
    assert!(lost >= 1, "{}", run.serial);
}

#[test]
fn without_protection_keys_the_log_says_so_and_a_wild_write_is_not_noticed() {
    let folder = tempfile::tempdir().unwrap();
    build_image(failing([("FREE_PAGE", "INIT")].into_iter(), &[], &folder), &folder);
    for (machine, words) in [
        (Machine::two_nodes().cpu_with("-pks"), "the CPU has no keys for supervisor pages"),
        (Machine::two_nodes().parameters("protection=off"), "off: drivers can write all memory"),
    ] {
        let run = boot(&machine.image(image_in(&folder)).protected(), Verdict::Success);
        let says = |words: &str| run.lines().any(|line| line.contains(words));
        assert!(says(words) && says("goes on after a wild write"), "{}", run.serial);
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
