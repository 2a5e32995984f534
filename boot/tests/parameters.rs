//! The kernel's parameters take effect, and the kernel boots without the second serial port.
mod common;

use boot::event::Topology;
use boot::{Firmware, Machine, Verdict};
use common::{MIB, assert_complete, assert_cpus, assert_pages, boot};

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

/// Boots the machine with self-tests and these parameters. Asserts that its nodes are fake, of similar size, and follow each
/// other in memory.
#[track_caller]
fn boot_with_fake_nodes(machine: Machine, words: &str) -> Topology {
    let run = boot(&machine.parameters(&format!("{words} selftest")), Verdict::Success);
    let topology = run.topology();
    assert_eq!(topology.source, "fake");
    assert_pages(&topology);
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
    let bytes = |node: &boot::event::Node| node.memory.iter().map(|range| range.length).sum::<u64>();
    let sizes = topology.nodes.iter().map(bytes);
    assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 2 * MIB, "{topology:?}");
    for pair in topology.nodes.windows(2) {
        let (before, next) = (pair[0].memory.last().unwrap(), &pair[1].memory[0]);
        assert!(before.base + before.length <= next.base, "{pair:?}");
    }
    let row =
        |from: usize| (0..topology.nodes.len()).map(move |to| if from == to { 10 } else { 20 }).collect();
    assert_eq!(topology.distances, (0..topology.nodes.len()).map(row).collect::<Vec<Vec<u8>>>());
    topology
}

#[test]
fn numa_fake_makes_nodes_of_a_machine_without_and_deals_the_cpus_out() {
    let topology = boot_with_fake_nodes(Machine::without_numa(4, 512), "numa=fake=4");
    assert_eq!(topology.nodes.iter().map(|node| &node.cpus[..]).collect::<Vec<_>>(), [[0], [1], [2], [3]]);
    assert_eq!(topology.nodes[1].memory[0].base, 128 * MIB);
    assert_eq!(topology.fallback[2], [2, 3, 0, 1]);
}

#[test]
fn numa_fake_with_a_size_makes_as_many_nodes_as_there_is_memory_for() {
    let machine = Machine::without_numa(4, 512).firmware(Firmware::Uefi);
    assert_eq!(boot_with_fake_nodes(machine, "numa=fake=64M").nodes.len(), 8);
}

#[test]
fn numa_fake_puts_the_nodes_of_firmware_aside() {
    let topology = boot_with_fake_nodes(Machine::two_nodes(), "numa=fake=3");
    assert_eq!(
        topology.nodes.iter().map(|node| &node.cpus[..]).collect::<Vec<_>>(),
        [&[0, 1][..], &[2], &[3]]
    );
}

#[test]
fn more_fake_nodes_than_there_is_room_for_are_fewer_with_a_warning() {
    let run = boot(&Machine::without_numa(2, 512).parameters("numa=fake=1000 selftest"), Verdict::Success);
    assert_eq!(run.topology().nodes.len(), 128);
    assert!(run.line("numa: numa=fake asks for 1000 nodes").is_some(), "{}", run.serial);
}

#[test]
fn a_number_of_fake_nodes_that_means_nothing_is_named_and_ignored() {
    let run = boot(&Machine::two_nodes().parameters("numa=fake=0"), Verdict::Success);
    assert!(run.lines().any(|line| line.contains("numa=fake=0")), "{}", run.serial);
    assert_eq!(run.topology().source, "srat");
}

#[test]
fn an_unknown_word_is_named_and_ignored() {
    let run = boot(&Machine::two_nodes().parameters("colour=blue"), Verdict::Success);
    assert!(run.lines().any(|line| line.contains("colour=blue")), "{}", run.serial);
}

#[test]
fn a_word_that_is_cut_by_the_lines_limit_is_named_and_ignored() {
    // The first 1,024 bytes end with "numa=fake=6".
    let words = format!("exit{}numa=fake=64M", " ".repeat(1024 - "exit".len() - "numa=fake=6".len()));
    let run = boot(&Machine::two_nodes().parameters(&words), Verdict::Success);
    assert_eq!(run.topology().source, "srat");
    assert!(run.line("boot: the parameter \"numa=fake=6\" is cut").is_some(), "{}", run.serial);
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
