//! The driver `virtio_blk` serves virtio disks of all kinds, and `virtio_rng` runs a crate that knows nothing of this kernel.
mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use acpi_tables::Signature;
use aml_names::builder as aml;
use boot::{Firmware, Machine, Node, Run, Verdict, artifacts, driver};
use common::{MIB, boot};
use tempfile::TempDir;

/// Bytes of the disk.
const SIZE: u64 = 64 * MIB;
/// Where `ddk/tests/disk_io` writes, and how many blocks each CPU writes.
const FIRST_AREA: usize = 2048;
const AREA: usize = 64;

/// A disk of its own file, and an image with its driver and the test's.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self::with_client("disk_io")
    }

    /// The client is a driver of `ddk/tests`.
    fn with_client(client: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::File::create(path("content")).unwrap().set_len(SIZE).unwrap();
        let kit = artifacts::workspace().join("ddk");
        let client = format!("tests/{client}");
        let drivers: Vec<PathBuf> = ["examples/virtio_blk", "examples/virtio_rng", &client]
            .map(|source| {
                let source = kit.join(source);
                let driver = path(source.file_name().unwrap().to_str().unwrap()).with_extension("so");
                driver::build(&source, &driver).unwrap();
                driver
            })
            .into();
        let kernel = artifacts::kernel().unwrap();
        let mut builder = Command::new(artifacts::image_builder().unwrap());
        builder.arg("--kernel").arg(kernel).arg("--bios").arg(path("bios")).arg("--uefi").arg(path("uefi"));
        assert!(builder.arg("--drivers").args(drivers).status().unwrap().success());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the machine with this disk, a device with these properties.
    fn on(&self, machine: Machine, properties: &str) -> Machine {
        let drive =
            format!("if=none,id=disk,format=raw,cache=unsafe,file={}", self.path("content").display());
        self.on_drive(machine, &drive, properties)
    }

    fn on_drive(&self, machine: Machine, drive: &str, properties: &str) -> Machine {
        let device = format!("virtio-blk-pci,drive=disk,{properties}");
        let machine = machine.disks([]).arguments(["-drive", drive, "-device", &device]);
        machine.image(self.path("bios"))
    }

    /// Asserts that the disk's file has what these CPUs have written.
    #[track_caller]
    fn assert_written(&self, cpus: usize, block: usize) {
        let content = fs::read(self.path("content")).unwrap();
        let area = AREA * block;
        for cpu in 0..cpus {
            let written = &content[FIRST_AREA * block + cpu * area..][..area];
            let expected = |(at, byte): (usize, &u8)| *byte == (cpu * 31 + (at >> 9) * 7 + at) as u8;
            assert!(written.iter().enumerate().all(expected), "CPU {cpu}");
        }
        assert!(content[FIRST_AREA * block + cpus * area..].iter().all(|&byte| byte == 0));
    }
}

/// Boots the machine and asserts that the disk has this line, and that all requests were served.
#[track_caller]
fn assert_serves(machine: &Machine, line: &str) -> Run {
    let run = boot(machine, Verdict::Success);
    let start = line.split(',').next().unwrap();
    assert_eq!(run.line(start), Some(line), "\n{}", run.serial);
    assert!(run.line("disk_io: every CPU has read what it wrote").is_some(), "{}", run.serial);
    let warnings: Vec<_> = run.lines().filter(|line| line.contains("virtio_blk: disk vblk0: ")).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(run.drivers().iter().all(|driver| driver.status == "loaded"), "{}", run.serial);
    run
}

/// Two nodes of two CPUs.
fn two_nodes() -> Machine {
    Machine::with_nodes([Node::new(0..2, 256), Node::new(2..4, 256)])
}

const UNKNOWN: &str = "the device's node is unknown";

#[test]
fn each_cpu_has_a_queue_as_far_as_the_disk_has_them() {
    for (count, said, nodes) in [
        (1, "1 queue on CPU 0", "node 0"),
        (2, "2 queues on CPUs 0-1", "node 0"),
        (4, "4 queues on CPUs 0-3", "nodes 0-1"),
        (8, "4 queues on CPUs 0-3", "nodes 0-1"),
    ] {
        let disk = Disk::new();
        let machine = disk.on(two_nodes(), &format!("num-queues={count}"));
        let line =
            format!("virtio_blk: disk vblk0, 64 MiB, {said}, memory and interrupts on {nodes}; {UNKNOWN}");
        assert_serves(&machine, &line);
        disk.assert_written(4, 512);
    }
}

#[test]
fn a_disk_on_a_node_has_its_memory_there() {
    let disk = Disk::new();
    let machine = two_nodes().arguments([
        "-device",
        "pxb-pcie,id=p1,bus_nr=128,numa_node=1,bus=pcie.0",
        "-device",
        "pcie-root-port,id=r1,bus=p1,chassis=1",
    ]);
    let line =
        "virtio_blk: disk vblk0, 64 MiB, 4 queues on CPUs 0-3, memory on node 1, interrupts on nodes 0-1";
    let machine = disk.on(machine, "bus=r1");
    assert_serves(&machine, line);
    disk.assert_written(4, 512);
    // Under the other firmware.
    let uefi = machine.firmware(Firmware::Uefi).image(disk.path("uefi"));
    assert_serves(&uefi, line);
}

#[test]
fn one_cpu_is_enough() {
    let disk = Disk::new();
    let line = format!(
        "virtio_blk: disk vblk0, 64 MiB, 1 queue on CPU 0, memory and interrupts on node 0; {UNKNOWN}"
    );
    // Beside it is a second disk.
    let other =
        ["-drive", "if=none,id=other,driver=null-co,size=1M", "-device", "virtio-blk-pci,drive=other"];
    let run = assert_serves(&disk.on(Machine::without_numa(1, 256), "").arguments(other), &line);
    let line = line.replace("vblk0, 64 MiB", "vblk1, 1 MiB");
    assert_eq!(run.line("virtio_blk: disk vblk1,"), Some(line.as_str()), "{}", run.serial);
    disk.assert_written(1, 512);
}

#[test]
fn interrupts_may_be_few_or_a_line_and_rings_may_lack_everything_optional() {
    for (properties, said) in [
        // MSI-X for some queues, for nothing but one vector, and none.
        ("num-queues=4,vectors=3", "4 queues on CPUs 0-3, memory on nodes 0-1, interrupts on node 0"),
        ("num-queues=4,vectors=1", "4 queues on CPUs 0-3, memory on nodes 0-1, interrupts on node 0"),
        ("num-queues=4,vectors=0", "4 queues on CPUs 0-3, memory on nodes 0-1, no interrupts"),
        ("event_idx=off", "4 queues on CPUs 0-3, memory and interrupts on nodes 0-1"),
        ("indirect_desc=off", "4 queues on CPUs 0-3, memory and interrupts on nodes 0-1"),
        (
            "event_idx=off,indirect_desc=off,queue-size=16,seg-max-adjust=off",
            "4 queues on CPUs 0-3, memory and interrupts on nodes 0-1",
        ),
        ("write-cache=off,config-wce=off", "4 queues on CPUs 0-3, memory and interrupts on nodes 0-1"),
        ("disable-legacy=on,iommu_platform=on", "4 queues on CPUs 0-3, memory and interrupts on nodes 0-1"),
    ] {
        let disk = Disk::new();
        let line = format!("virtio_blk: disk vblk0, 64 MiB, {said}; {UNKNOWN}");
        assert_serves(&disk.on(two_nodes(), properties), &line);
        disk.assert_written(4, 512);
    }
}

#[test]
fn a_disk_has_blocks_of_4_kib() {
    let disk = Disk::new();
    let run =
        boot(&disk.on(two_nodes(), "logical_block_size=4096,physical_block_size=4096"), Verdict::Success);
    assert!(run.line("disk_io: every CPU has read what it wrote").is_some(), "{}", run.serial);
    disk.assert_written(4, 4096);
}

#[test]
fn an_error_of_the_medium_ends_the_request_and_the_machine_goes_on() {
    let disk = Disk::new();
    let rules = disk.path("rules");
    fs::write(&rules, "[inject-error]\nevent = \"read_aio\"\nsector = \"1024\"\nerrno = \"5\"\n").unwrap();
    let content = disk.path("content");
    let drive = format!(
        "if=none,id=disk,driver=raw,file.driver=blkdebug,file.config={},file.image.driver=file,file.image.filename={}",
        rules.display(),
        content.display()
    );
    let run = boot(&disk.on_drive(two_nodes(), &drive, "rerror=report,werror=report"), Verdict::Success);
    assert_eq!(run.serial.matches("disk_io: block 1024: error").count(), 2, "{}", run.serial);
    assert!(run.line("disk_io: every CPU has read what it wrote").is_some(), "{}", run.serial);
    disk.assert_written(4, 512);
}

#[test]
fn a_disk_that_fails_is_gone_and_its_requests_end() {
    let disk = Disk::with_client("disk_gone");
    let run = boot(&disk.on(two_nodes(), ""), Verdict::Success);
    let line = "virtio_blk: disk vblk0: the device has failed; its requests end";
    assert!(run.line(line).is_some(), "{}", run.serial);
    assert!(run.line("disk_gone: the disk is gone, and its requests know").is_some(), "{}", run.serial);
    // Also if it has no interrupts to tell of it.
    let run = boot(&disk.on(two_nodes(), "vectors=0"), Verdict::Success);
    assert!(run.line("disk_gone: the disk is gone, and its requests know").is_some(), "{}", run.serial);
}

#[test]
fn a_line_interrupts_for_all_queues() {
    let disk = Disk::new();
    let path = disk.path("routes.aml");
    // Each pin leads to one of the lines 20 to 23, as QEMU's own table says in a method.
    let entry = |slot: u64, pin: u64| {
        let line = 20 + (slot + pin) % 4;
        aml::package(&[slot << 16 | 0xffff, pin, 0, line].map(aml::integer))
    };
    let entries: Vec<_> = (0..25).flat_map(|slot| (0..4).map(move |pin| entry(slot, pin))).collect();
    let host = [aml::name("_HID", &aml::eisa_id("PNP0A08")), aml::name("_PRT", &aml::package(&entries))];
    let bridge = aml::device("PRTX", &host);
    fs::write(&path, aml::table(Signature::SSDT, 2, &[aml::scope("\\_SB", &[bridge])])).unwrap();
    let machine = disk.on(two_nodes(), "num-queues=4,vectors=0");
    let machine = machine.arguments(["-acpitable", &format!("file={}", path.display())]);
    let line =
        "virtio_blk: disk vblk0, 64 MiB, 4 queues on CPUs 0-3, memory on nodes 0-1, interrupts on node 0";
    assert_serves(&machine, &format!("{line}; {UNKNOWN}"));
    disk.assert_written(4, 512);
}

#[test]
fn each_of_64_cpus_has_a_queue() {
    let disk = Disk::new();
    let line = format!(
        "virtio_blk: disk vblk0, 64 MiB, 64 queues on CPUs 0-63, memory and interrupts on node 0; {UNKNOWN}"
    );
    assert_serves(&disk.on(Machine::without_numa(64, 1024), ""), &line);
    disk.assert_written(64, 512);
}

#[test]
fn a_crate_that_knows_nothing_of_this_kernel_reads_random_bytes() {
    let disk = Disk::new();
    let devices = ["-device", "virtio-rng-pci,disable-legacy=on", "-device", "virtio-rng-pci"];
    let run = boot(&disk.on(two_nodes(), "").arguments(devices), Verdict::Success);
    assert_eq!(run.serial.matches("virtio_rng: 256 random bytes").count(), 2, "{}", run.serial);
    assert_eq!(run.findings(), []);
    assert!(!run.serial.contains("WARN"), "{}", run.serial);
}

#[test]
fn a_machine_without_these_devices_loads_the_drivers() {
    let disk = Disk::new();
    let machine = two_nodes().disks([]).image(disk.path("bios"));
    let run = boot(&machine, Verdict::Success);
    assert!(run.line("disk_io: there is no disk vblk0").is_some(), "{}", run.serial);
}
