//! The log under load: lines of many threads come out whole, and a port that takes nothing holds up nobody for long.
mod common;

use boot::{Machine, Run, Verdict, artifacts, driver};
use common::boot;
use std::process::Command;

/// Boots the machine with a driver whose four threads, a to d, each log 20 lines of 4,000 bytes.
fn boot_talkative(machine: Machine) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (driver, image) = (folder.path().join("talkative.so"), folder.path().join("disk.img"));
    driver::compile(&[artifacts::workspace().join("ddk/tests/talkative/talkative.c")], &driver).unwrap();
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg("--bios").arg(&image);
    assert!(builder.arg("--drivers").arg(&driver).status().unwrap().success());
    boot(&machine.image(image), Verdict::Success)
}

#[test]
fn each_line_of_four_threads_comes_out_whole_and_in_its_threads_order() {
    let run = boot_talkative(Machine::two_nodes());
    let mut next = [0; 4];
    for line in run.serial.lines().filter_map(|line| line.strip_prefix("INFO  talkative: ")) {
        let letter = line.as_bytes()[0];
        let thread = usize::from(letter - b'a');
        assert_eq!(line.len(), 4000, "{line}");
        assert!(line[5..].bytes().all(|byte| byte == letter), "{line}");
        assert_eq!(line[2..4], format!("{:02}", next[thread]), "thread {}", char::from(letter));
        next[thread] += 1;
    }
    assert_eq!(next, [20; 4]);
    assert!(!run.serial.contains("were lost"));
}

/// The clock of this machine counts instructions, so a busy host does not decide what comes first.
#[test]
fn a_port_that_takes_nothing_holds_up_the_boot_once_and_is_reported() {
    let run = boot_talkative(Machine::two_nodes().with_unread_log().arguments([
        "-accel",
        "tcg",
        "-icount",
        "shift=0,sleep=off",
    ]));
    let stuck: Vec<_> = run.findings().into_iter().filter(|finding| finding.table == "COM1").collect();
    assert_eq!(stuck.len(), 1, "{stuck:?}");
    assert_eq!(stuck[0].rule, "port-stuck");
    // Its threads went on: the driver ended before the boot lost patience with it.
    let statuses: Vec<_> = run.drivers().into_iter().map(|driver| driver.status).collect();
    assert_eq!(statuses, ["loaded"]);
    // What the pipe took before is there.
    assert!(run.serial.starts_with("INFO  "), "{}", run.serial);
}
