//! Devices that firmware lists and the kernel silences, and devices that a machine lacks.
mod common;

use acpi_tables::builder::TableBuilder;
use boot::{Firmware, Machine, Verdict};
use common::{boot, boot_without_hypervisor, finding};

/// Bit of the DMAR's flags: firmware asks that the APICs stay in xAPIC mode.
const X2APIC_OPT_OUT: u8 = 1 << 1;

#[test]
fn all_lines_of_the_io_apic_are_masked_under_both_firmwares() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let run = boot(&Machine::two_nodes().firmware(firmware).parameters("log=debug"), Verdict::Success);
        let line = "DEBUG interrupts: the I/O APIC at 0x00000000fec00000 has 24 lines, all masked";
        assert!(run.line(line).is_some(), "{}", run.serial);
    }
}

#[test]
fn firmware_can_keep_the_apics_in_xapic_mode() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, is_kept) in [(X2APIC_OPT_OUT, true), (0, false)] {
        let path = folder.path().join("dmar");
        std::fs::write(&path, TableBuilder::dmar(flags).build()).unwrap();
        let table = format!("file={}", path.display());
        let run = boot(&Machine::two_nodes().arguments(["-acpitable", &table]), Verdict::Success);
        let line = run.line("INFO  cpu: the APICs stay in xAPIC mode, as firmware asks (DMAR)");
        assert_eq!(line.is_some(), is_kept, "{}", run.serial);
        assert!(run.cpus().iter().all(|cpu| cpu.online));
    }
}

#[test]
fn a_machine_without_legacy_devices_passes_the_self_tests() {
    let machine = Machine::without_numa(2, 256).arguments(["-machine", "q35,pic=off,pit=off,i8042=off"]);
    boot(&machine.parameters("selftest"), Verdict::Success);
}

#[test]
fn a_machine_without_the_first_serial_port_sends_its_events() {
    let run = boot(&Machine::two_nodes().without_log_port(), Verdict::Success);
    assert_eq!(run.serial, "");
    assert_eq!(run.topology().nodes.len(), 2);
}

#[test]
fn ports_of_qemus_devices_are_left_alone_where_cpuid_names_no_hypervisor() {
    // The parameters that QEMU passes are not seen, and the kernel does not end the machine.
    let machine = Machine::without_numa(1, 256).parameters("selftest");
    assert!(boot_without_hypervisor(&machine, "").tests().is_empty());
    assert!(!boot_without_hypervisor(&machine, "selftest exit").tests().is_empty());
}

#[test]
fn a_memory_module_that_firmware_leaves_out_is_reported() {
    let module =
        ["-object", "memory-backend-ram,id=d1,size=128M", "-device", "pc-dimm,id=dimm1,memdev=d1,node=1"];
    let run = boot(
        &Machine::two_nodes().arguments(["-m", "slots=4,maxmem=8G"]).arguments(module),
        Verdict::Success,
    );
    assert_eq!(run.findings(), [finding("MMAP", "memory.dimm", "dropped")]);
    let what = "a memory module of domain 1 at 0x100000000-0x107ffffff is not in the memory map";
    assert!(run.serial.contains(what), "{}", run.serial);
    assert_eq!(run.topology().nodes[1].memory.len(), 1);
}
