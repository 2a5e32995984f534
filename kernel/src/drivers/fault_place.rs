//! Where an exception has happened, if it is a driver's alone: whose code it was, and who has called it.
use crate::arch::{self, CallRecord, Frame, guarded};
use crate::cpu;
use crate::cpu::code_mark::{self, CodeKind};
use crate::memory::protection;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use crate::threads::{cpu_threads, owners};
use ::address_space::layout::{BOOT_LOADER, DRIVERS, STACKS};
use core::{fmt, ptr};
use fault_text::exception_name;
use protection_keys::Rights;
use units::VirtAddr;

/// An exception in the code of a driver, where that code can be left.
pub struct FaultPlace {
    /// The driver that the kernel has called: it returns to the kernel, or the thread is its own.
    caller: &'static Owner,
    /// The driver whose code it is; `None` if the CPU has jumped to what is no code, or none that this driver calls.
    code: Option<&'static Owner>,
    kind: CodeKind,
}

impl FaultPlace {
    /// Returns the place, or `None` if the exception is not a driver's alone. Nothing but the frame and its stack is looked at before the
    /// code is known to be a driver's: an exception in the kernel may mean that the CPU's own data are damaged.
    pub fn of(frame: &Frame) -> Option<Self> {
        let at = frame.instruction_pointer;
        let is_drivers = |at| is_drivers(at) || has_drivers_rights(frame);
        // A driver whose stack has ended, or that has lost it, raises an exception that cannot be delivered.
        let may_be = arch::is_of_code(frame)
            || is_drivers(at) && (arch::is_double_fault(frame) || arch::is_by_instruction(frame));
        if !may_be || !(is_drivers(at) || arch::is_jump_to_nowhere(frame)) {
            return None;
        }
        let code = owners::of_code(VirtAddr(at));
        let kind = code_mark::current().kind();
        if code.is_none()
            && !has_drivers_rights(frame)
            && !(arch::is_jump_to_nowhere(frame) && has_jumped(frame, kind))
        {
            return None;
        }
        Self::of_code(code, kind)
    }

    /// Returns the place of code that an interrupt of any kind has interrupted, or `None` if it is not a driver's. Entry code of another interrupt
    /// is the kernel's, also with a driver's rights, which it has for its first instructions: if a non-maskable interrupt left it, nothing would
    /// end the other one in the APIC, and the CPU would take no other.
    pub fn of_interrupted(frame: &Frame) -> Option<Self> {
        let at = frame.instruction_pointer;
        let code = if is_drivers(at) { owners::of_code(VirtAddr(at)) } else { None };
        if code.is_none() && (!has_drivers_rights(frame) || arch::is_entry_code(at)) {
            return None;
        }
        Self::of_code(code, code_mark::current().kind())
    }

    fn of_code(code: Option<&'static Owner>, kind: CodeKind) -> Option<Self> {
        // On a thread, the kernel has called nothing and is in no function of its own: that would be on the way to the thread's code.
        let may_be_left = kind != CodeKind::Thread || !cpu::is_preemption_off();
        let caller = whose_code::calling_driver().filter(|_| may_be_left)?;
        Some(Self { caller, code: code.filter(|code| may_run(caller, code)), kind })
    }

    /// Returns how the code was called.
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    /// Returns the driver that has failed.
    pub fn failed(&self) -> &'static Owner {
        self.code.unwrap_or(self.caller)
    }

    /// Returns the driver that the kernel has called, or whose thread it is.
    pub fn caller(&self) -> &'static Owner {
        self.caller
    }

    /// Returns true if the code ran on a thread of its driver's own, as what the thread does.
    pub fn is_on_own_thread(&self) -> bool {
        self.kind == CodeKind::Thread
    }

    /// Describes the exception with this frame.
    pub fn of_frame<'f>(&'f self, frame: &'f Frame) -> impl fmt::Display {
        FaultDescription { place: self, frame }
    }
}

/// Returns true if drivers' images lie at addresses like this.
pub fn is_drivers(address: u64) -> bool {
    (DRIVERS.0..BOOT_LOADER.0).contains(&address)
}

/// Returns true if code of `other` may run in a call of `caller`: one of them uses an interface of the other one. Otherwise `caller` has jumped
/// there by mistake.
fn may_run(caller: &Owner, other: &Owner) -> bool {
    let (key, others) = (caller.protection_key(), other.protection_key());
    ptr::eq(caller, other) || protection::is_user(others, key) || protection::is_user(key, others)
}

/// Returns true if the code had the rights of a driver: then it is a driver's, even if the CPU has jumped into the kernel's code.
fn has_drivers_rights(frame: &Frame) -> bool {
    frame.rights != Rights::KERNEL
}

/// Returns true if it was code of a driver that has jumped to what is no code. A call has left an address of that code on the stack. A jump
/// or a return at the end of the function that the kernel has called leaves the stack as it was at the call.
fn has_jumped(frame: &Frame, kind: CodeKind) -> bool {
    let is_call = is_drivers(guarded::read_u64::<0, 0>(frame.stack_pointer as usize));
    let is_left = |record: &CallRecord| record.is_left_at(frame.stack_pointer);
    is_call
        || if kind == CodeKind::Thread { frame.has_interrupts_on() } else { is_left(code_mark::innermost()) }
}

struct FaultDescription<'f> {
    place: &'f FaultPlace,
    frame: &'f Frame,
}

impl fmt::Display for FaultDescription<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.frame.instruction_pointer;
        out.write_str(exception_name(self.frame.vector.into()))?;
        match self.place.code {
            Some(driver) => write!(out, " at offset {:#x}", at - driver.image().start)?,
            None => write!(out, " at {at:#018x}, which is none of its code")?,
        }
        let stack = VirtAddr(self.frame.stack_pointer);
        if arch::is_double_fault(self.frame) && STACKS.slot_of(stack).is_none() {
            write!(out, ": the stack pointer {:#018x} leads to no stack", stack.0)?;
        } else if let Some(address) = arch::fault_address(self.frame) {
            write!(out, ", address {:#018x}{}", address.0, arch::page_fault_words(self.frame))?;
        }
        if arch::fault_address(self.frame).is_some_and(|address| STACKS.is_guard(address)) {
            out.write_str(": the stack has overflown")?;
        }
        if arch::is_use_of_the_fpu(self.frame) {
            out.write_str(": it uses the FPU or vector registers; compile it with -mgeneral-regs-only")?;
        }
        match self.place.kind {
            CodeKind::Thread => write!(out, ", in thread {}", cpu_threads::current_thread().name),
            CodeKind::Handler => out.write_str(", in a handler"),
            CodeKind::OfQueue => out.write_str(", in a function of its block device"),
            CodeKind::Done => out.write_str(", in Done of a request"),
        }
    }
}
