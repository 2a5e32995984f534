//! Machine checks: errors that the hardware finds in itself and keeps in banks of registers (Intel SDM vol. 3 §16).
use ::x86_64::registers::model_specific::Msr;
use core::arch::x86_64::__cpuid;
use fault_text::MachineCheckError;

const CAPABILITIES: u32 = 0x179;
const GLOBAL_STATUS: u32 = 0x17a;
const GLOBAL_CONTROL: u32 = 0x17b;
/// The first bank's control register. Status, address and further information follow, then the next bank.
const FIRST_BANK: u32 = 0x400;
const REGISTERS_OF_A_BANK: u32 = 4;

/// In [`CAPABILITIES`]: there is a global control register.
const HAS_GLOBAL_CONTROL: u64 = 1 << 8;
/// In [`CAPABILITIES`]: there are interrupts for corrected errors.
const HAS_CORRECTED_INTERRUPT: u64 = 1 << 10;

/// Returns true if the CPU has machine-check banks.
fn has_banks() -> bool {
    __cpuid(1).edx & 1 << 14 != 0
}

fn capabilities() -> u64 {
    // SAFETY: CPUID says that the CPU has the register.
    if has_banks() { unsafe { Msr::new(CAPABILITIES).read() } } else { 0 }
}

/// Returns true if the APIC has a local interrupt for corrected errors.
pub fn has_corrected_interrupt() -> bool {
    capabilities() & HAS_CORRECTED_INTERRUPT != 0
}

/// Returns the number of the running CPU's banks.
pub fn banks() -> u32 {
    (capabilities() & 0xff) as u32
}

/// Returns the status of the machine check that the running CPU handles, or 0 if it has no banks.
pub fn status() -> u64 {
    // SAFETY: CPUID says that the CPU has the register.
    if has_banks() { unsafe { Msr::new(GLOBAL_STATUS).read() } } else { 0 }
}

/// Returns the error that a bank of the running CPU holds. The CPU has this bank.
pub fn error(bank: u32) -> Option<MachineCheckError> {
    // SAFETY: the caller asks for a bank that `banks` counts. The registers after the status are read only if the status says that they
    // are there.
    let read = |offset| unsafe { Msr::new(FIRST_BANK + REGISTERS_OF_A_BANK * bank + offset).read() };
    MachineCheckError::new(bank, read(1), || read(2), || read(3))
}

/// Switches every error of every bank of the running CPU on, and calls `report` with each error that the banks hold from before the
/// boot, which it then clears, as Intel SDM vol. 3 §16.8 prescribes. CPUs may share banks, and only the first one finds the error.
pub fn init_this_cpu(report: &mut dyn FnMut(MachineCheckError)) {
    let capabilities = capabilities();
    if capabilities & HAS_GLOBAL_CONTROL != 0 {
        // SAFETY: the capabilities say that the register exists. All ones is the value that switches all errors on.
        unsafe { Msr::new(GLOBAL_CONTROL).write(u64::MAX) };
    }
    for bank in first_controlled_bank()..banks() {
        // SAFETY: the CPU has this bank, and all ones is the value that switches all of its errors on.
        unsafe { control_of(bank).write(u64::MAX) };
    }
    for bank in 0..banks() {
        error(bank).into_iter().for_each(&mut *report);
        // SAFETY: the CPU has this bank. Writing 0 clears its status.
        unsafe { Msr::new(FIRST_BANK + REGISTERS_OF_A_BANK * bank + 1).write(0) };
    }
    if has_banks() {
        // SAFETY: CPUID says that the CPU has the register. Writing 0 says that no machine check is being handled; while one is, another
        // would shut the CPU down.
        unsafe { Msr::new(GLOBAL_STATUS).write(0) };
    }
}

fn control_of(bank: u32) -> Msr {
    Msr::new(FIRST_BANK + REGISTERS_OF_A_BANK * bank)
}

/// Returns the first bank whose control register the kernel may write. On Intel's family 6 before model 1Ah, bank 0's belongs to the
/// firmware (Intel SDM vol. 3 §16.3.2.1).
fn first_controlled_bank() -> u32 {
    let version = __cpuid(1).eax;
    let (family, model) = (version >> 8 & 0xf, version >> 4 & 0xf | version >> 12 & 0xf0);
    let is_intel = __cpuid(0).ebx == u32::from_le_bytes(*b"Genu");
    u32::from(is_intel && family == 6 && model < 0x1a)
}

/// Returns true if each bank of the running CPU reports every error that it can, and holds none.
pub fn is_on_and_clear() -> bool {
    let global = (capabilities() & HAS_GLOBAL_CONTROL != 0).then_some(Msr::new(GLOBAL_CONTROL));
    let reports_all = (first_controlled_bank()..banks()).map(control_of).chain(global).all(|mut control| {
        // A bank has only the bits of errors that it knows, so all ones may read back as less.
        // SAFETY: the CPU has these registers, and all ones is what `init_this_cpu` has written.
        let (before, after) = unsafe {
            let before = control.read();
            control.write(u64::MAX);
            (before, control.read())
        };
        before == after
    });
    reports_all && status() == 0 && (0..banks()).all(|bank| error(bank).is_none())
}
