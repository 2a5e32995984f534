//! Plain loads and stores of registers: they raise SIGSEGV, since the pages have no access rights, and the device's model answers. Any other
//! access without rights ends the run with a report.
use crate::decode::{Access, decode};
use crate::finding::Kind;
use crate::model::Bus;
use crate::process;
use crate::regions::{PAGE, pointer};
use crate::schedule::{Pace, point, steps};
use crate::stepping::{self, Step};
use crate::world::{describe, is_free, with};
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use std::backtrace::Backtrace;
use std::cell::Cell;

/// The longest instruction.
const LONGEST: usize = 15;
/// The trap flag of RFLAGS.
const TRAP: i64 = stepping::TRAP as i64;
/// The error code's bit of a write (Intel SDM vol. 3 §4.7).
const WRITE: i64 = 2;

/// The registers by the numbers of instructions.
const REGISTERS: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// An instruction that the processor executes on a register's page, with its result still to be stored.
#[derive(Clone, Copy)]
struct Executed {
    address: usize,
    width: u8,
    is_write: bool,
}

struct OneExecuted(Cell<Option<Executed>>);
// SAFETY: each run is a process of its own with one thread.
unsafe impl Sync for OneExecuted {}
static EXECUTED: OneExecuted = OneExecuted(Cell::new(None));

/// Sets the handlers of this process's signals.
pub fn install() {
    let signals = [libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP, libc::SIGILL, libc::SIGFPE];
    for signal in signals {
        // SAFETY: zeros are a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as usize;
        // A handler of the driver, which the signal's handler may run, may access registers, too.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: the action is valid, and its handler has the type that the flag asks for.
        unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes both, and they exist until this function returns.
    let (info, registers) = unsafe { (&*info, &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs) };
    match signal {
        libc::SIGTRAP => match EXECUTED.0.take() {
            Some(executed) => end_step(executed, registers),
            None => step(registers),
        },
        libc::SIGSEGV => {
            // SAFETY: the signal has an address.
            let address = unsafe { info.si_addr() }.expose_provenance();
            if !with(|world| world.devices.registers_at(address).is_some()) {
                crash(signal, address, registers);
            }
            access(address, registers);
        }
        _ => {
            // SAFETY: the signal has an address.
            let address = unsafe { info.si_addr() }.expose_provenance();
            crash(signal, address, registers)
        }
    }
}

type Saved = [i64; 23];

fn register_of(registers: &mut Saved, number: u8) -> &mut i64 {
    &mut registers[REGISTERS[usize::from(number & 15)] as usize]
}

/// Executes the instruction that accesses a register of a device.
fn access(address: usize, registers: &mut Saved) {
    let code = registers[libc::REG_RIP as usize] as usize;
    // SAFETY: an instruction is there, and behind the last one of a program there is more of its file.
    let bytes = unsafe { std::slice::from_raw_parts(pointer(code), LONGEST) };
    let Some(instruction) = decode(bytes) else {
        let text = format!("no plain load or store of an integer: {bytes:02x?}");
        end(&format!("the instruction at {code:#x} accesses a register of a device, but is {text}"));
    };
    match instruction.access {
        Access::Load { register, width, to, is_signed, is_high } => {
            let value = load(address, width);
            let unused = 64 - 8 * u32::from(width);
            let value = if is_signed { ((value << unused) as i64 >> unused) as u64 } else { value };
            let target = register_of(registers, register);
            let old = *target as u64;
            *target = match (to, is_high) {
                (1, true) => old & !0xff00 | (value & 0xff) << 8,
                (1, false) => old & !0xff | value & 0xff,
                (2, _) => old & !0xffff | value & 0xffff,
                (4, _) => value & 0xffff_ffff,
                _ => value,
            } as i64;
        }
        Access::Store { register, width, is_high } => {
            let value = *register_of(registers, register) as u64;
            store(address, width, if is_high { value >> 8 } else { value });
        }
        Access::StoreNumber { value, width } => store(address, width, value),
        Access::Compute { width, is_read, is_write } => {
            let value = if is_read { load(address, width) } else { 0 };
            set_rights(address, libc::PROT_READ | libc::PROT_WRITE);
            // SAFETY: the page is the mapping's own, and may be accessed now.
            unsafe { pointer(address).copy_from(value.to_le_bytes().as_ptr(), usize::from(width)) };
            EXECUTED.0.set(Some(Executed { address, width, is_write }));
            registers[libc::REG_EFL as usize] |= TRAP;
            return;
        }
    }
    registers[libc::REG_RIP as usize] += instruction.length as i64;
    let steps = steps();
    if steps > 0 {
        stepping::set(steps);
        registers[libc::REG_EFL as usize] |= TRAP;
    }
}

/// Goes on after an instruction of the driver was executed alone: with the next one, or with what else may run.
fn step(registers: &mut Saved) {
    match stepping::count() {
        Step::Another => return,
        Step::Last if is_free() => point(Pace::Yields),
        Step::Last | Step::None => {}
    }
    registers[libc::REG_EFL as usize] &= !TRAP;
}

/// Ends what [`Access::Compute`] began: the processor has executed the instruction.
fn end_step(step: Executed, registers: &mut Saved) {
    registers[libc::REG_EFL as usize] &= !TRAP;
    let mut value = [0; 8];
    // SAFETY: the page is the mapping's own, and may be accessed until the next line.
    unsafe { value.as_mut_ptr().copy_from(pointer(step.address), usize::from(step.width)) };
    set_rights(step.address, libc::PROT_NONE);
    if step.is_write {
        store(step.address, step.width, u64::from_le_bytes(value));
    }
}

fn set_rights(address: usize, rights: c_int) {
    // SAFETY: the page is one of a mapping of registers, which holds nothing.
    unsafe { libc::mprotect(pointer(address / PAGE * PAGE).cast(), PAGE, rights) };
}

/// Where a register lies: its device, its BAR, and its offset there. `None` if there is no such register, which is a finding.
fn find(address: usize, width: u8, is_write: bool) -> Option<(usize, u32, u64)> {
    with(|world| {
        let registers = world.devices.registers_at(address)?;
        let device = &world.devices.all[registers.device];
        let verb = if is_write { "writes" } else { "reads" };
        let offset = address.wrapping_sub(registers.start) as u64;
        let bar = registers.bar;
        let what = || format!("the driver {verb} {width} bytes at {offset:#x} of a mapping of BAR {bar}");
        if offset.checked_add(u64::from(width)).is_none_or(|end| end > registers.bytes) {
            world.found(Kind::WildRegister, format!("{}, which has {:#x} bytes", what(), registers.bytes));
            return None;
        }
        if device.is_gone {
            return None;
        }
        if !device.decodes_memory() {
            world.found(Kind::WildRegister, format!("{}, but the device's memory is not enabled", what()));
            return None;
        }
        if !offset.wrapping_add(registers.offset).is_multiple_of(u64::from(width)) {
            world.found(Kind::WildRegister, format!("{}, which is not aligned", what()));
        }
        Some((registers.device, registers.bar, registers.offset + offset))
    })
}

/// Reads a register. Where there is none, it has all ones.
fn load(address: usize, width: u8) -> u64 {
    point(Pace::Looks);
    let ones = u64::MAX >> (64 - 8 * u32::from(width));
    let Some((device, bar, offset)) = find(address, width, false) else { return ones };
    let model = with(|world| world.devices.all[device].model.clone());
    let value = model.borrow_mut().read(&Bus { device }, bar, offset, u32::from(width));
    value & ones
}

/// Writes a register. Where there is none, nothing happens.
fn store(address: usize, width: u8, value: u64) {
    point(Pace::Works);
    let ones = u64::MAX >> (64 - 8 * u32::from(width));
    let Some((device, bar, offset)) = find(address, width, true) else { return };
    let model = with(|world| world.devices.all[device].model.clone());
    model.borrow_mut().write(&Bus { device }, bar, offset, u32::from(width), value & ones);
}

/// Ends the run with a report of an exception.
fn crash(signal: c_int, address: usize, registers: &Saved) -> ! {
    let code = registers[libc::REG_RIP as usize];
    let verb = if registers[libc::REG_ERR as usize] & WRITE != 0 { "writes" } else { "reads" };
    let what = match signal {
        libc::SIGILL => format!("executes an invalid opcode at {code:#x}"),
        libc::SIGFPE => format!("divides by zero at {code:#x}"),
        _ => {
            let region = with(|world| world.regions.find(address).map(|region| region.describe(address)));
            let region = region.unwrap_or_else(|| "memory that is nobody's".into());
            format!("{verb} {address:#x} at {code:#x}: {region}")
        }
    };
    let who = with(|world| world.contexts.here().name.clone());
    end(&format!("{who:?} {what}"))
}

/// Ends the run, with the stack. That may need a lock which another thread had when this process began, so it comes last.
fn end(what: &str) -> ! {
    process::report(&format!("{what}\n{}", describe()));
    process::fail(&format!("{}", Backtrace::force_capture()))
}
