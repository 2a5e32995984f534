//! A kernel that breaks reports how, once, and its verdict is failure. It does not stay silent, reset or hang.
mod common;

use std::process::Command;

use boot::{Firmware, Machine, Run, Verdict, artifacts, driver};
use common::boot;

const BOTH: [Firmware; 2] = [Firmware::Bios, Firmware::Uefi];

fn machine(kind: &str, firmware: Firmware) -> Machine {
    Machine::two_nodes().firmware(firmware).parameters(&format!("fault={kind}"))
}

/// Boots a machine that breaks, and asserts that the only verdict is failure, and that COM1 says it once.
#[track_caller]
fn boot_broken(machine: &Machine) -> Run {
    let run = boot(machine, Verdict::Failure);
    let exits: Vec<bool> =
        run.events.iter().filter(|event| event["event"] == "exit").map(|event| event["ok"] == true).collect();
    assert_eq!(exits, [false], "{}", run.serial);
    assert_eq!(lines(&run, "ERROR verdict: failure"), 1, "{}", run.serial);
    run
}

/// Boots with an injected fault.
#[track_caller]
fn broken(kind: &str) -> Run {
    boot_broken(&machine(kind, Firmware::Bios))
}

/// Returns how many lines begin with these words.
fn lines(run: &Run, words: &str) -> usize {
    run.lines().filter(|line| line.starts_with(words)).count()
}

#[track_caller]
fn assert_says(run: &Run, words: &[&str]) {
    let serial = run.serial.to_lowercase();
    for word in words {
        assert!(serial.contains(word), "nothing says {word:?}\n{}", run.serial);
    }
}

/// Asserts that so many reports begin, and that as many end with the line that says where.
#[track_caller]
fn assert_reports(run: &Run, faults: usize, panics: usize) {
    let counts = (lines(run, "ERROR fault: on CPU"), lines(run, "ERROR panic: on CPU"));
    assert_eq!(counts, (faults, panics), "{}", run.serial);
    assert_eq!(run.serial.matches("(vector ").count(), faults, "{}", run.serial);
    assert!(!run.serial.contains("another fault"), "{}", run.serial);
}

#[test]
fn a_panic_is_failure_and_says_where() {
    let run = broken("panic");
    assert_says(&run, &["panic", ".rs:"]);
    assert_says(&run, &["error panic: #", " kernel::boot_on_own_node+0x", ", 0xffffffff8"]);
    assert_reports(&run, 0, 1);
}

#[test]
fn a_page_fault_is_failure_and_says_where() {
    let run = broken("page");
    assert_says(
        &run,
        &["page fault (vector 14)", "error code", "at instruction", "address", "on cpu 0", "thread"],
    );
    assert_reports(&run, 1, 0);
}

#[test]
fn a_stack_overflow_is_failure_and_names_the_thread() {
    let run = broken("stack");
    assert_says(&run, &["stack overflow of thread boot"]);
    assert_reports(&run, 1, 0);
}

#[test]
fn an_invalid_instruction_is_failure_and_no_use_of_the_fpu() {
    let run = broken("invalid");
    assert_says(&run, &["invalid opcode"]);
    assert!(!run.serial.contains("FPU"), "{}", run.serial);
}

#[test]
fn a_fault_on_another_cpu_is_reported_there() {
    let run = broken("other-cpu");
    assert_reports(&run, 1, 0);
    assert!(lines(&run, "ERROR fault: on CPU 1, thread") == 1 && run.serial.contains("(faulty)"));
}

#[test]
fn a_fault_in_an_interrupt_handler_is_reported() {
    assert_reports(&broken("interrupt"), 1, 0);
}

#[test]
fn a_fault_while_the_logs_port_is_locked_is_reported() {
    assert_reports(&broken("log"), 1, 0);
}

#[test]
fn a_fault_in_a_report_is_one_line_and_then_the_verdict() {
    for firmware in BOTH {
        let run = boot_broken(&machine("nested", firmware));
        assert_says(&run, &["non-maskable interrupt (vector 2)"]);
        assert_eq!(run.serial.matches("(vector ").count(), 1, "{}", run.serial);
        let line = "ERROR fault: another fault in the report, on the CPU with APIC id 0x00000000";
        assert_eq!(run.lines().filter(|this| *this == line).count(), 1, "{}", run.serial);
    }
}

#[test]
fn a_panic_and_a_fault_at_once_are_both_reported_one_after_the_other() {
    let run = broken("together");
    assert_reports(&run, 1, 1);
    let lines = run.lines().filter_map(|line| line.strip_prefix("ERROR "));
    let mut kinds: Vec<&str> = lines.filter_map(|line| Some(line.split_once(':')?.0)).collect();
    kinds.dedup();
    assert_eq!(kinds.len(), 3, "the reports are mixed: {kinds:?}\n{}", run.serial);
    assert_eq!(kinds[2], "verdict");
}

/// Boots a machine that waits, and gives it this command of QEMU's monitor.
#[track_caller]
fn broken_from_outside(command: &str, firmware: Firmware) -> Run {
    boot_broken(&machine("outside", firmware).command_at("waiting for a fault from outside", command))
}

#[test]
fn a_non_maskable_interrupt_is_reported_by_each_cpu_that_takes_it_before_it_is_stopped() {
    let run = broken_from_outside("nmi", Firmware::Bios);
    let reports = lines(&run, "ERROR fault: non-maskable interrupt (vector 2)");
    // QEMU interrupts all four CPUs, one after the other.
    assert!((1..=4).contains(&reports), "{}", run.serial);
    assert_reports(&run, reports, 0);
}

#[test]
fn a_non_maskable_interrupt_that_is_not_the_timers_is_a_fault_on_one_cpu_too() {
    // It has interrupts of its own timer meanwhile, which are none.
    let machine = Machine::without_numa(1, 256).parameters("fault=outside log=debug");
    let machine = machine.command_at("waiting for a fault from outside", "nmi");
    // If the host has just stopped QEMU for some time, an interrupt of the timer may be late, and this one counts as such.
    let is_reported = |run: &Run| lines(run, "ERROR fault: ") > 0;
    let run = (0..3)
        .map(|_| boot_broken(&machine))
        .find(is_reported)
        .expect("it is reported in one of three boots");
    assert_says(&run, &["the hpet interrupts the only cpu", "non-maskable interrupt (vector 2)"]);
    assert_reports(&run, 1, 0);
}

#[test]
fn a_machine_check_is_a_report_with_bank_status_and_address() {
    for firmware in BOTH {
        // CPU 2, bank 3: valid, uncorrected, enabled, with information and address, context lost. Global: in progress, address valid.
        let run = broken_from_outside("mce 2 3 0xbe00000000000185 0x5 0x123456789000 0x8c", firmware);
        assert_says(
            &run,
            &[
                "machine check (vector 18)",
                "machine-check status 0x5, 10 banks",
                "bank 3: uncorrected error in a cache, status 0xbe00000000000185, address 0x0000123456789000, information \
                 0x000000000000008c",
                "on cpu 2",
            ],
        );
        assert_reports(&run, 1, 0);
    }
}

#[test]
fn use_of_the_fpu_in_the_kernel_is_a_fault_that_says_so() {
    let run = broken("fpu");
    assert_says(&run, &["device not available (vector 7)", "the kernel's own code uses the fpu"]);
}

/// Boots an image with one driver, which executes this instruction.
fn driver_with(instruction: &str, firmware: Firmware) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (driver, image) = (folder.path().join("uses_fpu.so"), folder.path().join("disk.img"));
    let source = artifacts::workspace().join("ddk/tests/uses_fpu/uses_fpu.c");
    driver::compile_with(&[&format!("-DINSTRUCTION={instruction}")], &[source], &driver).unwrap();
    let mut builder = Command::new(artifacts::image_builder().unwrap());
    builder.arg("--kernel").arg(artifacts::kernel().unwrap());
    builder.arg(if firmware == Firmware::Uefi { "--uefi" } else { "--bios" }).arg(&image);
    assert!(builder.arg("--drivers").arg(&driver).status().unwrap().success());
    boot(&Machine::two_nodes().firmware(firmware).image(image), Verdict::Success)
}

/// Asserts that the driver fails at this instruction, that the log says why, and that the machine goes on.
#[track_caller]
fn assert_names_the_driver(instruction: &str, firmware: Firmware) {
    let run = driver_with(instruction, firmware);
    assert_says(
        &run,
        &["error drivers: uses_fpu failed: ", "it uses the fpu or vector registers", "-mgeneral-regs-only"],
    );
    assert!(run.drivers().iter().any(|driver| driver.status == "failed"), "{}", run.serial);
}

#[test]
fn the_fpu_in_a_driver_ends_the_driver() {
    assert_names_the_driver("fld1", Firmware::Bios);
}

#[test]
fn sse_in_a_driver_ends_the_driver_under_both_firmwares() {
    for firmware in BOTH {
        assert_names_the_driver("xorps %xmm0, %xmm0", firmware);
    }
}

#[test]
fn mmx_and_avx_in_a_driver_end_the_driver() {
    for instruction in ["pxor %mm0, %mm0", "vpbroadcastd %xmm9, %ymm9"] {
        assert_names_the_driver(instruction, Firmware::Bios);
    }
}
