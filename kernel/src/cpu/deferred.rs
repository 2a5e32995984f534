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
    /// Note that the CPU is in no stretch without preemption, because another CPU waits for that.
    Pass = 2,
    /// Note that the CPU gets on, because a tick has found preemption off.
    Progress = 3,
    /// Take the reserve back of the stack that the CPU runs on.
    CloseReserve = 4,
}

impl DeferredWork {
    /// All kinds, in the order in which a CPU does them.
    const ALL: [Self; 5] = [Self::CloseReserve, Self::Drain, Self::Pass, Self::Progress, Self::Switch];

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

static HOOKS: [Hook<fn()>; DeferredWork::ALL.len()] = [const { Hook::new() }; DeferredWork::ALL.len()];

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
    if arch::is_cpu_local_byte_set!(PENDING) {
        run_pending(off);
    }
}

#[inline(never)]
fn run_pending(off: &InterruptsOff) {
    while arch::begin_work(off) {
        let work = PENDING.here(off).swap(0, Ordering::Relaxed);
        DeferredWork::ALL.into_iter().filter(|kind| work & kind.bit() != 0).for_each(DeferredWork::run);
        // The thread may have moved to another CPU, and the work may have deferred its rest.
        if PENDING.here(off).load(Ordering::Relaxed) == 0 {
            return;
        }
        let_interrupts_in(off);
    }
}

/// Lets the interrupts in that have come during a long piece of work with interrupts off. They find preemption off: what they defer is
/// left to the caller, or to the end of the next interrupt. The caller holds no lock.
pub fn let_interrupts_in(off: &InterruptsOff) {
    arch::begin_no_preemption();
    arch::let_interrupts_in(off);
    // SAFETY: the stretch has begun above, and no thread leaves its CPU in one. The work is left, as said above.
    let _ = unsafe { arch::end_no_preemption_is_due() };
}

/// Returns some of the pages in this CPU's page cache if another CPU has asked for them. The caller does not use the cache.
pub(super) fn serve_drain() {
    DeferredWork::Drain.run();
}
