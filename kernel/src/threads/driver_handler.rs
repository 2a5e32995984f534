//! Which driver's handler a CPU runs: the callback of a timer, or of an interrupt of a device.
use super::cpu_threads;
use super::owner::Owner;
use crate::arch::InterruptsOff;
use crate::cpu::handler_mark;
use core::ptr;

/// Marks the running CPU as one that runs a handler of a driver, while it lives. Whoever calls a driver's handler makes one around
/// the call. Interrupts stay off meanwhile, and nothing else marks the CPU.
pub struct InHandler<'a>(&'a InterruptsOff);

impl<'a> InHandler<'a> {
    /// Sets the mark. A handler of the kernel's own, in tests, has no owner and leaves no mark.
    pub fn enter(owner: Option<&'static Owner>, off: &'a InterruptsOff) -> Self {
        handler_mark::enter(owner.map_or(ptr::null(), ptr::from_ref).cast(), off);
        Self(off)
    }
}

impl Drop for InHandler<'_> {
    fn drop(&mut self) {
        handler_mark::leave(self.0);
    }
}

/// Returns the driver whose handler the running CPU runs. One instruction reads it: a thread may move to another CPU at any time, and
/// finds none on the CPU that it is on.
#[inline(always)]
pub fn owner() -> Option<&'static Owner> {
    // SAFETY: handlers are marked with null, or with a pointer made from a `&'static Owner`: by `InHandler::enter`, or by the folder
    // `devices`, which attaches handlers.
    unsafe { handler_mark::owner().cast::<Owner>().as_ref() }
}

/// Returns the driver that calls: the one whose handler the CPU runs, else the one whose code the running thread runs. `None` for
/// the kernel.
#[inline(always)]
pub fn calling_driver() -> Option<&'static Owner> {
    owner().or_else(|| cpu_threads::current_thread().driver())
}

/// Returns a number that no two drivers have in common; 0 for the kernel.
#[inline(always)]
pub fn number_of(owner: Option<&'static Owner>) -> usize {
    owner.map_or(0, |owner| ptr::from_ref(owner).addr())
}

/// Returns the number of the driver that calls.
#[inline(always)]
pub fn calling_number() -> usize {
    match handler_mark::owner().addr() {
        0 => number_of(cpu_threads::current_thread().driver()),
        handlers => handlers,
    }
}
