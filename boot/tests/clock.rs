//! The clock is right on every machine, or the kernel says that it is not.
mod common;

use std::thread;
use std::time::{Duration, Instant};

use acpi_tables::builder::TableBuilder;
use boot::event::Finding;
use boot::{Firmware, Machine, Run, Verdict};
use common::{boot, boot_without_hypervisor, finding};

/// Returns a machine of this kind with two CPUs: QEMU's name of it, and options that follow the name.
fn machine(kind: &str) -> Machine {
    Machine::without_numa(2, 256).arguments(["-machine", kind])
}

/// Returns the rate of the host's time stamp counter, which is the guest's unless QEMU counts instructions, in megahertz.
fn host_mhz() -> f64 {
    let ticks = || {
        // SAFETY: every x86-64 CPU has RDTSC, and Linux lets programs use it.
        unsafe { core::arch::x86_64::_rdtsc() }
    };
    let (start, start_ticks) = (Instant::now(), ticks());
    thread::sleep(Duration::from_millis(300));
    let (elapsed, elapsed_ticks) = (start.elapsed(), ticks() - start_ticks);
    elapsed_ticks as f64 / elapsed.as_secs_f64() / 1e6
}

/// Returns the rate that the kernel found, in megahertz, and the sources by which it found it.
#[track_caller]
fn found(run: &Run) -> (f64, &str) {
    let line = run.line("clock: the time stamp counter has ").unwrap_or_else(|| panic!("{}", run.serial));
    let (rate, sources) = line.split_once(" MHz, by ").expect(line);
    (rate.rsplit(' ').next().unwrap().parse().expect(line), sources)
}

/// Boots the machine, and expects a rate within 1 % of the truth, by these sources, without findings.
#[track_caller]
fn assert_right(machine: &Machine, truth_mhz: f64, sources: &str) {
    let run = boot(machine, Verdict::Success);
    let (mhz, by) = found(&run);
    assert!((mhz / truth_mhz - 1.0).abs() < 0.01, "{mhz} MHz instead of {truth_mhz}\n{}", run.serial);
    assert_eq!(by, sources);
    assert_eq!(run.findings(), []);
}

/// Runs the self-tests on the machine, and expects these findings.
#[track_caller]
fn assert_sleeps(machine: Machine, findings: &[Finding]) {
    assert_slept(&boot(&machine.parameters("selftest"), Verdict::Success), findings);
}

/// Expects these findings, and that the self-tests of clocks and sleeps passed.
#[track_caller]
fn assert_slept(run: &Run, findings: &[Finding]) {
    assert_eq!(run.findings(), findings);
    for name in ["clock.sleep_agrees", "clock.cpus_agree", "threads.sleep"] {
        assert!(run.tests().iter().any(|test| test.name == name && test.ok), "{name}\n{}", run.serial);
    }
}

#[test]
fn the_hpet_gives_the_rate_with_and_without_a_pit() {
    for kind in ["q35", "q35,pit=off", "pc,pit=off"] {
        assert_right(&machine(kind), host_mhz(), "the HPET and the PM timer");
    }
}

#[test]
fn the_pm_timer_gives_the_rate_without_an_hpet() {
    assert_right(&machine("pc,hpet=off"), host_mhz(), "the PM timer and the PIT");
    assert_right(&machine("q35,hpet=off,pit=off"), host_mhz(), "the PM timer alone");
}

#[test]
fn uefi_firmware_names_the_same_sources() {
    let machine = machine("q35,pit=off").firmware(Firmware::Uefi);
    assert_right(&machine, host_mhz(), "the HPET and the PM timer");
}

#[test]
fn the_pit_gives_the_rate_without_acpi() {
    assert_right(&machine("pc,acpi=off"), host_mhz(), "the PIT alone");
}

#[test]
fn a_machine_without_any_clock_says_so_and_fails() {
    let run = boot(&machine("pc,acpi=off,pit=off"), Verdict::Failure);
    assert!(run.line("clock: no source gives the time").is_some(), "{}", run.serial);
    assert!(run.line("boot: complete").is_some(), "{}", run.serial);
}

#[test]
fn a_clock_that_counts_instructions_has_one_gigahertz() {
    let counting = |kind| machine(kind).counting(0);
    assert_right(&counting("q35"), 1000.0, "the HPET and the PM timer");
    assert_right(&counting("pc,acpi=off"), 1000.0, "the PIT alone");
}

#[test]
fn sleeps_agree_with_another_clock() {
    assert_sleeps(machine("q35,pit=off"), &[]);
}

#[test]
fn the_hpet_takes_the_place_of_a_time_stamp_counter_whose_rate_may_change() {
    // Without a hypervisor, the kernel believes what CPUID says.
    let run = boot_without_hypervisor(&machine("q35"), "selftest");
    assert_slept(&run, &[finding("TSC", "clock.tsc.rate", "mended")]);
}

#[test]
fn without_an_hpet_such_a_counter_is_used_and_reported() {
    let run = boot_without_hypervisor(&machine("q35,hpet=off"), "");
    assert_eq!(run.findings(), [finding("TSC", "clock.tsc.rate", "dropped")]);
}

#[test]
fn an_hpet_where_there_is_none_is_a_finding_and_the_next_source_is_used() {
    // In RAM, and where nothing answers.
    for address in [0x10_0000, 0xfed0_0000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hpet.aml");
        std::fs::write(&path, TableBuilder::hpet(address).build()).unwrap();
        let table = format!("file={}", path.display());
        let run = boot(&machine("q35,hpet=off").arguments(["-acpitable", &table]), Verdict::Success);
        assert_eq!(
            run.findings(),
            [finding("HPET", "clock.hpet", "dropped")],
            "{address:#x}\n{}",
            run.serial
        );
        assert_eq!(found(&run).1, "the PM timer and the PIT");
    }
}
