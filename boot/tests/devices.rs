//! The kernel finds every function of PCI, and says what it is.
mod common;

use acpi_tables::builder::{TableBuilder, mcfg_entry};
use boot::event::{Device, Finding};
use boot::{Firmware, Machine, Run, Verdict};
use common::{GIB, boot};

/// The functions of QEMU's q35 machine: address, ids, class.
const Q35: [(&str, u32, u32, u32); 5] = [
    ("0000:00:00.0", 0x8086, 0x29c0, 0x06_00_00),
    ("0000:00:01.0", 0x1234, 0x1111, 0x03_00_00),
    ("0000:00:1f.0", 0x8086, 0x2918, 0x06_01_00),
    ("0000:00:1f.2", 0x8086, 0x2922, 0x01_06_01),
    ("0000:00:1f.3", 0x8086, 0x2930, 0x0c_05_00),
];

/// The functions of QEMU's pc machine.
const PC: [(&str, u32, u32, u32); 5] = [
    ("0000:00:00.0", 0x8086, 0x1237, 0x06_00_00),
    ("0000:00:01.0", 0x8086, 0x7000, 0x06_01_00),
    ("0000:00:01.1", 0x8086, 0x7010, 0x01_01_80),
    ("0000:00:01.3", 0x8086, 0x7113, 0x06_80_00),
    ("0000:00:02.0", 0x1234, 0x1111, 0x03_00_00),
];

/// An NVMe disk of QEMU, and what it is.
const NVME: (u32, u32, u32) = (0x1b36, 0x0010, 0x01_08_02);
const NVME_LINE: &str = "NVMe controller (1b36:0010)";

/// Returns a machine of this kind with one CPU and these devices besides its own.
fn machine(kind: &str, devices: &[&str]) -> Machine {
    let devices = devices.iter().flat_map(|device| ["-device", device]);
    Machine::without_numa(1, 256).arguments(["-machine", kind].into_iter().chain(devices))
}

fn devices(run: &Run) -> Vec<Device> {
    run.events_of("device")
}

/// Returns a function whose node is unknown.
fn device(address: &str, (vendor, device, class): (u32, u32, u32)) -> Device {
    Device { address: address.into(), vendor, device, class, node: -1, driver: None }
}

/// Returns these functions and the others, in the order of their addresses.
fn sorted(chipset: &[(&str, u32, u32, u32)], others: &[Device]) -> Vec<Device> {
    let chipset = chipset.iter().map(|&(at, vendor, id, class)| device(at, (vendor, id, class)));
    let mut all: Vec<Device> = chipset.chain(others.iter().cloned()).collect();
    all.sort_by(|one, other| one.address.cmp(&other.address));
    all
}

/// Boots the machine and asserts that it has exactly these functions, each with its line, and no finding.
#[track_caller]
fn assert_finds(machine: &Machine, chipset: &[(&str, u32, u32, u32)], others: &[Device]) -> Run {
    let run = boot(machine, Verdict::Success);
    assert_eq!(devices(&run), sorted(chipset, others), "\n{}", run.serial);
    for Device { address, vendor, device, .. } in devices(&run) {
        let (start, end) = (format!("devices: {address} "), format!(" ({vendor:04x}:{device:04x})"));
        let is_its_line = |line: &str| line.contains(&start) && line.ends_with(&end);
        assert!(run.lines().any(is_its_line), "{address}\n{}", run.serial);
    }
    assert_eq!(run.findings(), []);
    run
}

#[test]
fn q35_has_its_chipset_under_both_kinds_of_firmware() {
    let run = assert_finds(&machine("q35", &[]), &Q35, &[]);
    assert!(run.line("devices: 0000:00:01.0 VGA controller (1234:1111)").is_some(), "{}", run.serial);
    assert!(run.line("devices: 0000:00:1f.2 SATA controller (8086:2922)").is_some(), "{}", run.serial);
    assert_finds(&machine("q35", &[]).firmware(Firmware::Uefi), &Q35, &[]);
}

#[test]
fn pc_has_its_chipset_behind_ports() {
    assert_finds(&machine("pc", &[]), &PC, &[]);
    // The ports reach other buses, too.
    let devices = ["pci-bridge,id=b,chassis_nr=1,addr=5", "nvme,serial=a,bus=b,addr=3"];
    let others = [device("0000:00:05.0", (0x1b36, 0x0001, 0x06_04_00)), device("0000:01:03.0", NVME)];
    assert_finds(&machine("pc", &devices), &PC, &others);
}

#[test]
fn a_machine_without_pci_says_nothing() {
    let run = boot(&machine("isapc", &[]), Verdict::Success);
    assert_eq!(devices(&run), []);
    assert_eq!(run.line("devices: "), None, "{}", run.serial);
}

#[test]
fn a_disk_behind_three_levels_of_bridges_is_found() {
    let devices = [
        "pcie-root-port,id=port1,chassis=1,addr=4",
        "pcie-pci-bridge,id=express,bus=port1",
        "pci-bridge,id=last,chassis_nr=2,bus=express,addr=2",
        "nvme,serial=a,bus=last,addr=7",
        // Several functions of a device.
        "pcie-root-port,id=one,chassis=3,addr=5.0,multifunction=on",
        "pcie-root-port,id=two,chassis=4,addr=5.3",
        "nvme,serial=b,bus=two",
    ];
    let port = (0x1b36, 0x000c, 0x06_04_00);
    let others = [
        device("0000:00:04.0", port),
        device("0000:01:00.0", (0x1b36, 0x000e, 0x06_04_00)),
        device("0000:02:02.0", (0x1b36, 0x0001, 0x06_04_00)),
        device("0000:03:07.0", NVME),
        device("0000:00:05.0", port),
        device("0000:00:05.3", port),
        device("0000:05:00.0", NVME),
    ];
    let run = assert_finds(&machine("q35", &devices), &Q35, &others);
    assert!(run.line(&format!("devices: 0000:03:07.0 {NVME_LINE}")).is_some(), "{}", run.serial);
}

#[test]
fn a_disk_on_another_root_bus_is_found() {
    let devices = [
        "pxb-pcie,id=root,bus_nr=128",
        "pcie-root-port,id=port1,bus=root,chassis=1",
        "nvme,serial=a,bus=port1",
    ];
    let run = boot(&machine("q35", &devices), Verdict::Success);
    let found = |address: &str| ids_at(&run, address);
    assert_eq!(found("0000:80:00.0"), Some((0x1b36, 0x000c, 0x06_04_00)), "{}", run.serial);
    assert_eq!(found("0000:81:00.0"), Some(NVME), "{}", run.serial);
    assert_eq!(run.findings(), []);
}

/// Returns the ids and the class of the function at this address.
fn ids_at(run: &Run, address: &str) -> Option<(u32, u32, u32)> {
    let mut found = devices(run).into_iter();
    found.find(|device| device.address == address).map(|found| (found.vendor, found.device, found.class))
}

/// Returns the address of a BAR, from a log of debugging.
#[track_caller]
fn bar_address(run: &Run, bar: &str, what: &str) -> u64 {
    let line =
        run.line(&format!("devices: {bar}: {what} at 0x")).unwrap_or_else(|| panic!("{bar}: {}", run.serial));
    u64::from_str_radix(line.rsplit("0x").next().unwrap(), 16).expect(line)
}

#[test]
fn memory_above_4_gib_is_no_obstacle() {
    // 8 GiB of memory of a device have no room below 4 GiB.
    let devices = ["ivshmem-plain,memdev=shared,addr=6", "nvme,serial=a,addr=7"];
    let machine = machine("q35", &devices)
        .cpu_with("phys-bits=42")
        .arguments(["-object", "memory-backend-ram,id=shared,size=8G,share=on,reserve=off"])
        .parameters("log=debug");
    let others = [device("0000:00:06.0", (0x1af4, 0x1110, 0x05_00_00)), device("0000:00:07.0", NVME)];
    let run = assert_finds(&machine, &Q35, &others);
    let wide = bar_address(&run, "0000:00:06.0 BAR 2", "0x200000000 bytes of 64-bit memory, prefetchable,");
    assert!(wide >= 4 * GIB && wide.is_multiple_of(8 * GIB), "{wide:#x}");
    // The others are where firmware has put them: below, and apart.
    let small = bar_address(&run, "0000:00:06.0 BAR 0", "0x100 bytes of 32-bit memory");
    let disk = bar_address(&run, "0000:00:07.0 BAR 0", "0x4000 bytes of 64-bit memory");
    assert!(small < 4 * GIB && disk.abs_diff(small) >= 0x100, "{small:#x} {disk:#x}");
    assert!(run.line("devices: 0000:00:07.0 MSI-X: 65 vectors").is_some(), "{}", run.serial);
}

#[test]
fn configuration_space_where_it_cannot_be_is_a_finding_and_the_ports_are_used() {
    // In RAM, past the addresses of the CPU, and where nothing answers.
    for base in [1 << 20, 1 << 50, 0xe000_0000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcfg.aml");
        let entry = mcfg_entry(base, 0, 0, 15);
        std::fs::write(&path, TableBuilder::mcfg().entry(&entry).build()).unwrap();
        let table = format!("file={}", path.display());
        let run = boot(&machine("pc", &[]).arguments(["-acpitable", &table]), Verdict::Success);
        assert_eq!(devices(&run), sorted(&PC, &[]), "{base:#x}\n{}", run.serial);
        let finding = |rule: &str| Finding {
            table: "PCI".into(),
            offset: 0,
            rule: rule.into(),
            action: "dropped".into(),
        };
        let findings = run.findings();
        assert!(
            !findings.is_empty() && findings.iter().all(|found| *found == finding("pci.ecam")),
            "{findings:?}"
        );
    }
}
