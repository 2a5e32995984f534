//! Interrupts of devices: the driver `ddk/tests/interrupts` takes interrupts of each kind, and moves, masks and detaches them.
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use acpi_tables::Signature;
use aml_names::builder::{device, eisa_id, integer, name, package, scope, table};
use boot::{Firmware, Machine, Node, Run, Verdict, artifacts, driver};
use common::boot;

/// A folder with an image for each kind of firmware, which have the driver, and one of the checked kernel.
static IMAGES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let driver = compile("interrupts", folder.path());
    build_image(&artifacts::kernel().unwrap(), "--bios", &folder.path().join("bios.img"), &[&driver]);
    build_image(&artifacts::kernel().unwrap(), "--uefi", &folder.path().join("uefi.img"), &[&driver]);
    let both = [&compile("leaves_interrupts", folder.path()), &driver];
    build_image(&artifacts::checked_kernel().unwrap(), "--bios", &folder.path().join("checked.img"), &both);
    folder
});

fn compile(name: &str, folder: &Path) -> PathBuf {
    let source = artifacts::workspace().join("ddk/tests").join(name).join(name).with_extension("c");
    let file = folder.join(name).with_extension("so");
    driver::compile(&[source], &file).unwrap();
    file
}

fn build_image(kernel: &Path, option: &str, image: &Path, drivers: &[&PathBuf]) {
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(kernel).arg(option).arg(image);
    assert!(builder.arg("--drivers").args(drivers).status().unwrap().success());
}

fn image(firmware: Firmware) -> PathBuf {
    IMAGES.path().join(if firmware == Firmware::Bios { "bios.img" } else { "uefi.img" })
}

const EDU: [&str; 2] = ["-device", "edu,addr=9"];
const NVME: [&str; 2] = ["-device", "nvme,serial=a,addr=a"];

/// Boots the machine with the driver and these arguments, and asserts that no check of the driver fails.
#[track_caller]
fn boot_driver(machine: Machine, firmware: Firmware, arguments: &[&str]) -> Run {
    let run = boot_image(machine.firmware(firmware).image(image(firmware)), arguments);
    common::assert_drivers(&run);
    run
}

#[track_caller]
fn boot_image(machine: Machine, arguments: &[&str]) -> Run {
    let run = boot(&machine.arguments(arguments.iter().copied()), Verdict::Success);
    assert!(run.line("interrupts: checks that failed: 0").is_some(), "\n{}", run.serial);
    assert!(
        run.line("has no handler").is_none(),
        "an interrupt came where none was expected\n{}",
        run.serial
    );
    run
}

/// Returns the number behind these words of the driver's log.
#[track_caller]
fn number(run: &Run, words: &str) -> u64 {
    let line = run.line(&format!("interrupts: {words}")).unwrap_or_else(|| panic!("{words}\n{}", run.serial));
    line.rsplit(' ').next().unwrap().parse().expect(line)
}

fn plain(cpus: u32) -> Machine {
    Machine::without_numa(cpus, 512).arguments(["-machine", "q35"])
}

#[test]
fn messages_of_both_kinds_arrive_exactly_once_under_both_kinds_of_firmware() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let run = boot_driver(plain(4), firmware, &[EDU, NVME].concat());
        assert!(number(&run, "interrupts of MSI: ") > 800);
        assert!(number(&run, "interrupts of MSI-X: ") > 800);
        // QEMU's routing table is a method.
        let refused = "0000:00:09.0 gets no INTx: firmware's routing table (_PRT) is no constant";
        assert!(run.line(refused).is_some(), "\n{}", run.serial);
        assert!(
            run.line("0000:00:09.0 gets no MSI-X: the device does not have it").is_some(),
            "\n{}",
            run.serial
        );
        assert!(run.line("called Kernel_DetachInterrupt in a handler").is_some(), "\n{}", run.serial);
    }
}

#[test]
fn messages_arrive_on_one_cpu() {
    let run = boot_driver(plain(1), Firmware::Bios, &[EDU, NVME].concat());
    assert!(number(&run, "interrupts of MSI: ") > 800);
}

#[test]
fn messages_arrive_on_64_cpus() {
    let run = boot_driver(plain(64), Firmware::Bios, &[EDU, NVME].concat());
    assert!(number(&run, "interrupts of MSI-X: ") > 800);
}

/// Returns a routing table: the pins of these slots lead in turn to the lines 20 to 23, the first slot's INTA to the line `first`.
fn routes(slots: impl Iterator<Item = u64>, first: u64) -> Vec<u8> {
    let entry = |slot: u64, pin: u64| {
        let line = 20 + (first - 20 + slot + pin) % 4;
        package(&[integer(slot << 16 | 0xffff), integer(pin), integer(0), integer(line)])
    };
    name(
        "_PRT",
        &package(&slots.flat_map(|slot| (0..4).map(move |pin| entry(slot, pin))).collect::<Vec<_>>()),
    )
}

/// Returns the bytes of an SSDT with a host bridge at bus 0 that has these objects and devices.
fn host_bridge(objects: &[Vec<u8>]) -> Vec<u8> {
    let bridge = device("PRTX", &[&[name("_HID", &eisa_id("PNP0A08"))], objects].concat());
    table(Signature::SSDT, 2, &[scope("\\_SB", &[bridge])])
}

/// Returns the arguments that add a host bridge at bus 0 whose routing table is a constant: that of QEMU's q35.
fn with_routing_table(folder: &Path) -> [String; 2] {
    with_table(folder, &host_bridge(&[routes(0..25, 20)]))
}

/// Returns the arguments that add a table.
fn with_table(folder: &Path, table: &[u8]) -> [String; 2] {
    let path = folder.join("routes.aml");
    std::fs::write(&path, table).unwrap();
    ["-acpitable".into(), format!("file={}", path.display())]
}

#[test]
fn a_line_interrupts_where_the_routing_table_is_a_constant() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_routing_table(folder.path());
    for cpus in [1, 4] {
        let arguments = [&[table[0].as_str(), &table[1]], &EDU[..]].concat();
        let run = boot_driver(plain(cpus), Firmware::Bios, &arguments);
        assert!(number(&run, "interrupts of INTx: ") > 800);
        assert!(number(&run, "interrupts of MSI: ") > 800);
        let masked = "line 21 is masked: no handler has claimed 1000 interrupts in a row";
        assert!(run.line(masked).is_some(), "\n{}", run.serial);
    }
}

/// Arguments that add a device in slot 3 behind a bridge, which is behind the root port in slot 6. Its INTA is INTD of the port, through slot 0.
const BEHIND_EXPRESS: [&str; 6] = [
    "-device",
    "pcie-root-port,id=p,chassis=3,addr=6",
    "-device",
    "pcie-pci-bridge,id=b,bus=p",
    "-device",
    "edu,bus=b,addr=3",
];

/// The lines are 20 + (slot + pin) modulo 4 on the root bus, and each bridge turns the pin by the slot of the device behind it.
#[test]
fn a_line_behind_bridges_interrupts_where_they_lead_the_pin() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_routing_table(folder.path());
    let behind_pci = ["-device", "pci-bridge,id=b,chassis_nr=7,addr=7", "-device", "edu,bus=b,addr=5"];
    // INTA of slot 5 is INTB of slot 7; INTA of slot 3 is INTD of slot 6, through slot 0.
    for (devices, line) in [(&behind_pci[..], 20), (&BEHIND_EXPRESS[..], 21)] {
        let run = boot_driver(plain(4), Firmware::Bios, &[&[table[0].as_str(), &table[1]], devices].concat());
        assert!(number(&run, "interrupts of INTx: ") > 800);
        let masked = format!("line {line} is masked: no handler has claimed 1000 interrupts in a row");
        assert!(run.line(&masked).is_some(), "\n{}", run.serial);
    }
}

#[test]
fn a_line_behind_a_bridge_with_a_routing_table_of_its_own_interrupts_where_that_says() {
    let folder = tempfile::tempdir().unwrap();
    // The table of the root bus does not have the port in slot 6.
    let port = device("RP06", &[name("_ADR", &integer(6 << 16)), routes(0..1, 20 + 6 % 4)]);
    let slots = (0..25).filter(|&slot| slot != 6);
    let table = with_table(folder.path(), &host_bridge(&[routes(slots, 20), port]));
    let run = boot_driver(
        plain(4),
        Firmware::Bios,
        &[&[table[0].as_str(), &table[1]], &BEHIND_EXPRESS[..]].concat(),
    );
    assert!(number(&run, "interrupts of INTx: ") > 800);
    assert!(
        run.line("line 21 is masked: no handler has claimed 1000 interrupts in a row").is_some(),
        "\n{}",
        run.serial
    );
}

#[test]
fn devices_that_share_a_line_are_both_handled() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_routing_table(folder.path());
    // Slots 9 and 13 have the same line.
    let second = ["-device", "edu,addr=d"];
    let arguments = [&[table[0].as_str(), &table[1]], &EDU[..], &second].concat();
    let run = boot_driver(plain(4), Firmware::Bios, &arguments);
    assert_eq!(number(&run, "interrupts of a shared line: "), 402);
}

#[test]
fn interrupts_of_a_node_without_cpus_go_to_the_nearest_node_that_has_some() {
    let nodes = [Node::new([0], 256), Node::new([1, 2], 256), Node::without_cpus(256)];
    let machine = Machine::with_nodes(nodes).distances(&[&[10, 30, 40], &[30, 10, 15], &[40, 15, 10]]);
    let bus = [
        "-device",
        "pxb-pcie,id=far,bus_nr=128,numa_node=2",
        "-device",
        "pcie-root-port,id=rp,bus=far,chassis=9",
    ];
    let run =
        boot_driver(machine, Firmware::Bios, &[&bus[..], &["-device", "nvme,serial=a,bus=rp"]].concat());
    assert_eq!(number(&run, "interrupts are handled by CPUs of node "), 1);
}

#[test]
fn the_checked_kernel_finds_no_fault_and_takes_back_what_a_refused_driver_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let table = with_routing_table(folder.path());
    let second = ["-device", "edu,addr=d"];
    let arguments = [&[table[0].as_str(), &table[1]], &EDU[..], &second, &NVME].concat();
    let run = boot_image(plain(4).image(IMAGES.path().join("checked.img")), &arguments);
    let statuses: Vec<_> = run.drivers().into_iter().map(|driver| (driver.name, driver.status)).collect();
    let expected = [("leaves_interrupts", "refused"), ("interrupts", "loaded")];
    assert_eq!(statuses, expected.map(|(name, status)| (name.into(), status.into())), "\n{}", run.serial);
    assert!(run.line("leaves_interrupts refused: Driver_Init returned -7").is_some(), "\n{}", run.serial);
    assert_eq!(number(&run, "interrupts of a shared line: "), 402);
}
