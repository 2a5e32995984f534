//! Keeping the running thread on its CPU, with interrupts as they are; and what was put off meanwhile.
use super::cpu_local;
use super::{Cpu, current};
use crate::arch::{self, InterruptsOff, NOTHING_DUE, PreemptionEnd};
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

/// The CPU's free pages are wanted by others.
pub const PENDING_RECALL: u8 = 1;
/// The running thread's turn is over.
pub const PENDING_SWITCH: u8 = 2;

cpu_local! {
    /// What is to be done as soon as preemption is on.
    static PENDING: AtomicU8 = AtomicU8::new(0);
}

/// Who does what was put off: recall, switch.
static DEFERRED: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];

/// Has `work` called for this kind of pending work.
pub fn register_deferred(what: u8, work: fn()) {
    DEFERRED[what.trailing_zeros() as usize].store(work as *mut (), Ordering::Release);
}

#[inline]
fn call_deferred(what: u8) {
    let work = DEFERRED[what.trailing_zeros() as usize].load(Ordering::Relaxed);
    if !work.is_null() {
        // SAFETY: only `register_deferred` stores here.
        unsafe { core::mem::transmute::<*mut (), fn()>(work)() };
    }
}

/// Gives back what others ask of this CPU's cache. For threads that wait and do not use it just now.
pub(super) fn answer_recall() {
    call_deferred(PENDING_RECALL);
}

/// Notes that something is to be done on the CPU as soon as preemption is on there: an interrupt does, or who sends one.
pub fn pend(cpu: &Cpu, what: u8) {
    PENDING.of(cpu).fetch_or(what, Ordering::Relaxed);
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
    if count.load(Ordering::Relaxed) & !NOTHING_DUE != 0 {
        count.fetch_and(!NOTHING_DUE, Ordering::Relaxed);
        return;
    }
    count.fetch_or(NOTHING_DUE, Ordering::Relaxed);
    let what = pending.swap(0, Ordering::Relaxed);
    if what & PENDING_RECALL != 0 {
        call_deferred(PENDING_RECALL);
    }
    if what & PENDING_SWITCH != 0 {
        call_deferred(PENDING_SWITCH);
    }
}
