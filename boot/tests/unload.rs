//! Drivers are unloaded and loaded again, whatever they are in the middle of, and nothing of them is left.
mod common;

use std::sync::LazyLock;

use boot::event::Driver;
use boot::{Machine, Run, Verdict, driver};
use common::boot;

/// One boot in which `unloads` unloads the others.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nothing", "busy", "unloads"], &image).unwrap();
    boot(&Machine::two_nodes().image(&image).protected(), Verdict::Success)
});

fn events_of(name: &str, status: &str) -> Vec<Driver> {
    RUN.drivers().into_iter().filter(|driver| driver.name == name && driver.status == status).collect()
}

#[test]
fn what_a_driver_has_is_taken_back_when_it_is_unloaded() {
    assert_eq!(events_of("unloads", "loaded").len(), 1, "{}", RUN.serial);
    assert!(!RUN.lines().any(|line| line.contains("this does not hold")), "\n{}", RUN.serial);
    for unloaded in events_of("busy", "unloaded") {
        let left = unloaded.left.expect("it says what was left");
        let [threads, timers] = [left.threads, left.timers];
        assert_eq!((threads, timers, left.heap, left.pages), (8, 4, 99, 2000), "{}", RUN.serial);
    }
    assert_eq!(events_of("busy", "unloaded").len(), 4, "{}", RUN.serial);
}

#[test]
fn a_driver_frees_no_pages_of_another_and_is_told_so_once() {
    let refused: Vec<&str> = RUN.lines().filter(|line| line.contains("is not the caller's")).collect();
    assert_eq!(refused.len(), 1, "{}", RUN.serial);
    assert!(refused[0].contains("unloads freed 1 pages at "), "{}", refused[0]);
}

#[test]
fn a_driver_that_has_nothing_leaves_nothing() {
    let unloaded = events_of("nothing", "unloaded");
    assert_eq!(unloaded.len(), 41, "{}", RUN.serial);
    assert!(unloaded.iter().all(|driver| driver.left.as_ref().is_some_and(|left| left.is_nothing())));
}

#[test]
fn drivers_of_disks_are_unloaded_with_requests_outstanding_and_serve_the_disks_again() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme", "virtio_blk", "reloads"], &image).unwrap();
    let run = boot(&Machine::two_nodes().image(&image).protected(), Verdict::Success);
    assert!(!run.lines().any(|line| line.contains("this does not hold")), "\n{}", run.serial);
    for name in ["nvme", "virtio_blk"] {
        let count = |status| {
            run.drivers().iter().filter(|driver| driver.name == name && driver.status == status).count()
        };
        assert_eq!((count("loaded"), count("unloaded")), (6, 5), "{}", run.serial);
    }
}
