//! Keeping the running thread on its CPU, with interrupts as they are; and what was put off meanwhile.
use super::cpu_local;
use super::{Cpu, current};
use crate::arch::{self, InterruptsOff, NO_WORK, PreemptionEnd};
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// While it lives, no other thread gets this CPU; interrupts are still handled. May be nested. Costs one instruction, and
/// two at the end, which also see whether something was put off meanwhile.
pub struct PreemptionOff(());

impl PreemptionOff {
    /// Begins.
    #[inline]
    pub fn new() -> Self {
        arch::begin_no_preemption();
        Self(())
    }
}

impl Drop for PreemptionOff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new` has begun it.
        unsafe { arch::end_no_preemption::<DoPending>() };
    }
}

/// Returns true while a [`PreemptionOff`] lives on this CPU.
pub fn is_preemption_off() -> bool {
    arch::head_at(arch::cpu_local_distance()).preemption.load(Ordering::Relaxed) & !NO_WORK != 0
}

/// What a CPU does as soon as preemption is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DeferredWork {
    /// Return the pages in the CPU's cache, which another CPU wants.
    Drain = 0,
    /// Let the next thread run: the time slice of the running one is over.
    Switch = 1,
}

impl DeferredWork {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

cpu_local! {
    /// What is to be done as soon as preemption is on.
    static PENDING: AtomicU8 = AtomicU8::new(0);
}

/// Who does what was put off: recall, switch.
static DEFERRED: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];

/// Has `work` called for this kind of pending work.
pub fn register_deferred(what: DeferredWork, work: fn()) {
    DEFERRED[what as usize].store(work as *mut (), Ordering::Release);
}

#[inline]
fn call_deferred(what: DeferredWork) {
    let work = DEFERRED[what as usize].load(Ordering::Relaxed);
    if !work.is_null() {
        // SAFETY: only `register_deferred` stores here.
        unsafe { core::mem::transmute::<*mut (), fn()>(work)() };
    }
}

/// Gives back what others ask of this CPU's cache. For threads that wait and do not use it just now.
pub(super) fn serve_drain() {
    call_deferred(DeferredWork::Drain);
}

/// Notes that something is to be done on the CPU as soon as preemption is on there: an interrupt does, or who sends one.
pub fn defer(cpu: &Cpu, what: DeferredWork) {
    PENDING.of(cpu).fetch_or(what.bit(), Ordering::Relaxed);
}

struct DoPending;

impl PreemptionEnd for DoPending {
    extern "C" fn preempt() {
        if InterruptsOff::are_off() {
            // Something that keeps interrupts off is under way around this; the next tick will do.
            return;
        }
        let _off = InterruptsOff::new();
        at_end_of_interrupt();
    }
}

/// At the end of an interrupt, or of a stretch without preemption: does what is pending, unless it must be put off to the end
/// of such a stretch. Interrupts are off.
#[inline]
pub(super) fn at_end_of_interrupt() {
    let pending = PENDING.here();
    if pending.load(Ordering::Relaxed) != 0 {
        do_pending(pending);
    }
}

fn do_pending(pending: &AtomicU8) {
    let count = &arch::head_at(current().distance).preemption;
    if count.load(Ordering::Relaxed) & !NO_WORK != 0 {
        count.fetch_and(!NO_WORK, Ordering::Relaxed);
        return;
    }
    count.fetch_or(NO_WORK, Ordering::Relaxed);
    let what = pending.swap(0, Ordering::Relaxed);
    if what & DeferredWork::Drain.bit() != 0 {
        call_deferred(DeferredWork::Drain);
    }
    if what & DeferredWork::Switch.bit() != 0 {
        call_deferred(DeferredWork::Switch);
    }
}
