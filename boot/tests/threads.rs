//! Threads: on machines of every size, under load, and as fast as they are meant to be.
mod common;

use std::path::Path;
use std::process::Command;

use boot::event::Test;
use boot::{Machine, Run, Verdict, artifacts};
use common::{assert_complete, assert_cpus, boot};

/// Self-tests a machine with so many CPUs on one node. Returns the tests that were skipped.
fn self_test_with_cpus(cpus: u32) -> Vec<Test> {
    let run = boot(&Machine::without_numa(cpus, 1024).parameters("selftest"), Verdict::Success);
    let topology = run.topology();
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
    assert!(run.tests().iter().any(|test| test.name == "threads.affinity"), "{:?}", run.tests());
    run.tests().into_iter().filter(|test| test.skipped).collect()
}

#[test]
fn threads_work_on_one_cpu() {
    let skipped = self_test_with_cpus(1);
    assert!(
        skipped.iter().all(|test| test.reason.as_ref().is_some_and(|why| why.contains("CPU"))),
        "{skipped:?}"
    );
    let names: Vec<_> = skipped.iter().map(|test| &test.name[..]).collect();
    let need_others = [
        "pages.recall",
        "pages.recall_all",
        "memory.tlb_shootdown",
        "memory.tlb_shootdown_sleeping",
        "memory.tlb_shootdown_all",
        "memory.map_exhausted",
        "clock.cpus_agree",
        "locks.fair",
        "threads.affinity",
        "threads.leave_forbidden_cpus",
    ];
    assert_eq!(names, need_others);
}

#[test]
fn threads_work_on_two_cpus() {
    assert_eq!(self_test_with_cpus(2), []);
}

#[test]
fn threads_work_on_16_cpus() {
    assert_eq!(self_test_with_cpus(16), []);
}

#[test]
fn threads_work_on_64_cpus() {
    assert_eq!(self_test_with_cpus(64), []);
}

/// Asserts that both tests under load ran and succeeded.
#[track_caller]
fn assert_load(run: &Run) {
    for name in ["threads.load", "threads.forbidden_cpus_load"] {
        assert!(run.tests().iter().any(|test| test.name == name && test.ok), "{name}: {:?}", run.tests());
    }
}

#[test]
fn a_thousand_threads_on_four_cpus_lose_nothing() {
    let run = boot(&Machine::two_nodes().parameters("load"), Verdict::Success);
    assert_load(&run);
}

#[test]
fn a_thousand_threads_lose_nothing_in_a_hundred_million_instructions() {
    let run = boot(&Machine::two_nodes().counting(0).parameters("load"), Verdict::Success);
    assert_load(&run);
}

#[test]
fn a_thousand_threads_on_one_cpu_lose_nothing() {
    let run = boot(&Machine::without_numa(1, 512).parameters("load"), Verdict::Success);
    assert_load(&run);
}

/// Builds a disk image of the kernel that checks itself.
fn build_checked_image(image: &Path) {
    let built = Command::new(artifacts::image_builder().unwrap())
        .arg("--kernel")
        .arg(artifacts::checked_kernel().unwrap())
        .arg("--bios")
        .arg(image)
        .status()
        .unwrap();
    assert!(built.success());
}

#[test]
fn no_lock_is_taken_out_of_order_in_a_kernel_that_checks_itself() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("checked.img");
    build_checked_image(&image);
    boot(&Machine::two_nodes().image(&image).parameters("selftest load"), Verdict::Success);
}

#[test]
fn a_thread_does_not_wait_with_a_spin_lock_in_a_kernel_that_checks_itself() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("checked.img");
    build_checked_image(&image);
    let run = boot(&Machine::two_nodes().image(&image).parameters("fault=wait"), Verdict::Failure);
    let noticed = "a thread that holds a spin lock waits";
    assert!(run.lines().any(|line| line.contains(noticed)), "{}", run.serial);
}

#[test]
fn switching_waking_and_booting_stay_within_their_instructions() {
    // Without disks: what uses them sleeps, and the counting clock goes on meanwhile.
    let run = boot(&Machine::two_nodes().disks([]).counting(0).parameters("bench"), Verdict::Success);
    let measured: Vec<boot::event::Bench> = run.events_of("bench");
    let goals = [
        ("thread.switch.yield", 120),
        ("thread.switch.wake", 300),
        ("boot.kernel", 10_000_000),
        ("boot.waits", 25_000_000),
    ];
    for (name, most) in goals {
        let bench = measured.iter().find(|bench| bench.name == name);
        let bench = bench.unwrap_or_else(|| panic!("{name} was not measured\n{}", run.serial));
        let each = bench.ticks / bench.ops;
        assert!(each <= most, "{name}: {each} instructions, and {most} are the most");
    }
}
