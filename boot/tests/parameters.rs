//! The kernel's parameters and ports: what is asked for is done, and what is absent is not missed.
mod common;

use boot::{Machine, Verdict};
use common::{assert_cpus, assert_pages, boot};

#[test]
fn numa_off_makes_one_node_of_two() {
    let run = boot(&Machine::two_nodes().parameters("numa=off selftest"), Verdict::Success);
    let topology = run.topology();
    assert_eq!(topology.source, "off");
    assert_eq!(topology.nodes.len(), 1);
    assert_eq!(topology.nodes[0].cpus, [0, 1, 2, 3]);
    assert_pages(&topology);
    assert_cpus(&run, &topology);
}

#[test]
fn an_unknown_word_is_named_and_ignored() {
    let run = boot(&Machine::two_nodes().parameters("colour=blue"), Verdict::Success);
    assert!(run.lines().any(|line| line.contains("colour=blue")), "{}", run.serial);
}

#[test]
fn without_selftest_none_is_run() {
    let run = boot(&Machine::two_nodes(), Verdict::Success);
    assert_eq!(run.tests(), []);
    assert!(run.line("[NUMA Test]").is_none());
    assert!(run.line("boot: complete").is_some());
}

#[test]
fn less_is_logged_on_request() {
    let run = boot(&Machine::two_nodes().parameters("log=error"), Verdict::Success);
    assert!(run.line("numa:").is_none(), "{}", run.serial);
}

#[test]
fn a_machine_without_the_second_serial_port_boots() {
    let run = boot(&Machine::two_nodes().without_event_port().parameters("selftest"), Verdict::Success);
    assert!(run.events.is_empty());
    assert!(run.line("boot: complete").is_some(), "{}", run.serial);
}
