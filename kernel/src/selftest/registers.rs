//! Tests that every CPU has exactly the registers that docs/boot.md lists, whatever firmware has left there.
use super::on_each_cpu;
use super::{Outcome, ensure};
use crate::arch::{self, ApicSettings, CpuRegisters, LocalInterrupt, vectors};
use crate::cpu::Cpu;
use crate::sync::{Rank, SpinLock};
use alloc::string::String;
use alloc::vec::Vec;
use clock_math::Leaf;

/// What the first CPU with another value has.
static COMPLAINT: SpinLock<Option<String>> = SpinLock::new(Rank::Phases, None);

/// Checks the control registers, the APIC's settings and the machine-check banks of every CPU.
pub fn have_known_values() -> Outcome {
    *COMPLAINT.lock() = None;
    on_each_cpu::run_on_each_cpu(|cpu| {
        if let Err(complaint) = check(cpu) {
            COMPLAINT.lock().get_or_insert(complaint);
        }
    });
    COMPLAINT.lock().take().map_or(Ok(()), Err)
}

fn check(cpu: &Cpu) -> Outcome {
    let id = cpu.id;
    let (registers, expected) = (CpuRegisters::read(), expected_registers());
    ensure!(registers == expected, "CPU {id} has {registers:x?}, not {expected:x?}");
    let mut entries = Vec::new();
    let settings = arch::apic_settings(&mut |entry, value| entries.push((entry, value)));
    let expected = ApicSettings {
        task_priority: 0,
        spurious: 1 << 8 | u32::from(vectors::SPURIOUS),
        errors: 0,
        timer_divide: 0b1011,
    };
    ensure!(settings == expected, "CPU {id}'s APIC has {settings:x?}, not {expected:x?}");
    for (entry, value) in &entries {
        let expected = expected_entry(*entry);
        ensure!(*value == expected, "CPU {id}'s interrupt {entry:?} is {value:#x}, not {expected:#x}");
    }
    ensure!(entries.len() >= 4, "CPU {id}'s APIC has the interrupts {entries:x?} only");
    ensure!(
        arch::are_machine_checks_on(),
        "CPU {id} has a machine-check bank that is off, or holds an error"
    );
    Ok(())
}

/// Returns the values, written out once more: this test does not share the constants of `arch`.
fn expected_registers() -> CpuRegisters {
    let (general, extended) = (arch::cpuid(1), arch::cpuid(7));
    let has = |leaf: &Option<Leaf>, which: fn(&Leaf) -> u32, bit: u32| {
        leaf.as_ref().is_some_and(|leaf| which(leaf) & 1 << bit != 0)
    };
    let mut cr4 = 0x220;
    for (bit, is_on) in [
        (0x40, has(&general, |leaf| leaf.edx, 7)),
        (0x800, has(&extended, |leaf| leaf.ecx, 2)),
        (0x10_0000, has(&extended, |leaf| leaf.ebx, 7)),
        (0x20_0000, has(&extended, |leaf| leaf.ebx, 20)),
        (0x100_0000, has(&extended, |leaf| leaf.ecx, 31)),
    ] {
        cr4 |= if is_on { bit } else { 0 };
    }
    CpuRegisters {
        cr0: 0x8001_003b,
        cr4,
        cr8: 0,
        efer: 0xd00,
        pat: 0x0007_0106_0007_0106,
        dr7: 0x400,
        sysenter_cs: 0,
    }
}

/// Returns the expected value of an entry of the local vector table.
fn expected_entry(entry: LocalInterrupt) -> u32 {
    match entry {
        LocalInterrupt::Timer => 0xe0,
        LocalInterrupt::Lint1 => 0x400,
        LocalInterrupt::Lint0
        | LocalInterrupt::Error
        | LocalInterrupt::Performance
        | LocalInterrupt::Thermal
        | LocalInterrupt::CorrectedError => 0x1_0000,
    }
}
