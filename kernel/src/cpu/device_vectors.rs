//! Interrupts of devices: each CPU's table from vector to handlers, its free vectors, and the barrier.
//!
//! The folder `devices` decides which interrupt goes where. What is here is what the interrupt itself needs: it finds its handlers
//! in its own CPU's table, without a lock and without a search.
use super::code_mark::{self, CodeMark};
use super::cpu_local;
use super::hook::Hook;
use super::identity::Cpu;
use super::may_wait::MayWait;
use super::requests;
use crate::arch::{self, InterruptsOff};
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use device_interrupts::{Barrier, Counts, Streak, Tally, VectorSet};

/// What a handler returns if its device did not interrupt. Any other value claims the interrupt.
const NOT_MINE: i32 = 0;
/// What counts as a handler's result if it has failed.
const FAILED: i32 = 1;

/// A function that handles an interrupt. It runs with interrupts off.
pub type DeviceHandler = unsafe extern "C" fn(context: *mut c_void) -> u32;

/// A handler, and what is counted of it. A source has a list of them.
pub struct AttachedHandler {
    /// A [`DeviceHandler`].
    function: AtomicPtr<()>,
    context: *mut c_void,
    /// Whose handler it is.
    mark: &'static CodeMark,
    next: AtomicPtr<AttachedHandler>,
    tally: Tally,
}

// SAFETY: nothing here uses what `context` points at. `context` is passed to `function`, which by `AttachedHandler::new` may be
// called with it on any CPU.
unsafe impl Send for AttachedHandler {}
// SAFETY: as for `Send`. The other fields are atomic.
unsafe impl Sync for AttachedHandler {}

impl AttachedHandler {
    /// Returns a handler that has not run. `mark` names the driver that it belongs to.
    ///
    /// # Safety
    /// While the handler is in a source's list, `function` may be called with `context`, with interrupts off, on any CPU.
    pub unsafe fn new(function: DeviceHandler, context: *mut c_void, mark: &'static CodeMark) -> Self {
        let function = AtomicPtr::new(function as *mut ());
        Self { function, context, mark, next: AtomicPtr::new(core::ptr::null_mut()), tally: Tally::new() }
    }

    /// Returns what was counted. Times are in ticks.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Keeps the function from being called from here on, because its driver has failed. It then claims no interrupt.
    pub fn silence(&self) {
        unsafe extern "C" fn claim_none(_: *mut c_void) -> u32 {
            0
        }
        self.function.store(claim_none as *mut (), Ordering::SeqCst);
    }

    /// Calls the function, and counts the call. Returns true if it claims the interrupt.
    #[inline(always)]
    fn run(&self, _: &InterruptsOff) -> bool {
        let start = arch::ticks();
        let function = self.function.load(Ordering::Relaxed);
        // SAFETY: by the condition of `new`, and since the handler is in a list: `Source::run` calls this only for those. The mark is
        // there for good.
        let result = unsafe { code_mark::call_with_one::<FAILED>(self.mark, function, self.context.addr()) };
        let is_claimed = result != NOT_MINE;
        let ticks = arch::ticks().wrapping_sub(start);
        self.tally.count(is_claimed);
        if self.tally.is_longest(ticks) { self.note_longest(ticks, is_claimed) } else { is_claimed }
    }

    /// Notes that no run has taken as many ticks, and reports it if it was too long. Returns `is_claimed`, so that the caller need not keep it.
    #[cold]
    #[inline(never)]
    fn note_longest(&self, ticks: u64, is_claimed: bool) -> bool {
        self.tally.set_longest(ticks);
        report_if_overrun(self.mark, self.function.load(Ordering::Relaxed), ticks);
        is_claimed
    }
}

/// Where interrupts come from: a vector of a device, or a line that devices share. One CPU at a time handles it.
pub struct Source {
    /// The first handler. The list is changed under a lock of the folder `devices`.
    first: AtomicPtr<AttachedHandler>,
    streak: Streak,
    /// By this the folder `devices` knows the source.
    pub name: u64,
}

impl Source {
    /// Returns a source without handlers.
    pub const fn new(name: u64) -> Self {
        Self { first: AtomicPtr::new(core::ptr::null_mut()), streak: Streak::new(), name }
    }

    /// Puts a handler in front of the list. It runs from the next interrupt on.
    ///
    /// # Safety
    /// The caller alone changes the list meanwhile. The handler stays in memory until it is removed and [`wait_for_handlers`] has
    /// returned for the CPU of the source.
    pub unsafe fn add(&self, handler: NonNull<AttachedHandler>) {
        // SAFETY: the handler is in memory, by this function's second condition.
        unsafe { handler.as_ref() }.next.store(self.first.load(Ordering::Relaxed), Ordering::Relaxed);
        self.first.store(handler.as_ptr(), Ordering::Release);
    }

    /// Takes a handler out of the list, if it is there. The CPU of the source may run it until [`wait_for_handlers`] has returned.
    ///
    /// # Safety
    /// The caller alone changes the list meanwhile.
    pub unsafe fn remove(&self, handler: NonNull<AttachedHandler>) {
        let mut link = &self.first;
        loop {
            let found = link.load(Ordering::Relaxed);
            if found.is_null() {
                return;
            }
            // SAFETY: by the condition of `add`, a handler in the list is in memory.
            let next = unsafe { &(*found).next };
            if found == handler.as_ptr() {
                link.store(next.load(Ordering::Relaxed), Ordering::Release);
                return;
            }
            link = next;
        }
    }

    /// Returns true if the source has no handler.
    pub fn is_empty(&self) -> bool {
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Calls the handlers in turn.
    #[inline(always)]
    fn run(&self, off: &InterruptsOff) {
        let (mut is_claimed, mut next) = (false, self.first.load(Ordering::Acquire));
        // SAFETY: by the condition of `add`, a handler that the list had when this interrupt came stays in memory until the CPU
        // answers a barrier, which it does not do here.
        if let Some(first) = unsafe { next.as_ref() } {
            is_claimed = first.run(off);
            next = first.next.load(Ordering::Acquire);
        }
        if is_claimed && next.is_null() {
            self.streak.claimed();
        } else {
            self.run_others(next, is_claimed, off);
        }
    }

    /// Calls the handlers from `next` on. `is_claimed` is true if one before them has claimed the interrupt.
    #[cold]
    #[inline(never)]
    fn run_others(&self, mut next: *mut AttachedHandler, mut is_claimed: bool, off: &InterruptsOff) {
        // SAFETY: as in `run`.
        while let Some(handler) = unsafe { next.as_ref() } {
            is_claimed |= handler.run(off);
            next = handler.next.load(Ordering::Acquire);
        }
        if is_claimed {
            self.streak.claimed();
        } else if self.streak.unclaimed() {
            report_unclaimed(self);
        }
    }
}

/// The sources of a CPU's vectors; null for vectors without one.
#[repr(transparent)]
struct VectorTable([AtomicPtr<Source>; 256]);

cpu_local! {
    static TABLE: VectorTable = VectorTable([const { AtomicPtr::new(core::ptr::null_mut()) }; 256]);
    static VECTORS: VectorSet = VectorSet::new();
    static BARRIER: Barrier = Barrier::new();
}

/// Ticks that a handler may run, and what is called when one has run for longer.
static LONGEST_RUN: AtomicU64 = AtomicU64::new(u64::MAX);
static OVERRUN: Hook<Overrun> = Hook::new();

/// What is called with the mark and the address of a handler, and the ticks that it has run for.
type Overrun = fn(&CodeMark, *const (), u64);

/// Registers the function that is called when a handler has run for more than so many ticks. It runs in the interrupt.
pub fn on_overrun(longest: u64, report: Overrun) {
    OVERRUN.set(report);
    LONGEST_RUN.store(longest, Ordering::Relaxed);
}

/// Reports a handler, or a callback of a timer, if it has run for too long.
#[cold]
#[inline(never)]
pub fn report_if_overrun(mark: &CodeMark, function: *const (), ticks: u64) {
    if ticks > LONGEST_RUN.load(Ordering::Relaxed)
        && let Some(report) = OVERRUN.get()
    {
        report(mark, function, ticks);
    }
}

/// Returns true if a run of so many ticks is too long.
#[inline(always)]
pub fn is_overrun(ticks: u64) -> bool {
    ticks > LONGEST_RUN.load(Ordering::Relaxed)
}

/// What is called when nobody claims the interrupts of a source.
static UNCLAIMED: Hook<fn(&Source)> = Hook::new();

/// Registers the function that is called when a source's interrupts are not claimed, [`device_interrupts::STREAK_LIMIT`] in a row.
/// It runs in the interrupt.
pub fn on_unclaimed(report: fn(&Source)) {
    UNCLAIMED.set(report);
}

#[cold]
fn report_unclaimed(source: &Source) {
    if let Some(report) = UNCLAIMED.get() {
        report(source);
    }
}

/// Returns the vectors of `cpu`.
pub fn vectors_of(cpu: &Cpu) -> &'static VectorSet {
    VECTORS.of(cpu)
}

/// Makes interrupts of this vector lead to this source on `cpu`.
///
/// # Safety
/// The source stays in memory until [`unpublish`] was called and then [`wait_for_handlers`] has returned. No other CPU handles it.
pub unsafe fn publish(cpu: &Cpu, vector: u8, source: NonNull<Source>) {
    TABLE.of(cpu).0[usize::from(vector)].store(source.as_ptr(), Ordering::Release);
}

/// Makes interrupts of this vector unexpected on `cpu`. The CPU may run handlers until [`wait_for_handlers`] has returned.
pub fn unpublish(cpu: &Cpu, vector: u8) {
    TABLE.of(cpu).0[usize::from(vector)].store(core::ptr::null_mut(), Ordering::Release);
}

/// Runs the handlers of a vector on this CPU. Returns false if it has no source.
#[inline(always)]
pub(super) fn run_handlers(vector: u8, off: &InterruptsOff) -> bool {
    let source = arch::cpu_local_element!(TABLE, usize::from(vector)).cast::<Source>();
    // SAFETY: by the condition of `publish`, a source in the table stays in memory until this CPU answers a barrier, which it
    // does not do here: interrupts are off.
    let Some(source) = (unsafe { source.as_ref() }) else { return false };
    source.run(off);
    true
}

/// Answers those who wait for this CPU's handlers. The barrier's interrupt calls this: no handler runs, and no interrupt of a device
/// waits, because those come first.
pub(super) fn answer(off: &InterruptsOff) {
    BARRIER.here(off).answer();
}

/// Returns the proof that the running thread may wait for handlers, which may run on its own CPU: its interrupts are on.
pub fn may_wait() -> Option<MayWait> {
    MayWait::now().filter(|_| !InterruptsOff::are_off())
}

/// Waits until `cpu` has handled each interrupt of a device that has reached it, and runs no handler that was removed, and no source that
/// was unpublished, before the call. The caller may be interrupted: the CPU may be its own.
pub fn wait_for_handlers(cpu: &Cpu, _: &MayWait) {
    debug_assert!(!InterruptsOff::are_off(), "a barrier waits with interrupts off");
    let barrier = BARRIER.of(cpu);
    let request = barrier.ask();
    arch::request_barrier(cpu.apic);
    while !barrier.has_answered(request) {
        requests::serve_requests();
        core::hint::spin_loop();
    }
}
