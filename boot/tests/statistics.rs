//! Drivers read their parameters, and what the kernel says that they have is what they have.
mod common;

use std::sync::LazyLock;

use boot::{Machine, Run, Verdict, driver};
use common::boot;

const PARAMETERS: &str = "driver.counted.queues=8 driver.counted.name=first driver.counted.name=second driver.counted.pair=a=b \
                          driver.counted.polled driver.missing.queues=3 driver.counts.other=1";

/// One boot in which `counts` looks at what `counted` has, and unloads it.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["counted", "counts"], &image).unwrap();
    let machine = Machine::two_nodes().image(&image).arguments(["-device", "edu"]);
    boot(&machine.parameters(&format!("{PARAMETERS} log=debug")), Verdict::Success)
});

#[test]
fn statistics_of_drivers_agree_with_those_of_nodes_and_parameters_are_the_drivers_own() {
    assert!(!RUN.lines().any(|line| line.contains("this does not hold")), "\n{}", RUN.serial);
    for name in ["counted", "counts"] {
        let drivers = RUN.drivers();
        assert!(
            drivers.iter().any(|driver| driver.name == name && driver.status == "loaded"),
            "{}",
            RUN.serial
        );
    }
}

#[test]
fn counters_are_shown_when_their_driver_ends_also_those_whose_memory_has_gone() {
    let shown = "counted: requests 42, errors 18446744073709551615, gone not mapped, many.000 0";
    let lines: Vec<_> = RUN.lines().filter(|line| line.contains("requests ")).collect();
    assert!(lines.len() == 1 && lines[0].ends_with(shown), "{}", RUN.serial);
}

#[test]
fn the_uses_of_pages_are_all_pages_that_are_granted() {
    let line = RUN.lines().find(|line| line.contains(" pages, as the nodes count ")).expect("there is a sum");
    let numbers = line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = numbers.skip_while(|number| *number == 0).collect();
    let [.., by_use, by_node] = numbers[..] else { panic!("{line}") };
    assert!(by_use == by_node && by_use > 100, "{line}");
    for page_use in ["page tables", "heaps", "stacks", "threads", "images of drivers", "timers", "CPUs"] {
        assert!(
            RUN.lines().any(|line| line.contains(&format!("pages: {page_use}: "))),
            "{page_use}\n{}",
            RUN.serial
        );
    }
}

#[test]
fn a_parameter_of_a_driver_that_is_missing_is_named() {
    let named: Vec<_> = RUN.lines().filter(|line| line.contains("is that of no driver")).collect();
    assert!(named.len() == 1 && named[0].contains("\"driver.missing.queues=3\""), "{}", RUN.serial);
    assert!(!RUN.lines().any(|line| line.contains("is not known")), "{}", RUN.serial);
}
