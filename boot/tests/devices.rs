//! The kernel finds every function of PCI, and says what it is and on which node. BARs without an address get one.
mod common;

use acpi_tables::builder::{
    TableBuilder, generic_initiator, local_apic_affinity, mcfg_entry, memory_affinity,
};
use acpi_tables::{DeviceHandle, Signature};
use aml_names::builder as aml;
use boot::event::{Device, Finding};
use boot::{Firmware, Machine, Node, Run, Verdict};
use common::{GIB, boot, finding};
use units::ProximityDomain;

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

/// Returns the functions that were found. When a driver has got one, another event says so.
fn devices(run: &Run) -> Vec<Device> {
    run.events_of("device").into_iter().filter(|device: &Device| device.driver.is_none()).collect()
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

/// Returns a machine to which a disk is added on this bus after its firmware has given addresses to all devices.
fn machine_with_a_late_disk(kind: &str, devices: &[&str], bus: &str) -> Machine {
    machine(kind, devices)
        // The firmware writes to the serial port, too, and waits for a key.
        .arguments(["-machine", "graphics=off", "-boot", "menu=on,splash-time=2000"])
        .parameters("log=debug")
        .command_at("Press ESC", &format!("device_add nvme,serial=late,bus={bus}"))
}

/// Returns the addresses of a function's BARs that the kernel has chosen: number and address.
fn chosen(run: &Run, function: &str) -> Vec<(u32, u64)> {
    let start = format!("devices: {function} BAR ");
    let lines = run.lines().filter_map(|line| {
        let rest = line.split_once(&start)?.1.strip_suffix(", which the kernel has chosen")?;
        let (number, address) = (rest.split_once(':')?.0, rest.rsplit_once("0x")?.1);
        Some((number.parse().ok()?, u64::from_str_radix(address, 16).ok()?))
    });
    lines.collect()
}

/// Asserts that the disk got an address that nothing else has, and that no other BAR was changed.
#[track_caller]
fn assert_gets_an_address(kind: &str, devices: &[&str], bus: &str, disk: &str) {
    let run = boot(&machine_with_a_late_disk(kind, devices, bus), Verdict::Success);
    let [(0, address)] = chosen(&run, disk)[..] else { panic!("{}", run.serial) };
    assert!(address != 0 && address.is_multiple_of(0x4000) && address < 0xfec0_0000, "{address:#x}");
    assert_eq!(bar_address(&run, &format!("{disk} BAR 0"), "0x4000 bytes of 64-bit memory"), address);
    assert_eq!(run.serial.matches("which the kernel has chosen").count(), 1, "{}", run.serial);
    let others = run.lines().filter(|line| line.starts_with("DEBUG devices: ") && !line.contains(disk));
    for line in others.filter(|line| line.contains("memory")) {
        let hexadecimal = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect(line);
        let size = hexadecimal(line.split_whitespace().find(|word| word.starts_with("0x")).unwrap());
        let other = hexadecimal(line.rsplit(' ').next().unwrap());
        assert!(address + 0x4000 <= other || other + size <= address, "{address:#x}: {line}");
    }
    assert_eq!(run.findings(), []);
}

#[test]
fn a_disk_that_firmware_has_left_without_an_address_gets_one() {
    // From the window of a bridge, and from that of the host bridge.
    assert_gets_an_address("q35", &["pcie-root-port,id=port1,chassis=1,addr=4"], "port1", "0000:01:00.0");
    assert_gets_an_address("pc", &[], "pci.0,addr=7", "0000:00:07.0");
}

#[test]
fn memory_that_no_window_has_room_for_gets_no_address() {
    let port = ["pcie-root-port,id=port1,chassis=1,addr=4"];
    let machine = machine("q35", &port)
        .arguments(["-machine", "graphics=off", "-boot", "menu=on,splash-time=2000"])
        .arguments(["-object", "memory-backend-ram,id=shared,size=1G,share=on,reserve=off"])
        .parameters("log=debug")
        .command_at("Press ESC", "device_add ivshmem-plain,memdev=shared,bus=port1");
    let run = boot(&machine, Verdict::Success);
    assert!(matches!(chosen(&run, "0000:01:00.0")[..], [(0, _)]), "{}", run.serial);
    let line =
        "devices: 0000:01:00.0 BAR 2: 0x40000000 bytes of 64-bit memory, prefetchable, without an address";
    assert!(run.line(line).is_some(), "{}", run.serial);
    // The third BAR.
    let found = Finding { offset: 0x18, ..finding("PCI", "pci.bar.address", "dropped") };
    assert_eq!(run.findings(), [found]);
}

/// Returns the node of the function at this address. -1 if it is unknown.
#[track_caller]
fn node_of(run: &Run, address: &str) -> i32 {
    let found = devices(run).into_iter().find(|device| device.address == address);
    let node = found.unwrap_or_else(|| panic!("{address}: {}", run.serial)).node;
    let start = format!("devices: {address} ");
    let mut lines = run.lines().filter(|line| line.contains(&start) && line.starts_with("INFO"));
    let line = lines.next().expect("a function has a line");
    let end = if node < 0 { ")".into() } else { format!(") on node {node}") };
    assert!(line.ends_with(&end), "{line}");
    node
}

#[test]
fn the_disks_of_the_two_node_machine_are_where_they_should_be() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let run = boot(&Machine::two_nodes().firmware(firmware), Verdict::Success);
        let line = format!("devices: 0000:81:00.0 {NVME_LINE} on node 1");
        let has = |wanted: &str| run.lines().any(|line| line.strip_prefix("INFO  ") == Some(wanted));
        assert!(has(&line) && has(&format!("{line}, driver nvme")), "{}", run.serial);
        assert!(has("devices: 0000:00:03.0 SCSI controller (1af4:1042)"), "{}", run.serial);
        assert_eq!((node_of(&run, "0000:81:00.0"), node_of(&run, "0000:00:03.0")), (1, -1));
        assert_eq!(run.findings(), []);
    }
}

#[test]
fn a_device_is_on_a_node_without_cpus_or_without_memory() {
    let nodes = [Node::new(0..1, 128), Node::without_cpus(128), Node::without_memory([1])];
    let devices = [
        "pxb-pcie,id=one,bus_nr=64,numa_node=1,bus=pcie.0",
        "pcie-root-port,id=port1,bus=one,chassis=1",
        "nvme,serial=a,bus=port1",
        "pxb-pcie,id=two,bus_nr=128,numa_node=2,bus=pcie.0",
        "pcie-root-port,id=port2,bus=two,chassis=2",
        "nvme,serial=b,bus=port2",
    ];
    let machine = Machine::with_nodes(nodes).arguments(devices.iter().flat_map(|device| ["-device", device]));
    let run = boot(&machine, Verdict::Success);
    assert_eq!((node_of(&run, "0000:41:00.0"), node_of(&run, "0000:81:00.0")), (1, 2), "{}", run.serial);
    assert_eq!(run.findings(), []);
}

#[test]
fn what_is_behind_three_levels_of_bridges_is_on_their_host_bridges_node() {
    let devices = [
        "pcie-pci-bridge,id=express,bus=port1",
        "pci-bridge,id=last,chassis_nr=2,bus=express,addr=2",
        "nvme,serial=a,bus=last,addr=7",
    ];
    let root =
        ["pxb-pcie,id=root,bus_nr=128,numa_node=1,bus=pcie.0", "pcie-root-port,id=port1,bus=root,chassis=1"];
    let devices = root.iter().chain(&devices).flat_map(|device| ["-device", device]);
    let nodes = [Node::new(0..1, 128), Node::new(1..2, 128)];
    let run = boot(&Machine::with_nodes(nodes).arguments(devices), Verdict::Success);
    let way = ["0000:80:00.0", "0000:81:00.0", "0000:82:02.0", "0000:83:07.0"];
    assert_eq!(way.map(|address| node_of(&run, address)), [1; 4], "{}", run.serial);
    assert_eq!(node_of(&run, "0000:00:1f.2"), -1);
}

#[test]
fn a_domain_that_is_no_node_is_a_finding_and_gives_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ssdt.aml");
    let terms = [aml::scope("\\_SB.PCI0", &[aml::name("_PXM", &aml::integer(7))])];
    std::fs::write(&path, aml::table(Signature::SSDT, 2, &terms)).unwrap();
    let machine = Machine::two_nodes().arguments(["-acpitable", &format!("file={}", path.display())]);
    let run = boot(&machine, Verdict::Success);
    assert_eq!((node_of(&run, "0000:00:1f.2"), node_of(&run, "0000:81:00.0")), (-1, 1), "{}", run.serial);
    let found = run.findings().into_iter().map(|found| (found.table, found.rule, found.action));
    assert!(found.eq([("SSDT".into(), "aml.domain".into(), "dropped".into())]), "{}", run.serial);
}

#[test]
fn the_srat_places_a_device_by_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("srat.aml");
    let domain = ProximityDomain;
    let disks = DeviceHandle::Pci { segment: 0, bus: 0, device: 0x1f, function: 2 };
    let mut srat = TableBuilder::srat(3);
    for cpu in 0..2 {
        srat = srat.entry(&local_apic_affinity(cpu, domain(cpu.into())));
        srat = srat.entry(&memory_affinity(u64::from(cpu) << 27, 1 << 27, domain(cpu.into())));
    }
    let srat = srat.entry(&generic_initiator(disks, domain(1)));
    std::fs::write(&path, srat.build()).unwrap();
    let table = format!("file={}", path.display());
    let run = boot(&Machine::without_numa(2, 256).arguments(["-acpitable", &table]), Verdict::Success);
    assert_eq!((node_of(&run, "0000:00:1f.2"), node_of(&run, "0000:00:1f.3")), (1, -1), "{}", run.serial);
    assert_eq!(run.findings(), []);
}
