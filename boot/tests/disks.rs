//! NVMe disks: their driver places queues, memory and interrupts on the disk's node, and what CPUs write to a disk they read back.
mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use boot::{Firmware, Machine, Node, Run, Verdict, driver};
use common::{MIB, boot};
use tempfile::{NamedTempFile, TempDir};

/// An image with the driver of NVMe disks, and the client that writes and reads all disks.
static IMAGE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme", "write_disks"], &image).unwrap();
    (folder, image)
});

/// A file of 64 MiB with zeros, for a disk.
fn scratch() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(64 * MIB).unwrap();
    file
}

fn drive_of(file: &Path) -> [String; 2] {
    ["-drive".into(), format!("if=none,id=scratch,format=raw,file={}", file.display())]
}

/// Returns the options for an NVMe disk behind a host bridge of a node.
fn on_node(node: u32, properties: &str) -> Vec<String> {
    let devices = [
        format!("pxb-pcie,id=disk-bridge,bus_nr=64,numa_node={node},bus=pcie.0"),
        "pcie-root-port,id=disk-port,bus=disk-bridge,chassis=7".into(),
        format!("nvme,drive=scratch,serial=scratch,bus=disk-port{properties}"),
    ];
    devices.into_iter().flat_map(|device| ["-device".into(), device]).collect()
}

/// Returns the options for an NVMe disk whose node the firmware does not tell.
fn anywhere() -> Vec<String> {
    vec!["-device".into(), "nvme,drive=scratch,serial=scratch,bus=pcie.0".into()]
}

fn two_nodes() -> Machine {
    Machine::two_nodes().disks([])
}

/// Boots a machine with a scratch disk, and asserts that all its CPUs write and read it.
#[track_caller]
fn boot_with_disk(machine: Machine, device: Vec<String>, cpus: u32) -> Run {
    let file = scratch();
    let machine = machine.arguments(drive_of(file.path())).arguments(device);
    let run = boot(&machine.image(&IMAGE.1), Verdict::Success);
    assert_has(
        &run,
        &format!("INFO  write_disks: nvme0: {cpus} CPUs wrote and read it, sleeping and polling"),
    );
    assert!(
        fs::read(file.path()).unwrap().iter().all(|byte| *byte == 0),
        "the scratch disk is not as it was"
    );
    run
}

#[track_caller]
fn assert_has(run: &Run, line: &str) {
    assert!(run.lines().any(|other| other == line), "{line}\n{}", run.serial);
}

#[test]
fn queues_memory_and_interrupts_are_on_the_disks_node() {
    let run = boot_with_disk(two_nodes(), on_node(1, ""), 4);
    assert_has(&run, "INFO  nvme: disk nvme0, 64 MiB, 2 queues on CPUs 2-3, memory and interrupts on node 1");
    let run = boot_with_disk(two_nodes(), on_node(0, ""), 4);
    assert_has(&run, "INFO  nvme: disk nvme0, 64 MiB, 2 queues on CPUs 0-1, memory and interrupts on node 0");
}

#[test]
fn a_disk_on_a_node_without_cpus_interrupts_the_nearest() {
    let nodes = [Node::new(0..2, 128), Node::new(2..4, 128), Node::without_cpus(128)];
    let distances: [&[u8]; 3] = [&[10, 20, 30], &[20, 10, 15], &[30, 15, 10]];
    let machine = Machine::with_nodes(nodes).sockets(2).distances(&distances);
    let run = boot_with_disk(machine, on_node(2, ""), 4);
    assert_has(
        &run,
        "INFO  nvme: disk nvme0, 64 MiB, 2 queues on CPUs 2-3, memory on node 2, interrupts on node 1",
    );
}

#[test]
fn a_disk_with_fewer_queues_than_cpus_shares_them() {
    for (pairs, queues) in [(1, "1 queue on CPU 2"), (2, "2 queues on CPUs 2-3"), (3, "2 queues on CPUs 2-3")]
    {
        let device = on_node(1, &format!(",max_ioqpairs={pairs},msix_qsize={}", pairs + 1));
        let run = boot_with_disk(two_nodes(), device, 4);
        let line = format!("INFO  nvme: disk nvme0, 64 MiB, {queues}, memory and interrupts on node 1");
        assert_has(&run, &line);
    }
}

#[test]
fn a_disk_of_no_node_has_a_queue_for_each_cpu() {
    for (cpus, queues) in [(1, "1 queue on CPU 0"), (4, "4 queues on CPUs 0-3")] {
        let run = boot_with_disk(Machine::without_numa(cpus, 256), anywhere(), cpus);
        let line = format!("INFO  nvme: disk nvme0, 64 MiB, {queues}, memory and interrupts on node 0");
        assert_has(&run, &line);
    }
}

/// The driver that the benchmarks compare with the one in Rust.
#[test]
fn all_cpus_read_what_others_wrote_through_the_driver_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme_c", "write_disks"], &image).unwrap();
    for (pairs, queues) in [(1, "1 queue"), (64, "2 queues")] {
        let file = scratch();
        let device = on_node(1, &format!(",max_ioqpairs={pairs}"));
        let machine = two_nodes().arguments(drive_of(file.path())).arguments(device);
        let run = boot(&machine.image(&image), Verdict::Success);
        assert_has(&run, &format!("INFO  nvme_c: disk nvme0, 64 MiB, {queues}, memory on node 1"));
        assert_has(&run, "INFO  write_disks: nvme0: 4 CPUs wrote and read it, sleeping and polling");
    }
}

#[test]
fn all_cpus_read_what_others_wrote_under_uefi() {
    let run = boot(&Machine::two_nodes().firmware(Firmware::Uefi), Verdict::Success);
    assert_has(&run, "INFO  nvme: disk nvme0, 64 MiB, 2 queues on CPUs 2-3, memory and interrupts on node 1");
    assert_has(&run, "INFO  write_disks: nvme0: 4 CPUs wrote and read it, sleeping and polling");
}

#[test]
fn a_disk_that_is_no_scratch_disk_is_not_written() {
    let mut file = scratch();
    file.write_all(b"A file system could be here.").unwrap();
    let before = fs::read(file.path()).unwrap();
    let machine = two_nodes().arguments(drive_of(file.path())).arguments(anywhere());
    let run = boot(&machine.image(&IMAGE.1), Verdict::Success);
    assert_has(&run, "INFO  write_disks: nvme0: not a scratch disk, so nothing is written");
    assert!(fs::read(file.path()).unwrap() == before, "the disk was written");
}

#[test]
fn a_request_that_the_disk_fails_ends_with_an_error_and_the_boot_goes_on() {
    for (event, what) in [("read_aio", "a read"), ("write_aio", "a write")] {
        let file = scratch();
        let block = format!(
            "driver=raw,node-name=scratch,file.driver=blkdebug,file.inject-error.0.event={event},\
             file.inject-error.0.errno=5,file.image.driver=file,file.image.filename={}",
            file.path().display()
        );
        let machine = two_nodes().arguments(["-blockdev", &block]).arguments(anywhere());
        let run = boot(&machine.image(&IMAGE.1), Verdict::Success);
        assert_has(&run, &format!("ERROR write_disks: nvme0: {what} failed"));
        let is_told = run.lines().any(|line| line.starts_with("WARN  nvme: a request failed: status 0x"));
        assert!(is_told, "{}", run.serial);
        assert!(
            run.lines().any(|line| line.starts_with("INFO  boot: complete, 4 CPUs on 2 nodes")),
            "{}",
            run.serial
        );
    }
}

/// Returns the number before `what` in a line.
fn number_before(line: &str, what: &str) -> u32 {
    let before = line.split(what).next().unwrap().trim_end();
    before.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"))
}

/// Asserts that the driver of a device has lost it, with everything that the kernel gave it for the device.
#[track_caller]
fn assert_lost(run: &Run, address: &str, driver: &str) {
    assert_has(run, &format!("WARN  devices: {address} is gone; {driver} loses it"));
    let start = format!("INFO  devices: {address}: taken from {driver}: ");
    let taken = run.lines().find(|line| line.starts_with(&start));
    let taken = taken.unwrap_or_else(|| panic!("{start}\n{}", run.serial));
    assert!(number_before(taken, "interrupts") > 0, "{taken}");
    // The crate `driver_kit` leaves registers to the kernel; `virtio_blk` unmaps them.
    assert_eq!(number_before(taken, "mappings") > 0, driver == "nvme", "{taken}");
}

#[test]
fn a_disk_that_is_pulled_out_ends_its_requests_and_leaves_its_driver() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme", "virtio_blk", "disk_lost"], &image).unwrap();
    let disks = [("nvme", "nvme,drive=first,serial=first"), ("virtio_blk", "virtio-blk-pci,drive=second")];
    for (lost, (driver, _)) in disks.iter().enumerate() {
        let port = "pcie-root-port,id=lost,bus=pcie.0,chassis=3,slot=3,addr=3";
        let mut machine = two_nodes().arguments(["-device", port]);
        for (index, (id, (_, device))) in ["first", "second"].iter().zip(disks).enumerate() {
            // A request takes a second, so it is under way when its disk goes.
            let drive = format!("driver=null-co,node-name={id},size=67108864,latency-ns=1000000000");
            let bus = if index == lost { "lost" } else { "pcie.0" };
            machine = machine.arguments(["-blockdev", &drive, "-device", &format!("{device},bus={bus}")]);
        }
        let run = boot(&machine.image(&image), Verdict::Success);
        assert_lost(&run, "0000:01:00.0", driver);
        assert_has(&run, "INFO  disk_lost: a disk is gone, its requests know, and its device is nobody's");
        assert_has(&run, "INFO  disk_lost: the disks that are left go on");
        assert!(run.drivers().iter().all(|driver| driver.status == "loaded"), "{}", run.serial);
    }
}

/// How long a machine may run whose disks do not answer. It ends itself.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn a_request_that_the_disk_does_not_answer_fails_after_10_s_and_the_disk_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme", "virtio_blk", "disk_silent"], &image).unwrap();
    let file = scratch();
    let mut machine = two_nodes().without_parameters();
    // The client reads 256 KiB first, so that the next request waits for 16 s.
    for device in ["nvme,drive=d0,serial=slow", "virtio-blk-pci,drive=d1,num-queues=2"] {
        let id = device.split("drive=").nth(1).unwrap().split(',').next().unwrap();
        let drive = format!(
            "if=none,id={id},format=raw,readonly=on,throttling.bps-total=16384,file={}",
            file.path().display()
        );
        machine = machine.arguments(["-drive", &drive, "-device", device]);
    }
    let done = "disk_silent: the disks have failed what they did not answer, and go on";
    let run = machine.image(&image).command_at(done, "quit").run(PATIENCE).unwrap();
    assert!(
        matches!(run.verdict, Verdict::None(status) if status.success()),
        "{}\n{}",
        run.verdict,
        run.serial
    );
    assert_has(
        &run,
        "WARN  nvme: the controller has not answered a request in 10 s; it is reset, and its requests fail",
    );
    assert_has(
        &run,
        "WARN  virtio_blk: disk vblk0: the device has not answered a request in 10 s; it is reset, and its requests fail",
    );
    assert!(!run.lines().any(|line| line.contains("does not hold")), "{}", run.serial);
}

#[test]
fn a_request_may_have_segments_that_begin_and_end_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    driver::build_test_image(&["nvme", "virtio_blk", "disk_segments"], &image).unwrap();
    let mut machine = two_nodes();
    let devices =
        ["nvme,drive=d0,serial=one", "nvme,drive=d1,serial=two,max_ioqpairs=1", "virtio-blk-pci,drive=d2"];
    for (index, device) in devices.iter().enumerate() {
        let file = folder.path().join(format!("content{index}"));
        fs::File::create(&file).unwrap().set_len(64 * MIB).unwrap();
        let drive = format!("if=none,id=d{index},format=raw,cache=unsafe,file={}", file.display());
        machine = machine.arguments(["-drive", &drive, "-device", device]);
    }
    let run = boot(&machine.image(&image), Verdict::Success);
    let line = "INFO  disk_segments: a disk takes segments that begin and end anywhere";
    assert_eq!(run.lines().filter(|other| *other == line).count(), devices.len(), "{}", run.serial);
    // No request is lost, which the drivers' watch would end.
    assert!(!run.lines().any(|line| line.contains("has not answered a request")), "{}", run.serial);
    // A command that a refused request leaves in the ring would be executed again.
    assert!(!run.lines().any(|line| line.contains("not outstanding")), "{}", run.serial);
    assert!(run.drivers().iter().all(|driver| driver.status == "loaded"), "{}", run.serial);
}
