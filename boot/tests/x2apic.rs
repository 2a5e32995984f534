//! APICs in x2APIC mode: with few CPUs and with hundreds, with ids that xAPIC mode cannot address, with interrupt remapping.
mod common;

use std::time::Duration;

use boot::{Firmware, Machine, Verdict, qemu};
use common::assert_cpus;

/// The time limit of a boot with hundreds of emulated CPUs on a host with few.
const LIMIT: Duration = Duration::from_secs(900);

/// A machine and the APIC ids that its CPUs have.
struct Case {
    name: &'static str,
    machine: Machine,
    apic_ids: Vec<u32>,
}

/// Returns a machine with so many CPUs.
fn case(name: &'static str, cpus: u32, firmware: Firmware) -> Case {
    let machine = Machine::without_numa(cpus, 1024).firmware(firmware).parameters("selftest");
    Case { name, machine, apic_ids: (0..cpus).collect() }
}

impl Case {
    /// Adds a remapping of interrupts, with destinations of 32 bits.
    fn remapping(self) -> Self {
        let remapping = ["-device", "intel-iommu,intremap=on,eim=on"];
        Self { machine: self.machine.arguments(remapping), ..self }
    }

    /// Leaves the self-tests out, which take minutes with hundreds of CPUs. The drivers run on each CPU.
    fn without_self_test(self) -> Self {
        Self { machine: self.machine.parameters(""), ..self }
    }
}

/// Returns a machine of three CPUs, two of them with ids above 254.
fn large_ids(name: &'static str, firmware: Firmware) -> Case {
    let case = case(name, 1, firmware);
    let added = [255, 280].map(|id| format!("max-x86_64-cpu,socket-id={id},core-id=0,thread-id=0"));
    let machine = case
        .machine
        .arguments(["-smp", "1,maxcpus=288,sockets=288,cores=1,threads=1"])
        .arguments(added.iter().flat_map(|cpu| ["-device", cpu]));
    Case { machine, apic_ids: vec![0, 255, 280], ..case }
}

fn cases() -> Vec<Case> {
    let (bios, uefi) = (Firmware::Bios, Firmware::Uefi);
    vec![
        large_ids("ids 255 and 280", bios),
        large_ids("ids 255 and 280, UEFI", uefi),
        large_ids("ids 255 and 280, remapped", bios).remapping(),
        large_ids("ids 255 and 280, UEFI, remapped", uefi).remapping(),
        case("4 CPUs", 4, bios),
        case("4 CPUs, UEFI", 4, uefi),
        case("4 CPUs, remapped", 4, bios).remapping(),
        case("4 CPUs, UEFI, remapped", 4, uefi).remapping(),
        case("64 CPUs, remapped", 64, bios).remapping(),
        case("288 CPUs", 288, bios),
        case("288 CPUs, UEFI, remapped", 288, uefi).remapping().without_self_test(),
        case("400 CPUs", 400, bios).without_self_test(),
    ]
}

#[test]
#[ignore = "a soak: ./run.sh soak newer-qemu"]
fn every_cpu_is_online() {
    println!("x2apic: QEMU {}", qemu::version().unwrap());
    assert!(qemu::has_x2apic().unwrap(), "this QEMU does not emulate x2APIC");
    common::many::each("x2apic", &cases(), |case| case.name, assert_online);
}

fn assert_online(case: &Case) {
    let run = case.machine.run(LIMIT).unwrap().expect(Verdict::Success);
    let apic_ids: Vec<u32> = run.cpus().iter().map(|cpu| cpu.apic_id).collect();
    assert_eq!(apic_ids, case.apic_ids, "{}", run.serial);
    assert_cpus(&run, &run.topology());
    assert!(run.tests().iter().all(|test| test.ok), "{:?}", run.tests());
    assert_eq!(run.findings(), [], "findings about sound tables");
}
