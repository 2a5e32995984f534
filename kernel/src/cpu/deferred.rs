//! Work that interrupts defer: a CPU does it at the end of the interrupt or, if preemption is off, once it is on again.
use super::cpu_local;
use super::hook::Hook;
use super::identity::Cpu;
use crate::arch::{self, InterruptsOff};
use core::sync::atomic::{AtomicU8, Ordering};

/// What a CPU does as soon as preemption is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DeferredWork {
    /// Return the pages in the CPU's cache to their node, because another CPU has asked for them.
    Drain = 0,
    /// Run the next thread: the running thread's time slice is over, or the thread may not run on this CPU.
    Switch = 1,
}

impl DeferredWork {
    const COUNT: usize = 2;

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    fn run(self) {
        if let Some(work) = HOOKS[self as usize].get() {
            work();
        }
    }
}

cpu_local! {
    /// The work that is pending: bit n for kind n.
    static PENDING: AtomicU8 = AtomicU8::new(0);
}

static HOOKS: [Hook<fn()>; DeferredWork::COUNT] = [const { Hook::new() }; DeferredWork::COUNT];

/// Registers the function that does this kind of work.
pub fn register_deferred(what: DeferredWork, work: fn()) {
    HOOKS[what as usize].set(work);
}

/// Notes that `cpu` has work to do as soon as preemption is on there. That CPU looks for it at the end of its next interrupt. So
/// the caller is that interrupt's handler, or sends an interrupt afterwards.
pub fn defer(cpu: &Cpu, what: DeferredWork) {
    PENDING.of(cpu).fetch_or(what.bit(), Ordering::Relaxed);
}

/// Does the pending work of this CPU, if preemption is on. Otherwise the CPU does the work once preemption is on again.
#[inline]
pub(super) fn run(off: &InterruptsOff) {
    let pending = PENDING.here(off);
    if pending.load(Ordering::Relaxed) != 0 {
        run_pending(pending, off);
    }
}

#[inline(never)]
fn run_pending(pending: &AtomicU8, off: &InterruptsOff) {
    if !arch::begin_work(off) {
        return;
    }
    let mut work = pending.swap(0, Ordering::Relaxed);
    // To drain takes long, so interrupts come meanwhile. The thread stays on this CPU, and they may defer further work.
    while work & DeferredWork::Drain.bit() != 0 {
        arch::let_interrupts_in(off, || DeferredWork::Drain.run());
        work = work & !DeferredWork::Drain.bit() | pending.swap(0, Ordering::Relaxed);
    }
    if work & DeferredWork::Switch.bit() != 0 {
        DeferredWork::Switch.run();
    }
}

/// Drains this CPU's page cache if another CPU has asked for that. The caller does not use the cache.
pub(super) fn serve_drain() {
    DeferredWork::Drain.run();
}
