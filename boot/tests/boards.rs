//! Machines that resemble boards: their disks, their clocks, the ports that they lack, and CPUs that name no hypervisor.
//!
//! As on a board, parameters are those of the image, nothing ends the machine, and without serial ports only the screen shows anything.
mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use boot::{BootDisk, Firmware, Machine, Node, Run, Screenshot, driver};
use common::shown::{COMPLETE, LIMIT, rows};
use common::{Image, assert_cpus, boot_without_hypervisor_at, finding};

/// The time limit of a boot with 128 emulated CPUs on a host with few.
const LONG_LIMIT: Duration = Duration::from_secs(600);

/// What boards of today lack: the 8259s, the PIT, the keyboard controller, and here also the chipset's disk controller.
const NO_LEGACY: &str = "q35,pic=off,pit=off,i8042=off,sata=off";

/// Returns the drivers of the image that `./run.sh image` builds.
fn examples() -> Vec<PathBuf> {
    driver::build_examples().unwrap()
}

/// Returns a board of two CPUs with this chipset, which boots from this disk.
fn board(chipset: &str, boot_disk: BootDisk) -> Machine {
    Machine::without_numa(2, 512).boot_disk(boot_disk).arguments(["-machine", chipset])
}

/// Boots the board with the self-tests. Asserts that these pass, and that all CPUs are online.
#[track_caller]
fn assert_tests_itself(board: &Machine, firmware: Firmware) -> Run {
    let run = boot_without_hypervisor_at(board, firmware, "selftest", &examples());
    let tests = run.tests();
    assert!(tests.len() > 30 && tests.iter().all(|test| test.ok), "{tests:?}\n{}", run.serial);
    assert_cpus(&run, &run.topology());
    common::assert_drivers(&run);
    run
}

#[test]
fn a_board_boots_from_a_usb_stick_under_both_firmwares() {
    for firmware in [Firmware::Uefi, Firmware::Bios] {
        let run = assert_tests_itself(&board(NO_LEGACY, BootDisk::UsbStick), firmware);
        assert_eq!(run.findings(), [finding("TSC", "clock.tsc.rate", "mended")], "{}", run.serial);
    }
}

#[test]
fn a_board_boots_from_an_ahci_disk_under_both_firmwares() {
    for firmware in [Firmware::Uefi, Firmware::Bios] {
        for chipset in ["q35", "q35,sata=off"] {
            let disk = if chipset == "q35" { BootDisk::Chipset } else { BootDisk::Ahci };
            let run = assert_tests_itself(&board(chipset, disk), firmware);
            assert_eq!(run.findings(), [finding("TSC", "clock.tsc.rate", "mended")], "{}", run.serial);
        }
    }
}

#[test]
fn all_cpus_of_two_sockets_run_threads_where_the_time_stamp_counter_is_not_trusted() {
    let nodes = [Node::new(0..4, 512), Node::new(4..8, 512)];
    let machine = Machine::with_nodes(nodes).sockets(2).distances(&[&[10, 21], &[21, 10]]);
    let board = machine.boot_disk(BootDisk::UsbStick).arguments(["-machine", NO_LEGACY]);
    let run = assert_tests_itself(&board, Firmware::Uefi);
    assert_eq!(run.findings(), [finding("TSC", "clock.tsc.rate", "mended")], "{}", run.serial);
    for node in 0..2 {
        let line = format!("numa_threads: a thread of node {node} ");
        assert!(run.line(&line).is_some_and(|line| line.ends_with("and was on 4 CPUs")), "{}", run.serial);
    }
}

#[test]
fn a_board_with_the_pm_timer_alone_boots_and_says_that_its_clock_may_change() {
    let chipset = format!("{NO_LEGACY},hpet=off");
    let run = assert_tests_itself(&board(&chipset, BootDisk::UsbStick), Firmware::Uefi);
    assert_eq!(run.findings(), [finding("TSC", "clock.tsc.rate", "dropped")], "{}", run.serial);
    assert!(run.line("clock: the time stamp counter has ").unwrap().ends_with("by the PM timer alone"));
}

/// Boots the board, which has no serial ports, until the screen is as awaited.
#[track_caller]
fn watch_board(
    board: &Machine,
    firmware: Firmware,
    words: &str,
    is_awaited: impl FnMut(&Screenshot) -> bool,
) {
    let image = Image::new(firmware, words, &examples());
    let board = board.clone().firmware(firmware).image(image.path()).cpu_with("-hypervisor");
    let board = board.without_log_port().without_event_port().without_parameters().without_debug_exit();
    board.watch_screen(LIMIT, is_awaited).unwrap();
}

#[test]
fn a_board_without_any_port_shows_its_boot_and_that_there_is_no_console() {
    for firmware in [Firmware::Uefi, Firmware::Bios] {
        let mut last = Vec::new();
        watch_board(&board(NO_LEGACY, BootDisk::UsbStick), firmware, "", |shot| {
            last = rows(shot);
            last.iter().any(|row| row.starts_with("INFO  console: there is none, as the machine has no COM1"))
        });
        assert!(last.iter().any(|row| row.starts_with(COMPLETE)), "{last:#?}");
    }
}

#[test]
fn a_board_without_any_port_shows_the_report_a_page_at_a_time() {
    // More devices than a page has rows, no two of which are alike.
    let kinds = [
        "e1000",
        "rtl8139",
        "ne2k_pci",
        "pcnet",
        "i82550",
        "i82551",
        "i82557b",
        "i82559er",
        "virtio-rng-pci",
        "virtio-balloon-pci",
        "virtio-keyboard-pci",
        "virtio-serial-pci",
        "virtio-scsi-pci",
        "lsi53c895a",
        "megasas",
        "nec-usb-xhci",
        "usb-ehci",
        "ich9-usb-uhci1",
        "piix3-usb-uhci",
        "pci-ohci",
        "sdhci-pci",
        "i6300esb",
        "pvscsi",
        "vmxnet3",
        "edu",
    ];
    let mut devices = vec!["-device".to_owned(), "pcie-pci-bridge,id=more,bus=pcie.0".to_owned()];
    devices.extend(kinds.iter().flat_map(|kind| ["-device".to_owned(), format!("{kind},bus=more")]));
    let board = board(NO_LEGACY, BootDisk::UsbStick).arguments(devices);
    let mut seen: Vec<String> = Vec::new();
    watch_board(&board, Firmware::Uefi, "report", |shot| {
        let shown = rows(shot);
        seen.extend(shown.iter().filter(|row| !row.is_empty()).cloned());
        shown.iter().any(|row| row.starts_with("findings: "))
    });
    seen.sort();
    seen.dedup();
    for start in ["version: ", "parameters: report", "machine: no hypervisor", "cpus online: 2", "0000:"] {
        assert!(seen.iter().any(|row| row.starts_with(start)), "{start:?} is not there: {seen:#?}");
    }
    let devices = seen.iter().filter(|row| row.starts_with("0000:")).count();
    assert!(devices > kinds.len(), "{devices} devices: {seen:#?}");
    assert!(seen.iter().any(|row| row.starts_with("INFO  console: the report goes on in ")), "{seen:#?}");
}

#[test]
fn two_sockets_of_sixty_four_threads_are_two_nodes_of_which_all_cpus_run() {
    let nodes = [Node::new(0..64, 1024), Node::new(64..128, 1024)];
    let machine = Machine::with_nodes(nodes).sockets_with_threads(2, 2).distances(&[&[10, 21], &[21, 10]]);
    let board =
        machine.boot_disk(BootDisk::UsbStick).firmware(Firmware::Uefi).arguments(["-machine", NO_LEGACY]);
    let start = Instant::now();
    let run = board.parameters("").run(LONG_LIMIT).unwrap().expect(boot::Verdict::Success);
    println!("2 sockets of 64 threads: booted in {} s", start.elapsed().as_secs());
    let topology = run.topology();
    assert_cpus(&run, &topology);
    assert_eq!(topology.nodes.iter().map(|node| node.cpus.len()).collect::<Vec<_>>(), [64, 64]);
    assert_eq!(topology.distances, [[10, 21], [21, 10]]);
    assert_eq!(run.findings(), []);
    common::assert_drivers(&run);
}
