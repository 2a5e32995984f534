//! What the tests that boot machines share: the boot, and comparisons with what is expected.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod many;
pub mod shown;
pub mod terminal;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use boot::event::{Cpu, Finding, Memory, Node, Topology};
use boot::{Firmware, Machine, Run, Verdict, artifacts};
use tempfile::TempDir;

/// The time limit of a boot. It is far more than a boot takes, and ends a kernel that hangs.
const LIMIT: Duration = Duration::from_secs(180);

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Boots the machine and asserts that it ends with this verdict.
#[track_caller]
pub fn boot(machine: &Machine, verdict: Verdict) -> Run {
    machine.clone().patient().run(LIMIT).unwrap().expect(verdict)
}

/// A disk image with parameters in its ramdisk, as real hardware needs it. The file goes with this.
pub struct Image(TempDir);

impl Image {
    /// Builds the image for this firmware, with these files of drivers.
    #[track_caller]
    pub fn new(firmware: Firmware, words: &str, drivers: &[PathBuf]) -> Self {
        let image = Self(tempfile::tempdir().unwrap());
        let form = if firmware == Firmware::Bios { "--bios" } else { "--uefi" };
        let mut builder = Command::new(artifacts::image_builder().unwrap());
        builder.arg("--kernel").arg(artifacts::kernel().unwrap()).arg(form).arg(image.path());
        builder.args(["--cmdline", words]);
        if !drivers.is_empty() {
            builder.arg("--drivers").args(drivers);
        }
        assert!(builder.status().unwrap().success());
        image
    }

    /// Returns the file.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("disk.img")
    }
}

/// The last line of a boot.
const COMPLETE: &str = "INFO  boot: complete, ";

/// Boots the machine with CPUs that name no hypervisor, up to the last line of the boot. The kernel then reads its parameters from
/// the ramdisk, and cannot end the machine.
#[track_caller]
pub fn boot_without_hypervisor(machine: &Machine, words: &str) -> Run {
    boot_without_hypervisor_at(machine, Firmware::Bios, words, &[])
}

/// Boots the machine with this firmware and these files of drivers, otherwise as [`boot_without_hypervisor`] does.
#[track_caller]
pub fn boot_without_hypervisor_at(
    machine: &Machine,
    firmware: Firmware,
    words: &str,
    drivers: &[PathBuf],
) -> Run {
    let image = Image::new(firmware, words, drivers);
    let machine = machine.clone().firmware(firmware).image(image.path());
    let machine = machine.cpu_with("-hypervisor").command_at(COMPLETE, "quit");
    let run = machine.run(LIMIT).unwrap();
    assert!(
        matches!(run.verdict, Verdict::None(status) if status.success()),
        "{}\n{}",
        run.verdict,
        run.serial
    );
    run
}

/// An expected node: domain, CPUs, and memory as (base, length).
pub struct ExpectedNode<'a>(pub u32, pub &'a [u32], pub &'a [(u64, u64)]);

/// An expected topology. Page counts have no exact values; [`assert_pages`] checks their bounds.
pub struct Expected<'a> {
    pub source: &'a str,
    pub nodes: &'a [ExpectedNode<'a>],
    pub distances: &'a [&'a [u8]],
    pub fallback: &'a [&'a [u32]],
}

/// Boots the machine with self-tests. Asserts exactly this topology, every CPU online on its node, no findings about the
/// firmware, and a last line that counts what is there.
#[track_caller]
pub fn assert_boots(machine: Machine, expected: &Expected<'_>) -> Run {
    let run = boot(&machine.parameters("selftest"), Verdict::Success);
    let topology = run.topology();
    assert_eq!(without_pages(topology.clone()), expected.topology());
    assert_pages(&topology);
    assert_cpus(&run, &topology);
    assert_complete(&run, &topology);
    assert_drivers(&run);
    assert_eq!(run.findings(), [], "findings about sound tables");
    run
}

/// Returns the finding of this table, rule and action, at no place in the table.
pub fn finding(table: &str, rule: &str, action: &str) -> Finding {
    Finding { table: table.into(), offset: 0, rule: rule.into(), action: action.into() }
}

/// Asserts that each self-test could do its work.
#[track_caller]
pub fn assert_nothing_skipped(run: &Run) {
    let skipped: Vec<_> = run.tests().into_iter().filter(|test| test.skipped).collect();
    assert!(skipped.is_empty(), "{skipped:?}");
}

impl Expected<'_> {
    fn topology(&self) -> Topology {
        let node = |(id, ExpectedNode(domain, cpus, memory)): (u32, &ExpectedNode<'_>)| Node {
            id,
            domain: *domain,
            cpus: cpus.to_vec(),
            memory: memory.iter().map(|&(base, length)| Memory { base, length }).collect(),
            pages_total: 0,
            pages_free: 0,
        };
        Topology {
            source: self.source.into(),
            nodes: (0..).zip(self.nodes).map(node).collect(),
            distances: self.distances.iter().map(|row| row.to_vec()).collect(),
            fallback: self.fallback.iter().map(|order| order.to_vec()).collect(),
        }
    }
}

/// Returns the topology with all page counts set to 0.
pub fn without_pages(mut topology: Topology) -> Topology {
    for node in &mut topology.nodes {
        (node.pages_total, node.pages_free) = (0, 0);
    }
    topology
}

/// Asserts that a node has the pages of its memory, except for those that the firmware and the kernel keep.
#[track_caller]
pub fn assert_pages(topology: &Topology) {
    for node in &topology.nodes {
        let all = node.memory.iter().map(|range| range.length).sum::<u64>() / 4096;
        assert!(node.pages_total <= all && node.pages_free <= node.pages_total, "{node:?}");
        // Firmware keeps a few MiB, and the kernel takes some more. Its metadata are less than 1.3 bytes a frame.
        let metadata = all * 13 / 10 / 4096;
        assert!(node.pages_total + 32 * MIB / 4096 >= all, "too little usable: {node:?}");
        assert!(node.pages_free + 48 * MIB / 4096 + metadata >= all, "too little free: {node:?}");
    }
}

/// Asserts that there is one event for each CPU of the topology, and that each CPU is online on its node.
#[track_caller]
pub fn assert_cpus(run: &Run, topology: &Topology) {
    let mut seen: Vec<(u32, u32)> = run
        .cpus()
        .into_iter()
        .map(|Cpu { index, node, online, .. }| {
            assert!(online, "CPU {index}");
            (index, node)
        })
        .collect();
    seen.sort_unstable();
    let mut expected: Vec<(u32, u32)> =
        topology.nodes.iter().flat_map(|node| node.cpus.iter().map(|&cpu| (cpu, node.id))).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "(CPU, node)");
    assert!(seen.iter().map(|(index, _)| *index).eq(0..seen.len() as u32), "CPU numbers have a gap");
}

/// Asserts that all drivers were loaded. The example drivers check the machine themselves.
#[track_caller]
pub fn assert_drivers(run: &Run) {
    let drivers = run.drivers();
    assert!(!drivers.is_empty(), "no driver was started\n{}", run.serial);
    assert!(drivers.iter().all(|driver| driver.status == "loaded"), "{drivers:?}\n{}", run.serial);
}

/// Asserts that the last line counts what is there, that each self-test has passed, and that the exit event is the last.
#[track_caller]
pub fn assert_complete(run: &Run, topology: &Topology) {
    let loaded = run.drivers().iter().filter(|driver| driver.status == "loaded").count();
    let line = format!(
        "boot: complete, {} on {}, {}",
        count(run.cpus().len(), "CPU"),
        count(topology.nodes.len(), "node"),
        count(loaded, "driver")
    );
    assert_eq!(run.line("boot: complete"), Some(line.as_str()), "\n{}", run.serial);
    let tests = run.tests();
    assert!(!tests.is_empty(), "no self-test was run\n{}", run.serial);
    assert!(tests.iter().all(|test| test.ok), "{tests:?}");
    let last = run.events.last().unwrap();
    assert_eq!((&last["event"], &last["ok"]), (&"exit".into(), &true.into()));
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
