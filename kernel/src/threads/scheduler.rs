//! Switching threads: yielding, blocking, waking, and where a thread goes.
//!
//! A CPU runs the threads of its queue in turn. All of this happens with interrupts off, for some dozens of instructions each.
//! The queues and the protocols between CPUs are the crate `run-queue`; this is the machine under them.
use super::cpu_sets::{self, IDLE, QUEUED};
use super::cpu_threads::{self, CpuThreads, QueueLock};
use super::halting;
use super::thread::Thread;
use super::tick_timer;
use crate::arch::{self, InterruptsOff};
use crate::cpu;
use crate::platform::{cpu_topology, numa_topology};
use crate::sync::{self, SpinLockGuard};
use alloc::collections::TryReserveError;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use run_queue::{Blocked, IdleSet, Machine, QueuedSet, RunQueue, Runnable, State};
use scheduling::{COMPARED, CpuMap, CpuSet};
use spin::Once;
use units::CpuId;

/// Ticks after which a thread's time slice is over if another thread waits.
const SLICE_TICKS: u32 = 10;

static CPU_MAP: Once<CpuMap> = Once::new();

/// Builds the map of the running CPUs, when all CPUs have started that will. Before this call each CPU runs only its own threads.
///
/// # Errors
/// [`TryReserveError`] if there is not enough memory for the map.
pub fn init() -> Result<(), TryReserveError> {
    CPU_MAP.try_call_once(|| CpuMap::new(numa_topology::get(), cpu::is_online))?;
    cpu_sets::limit(cpu_topology::cpus().len());
    Ok(())
}

/// Returns the running CPUs by node and distance, or `None` before [`init`].
#[inline]
pub fn cpu_map() -> Option<&'static CpuMap> {
    CPU_MAP.get()
}

/// The CPUs of this machine, as the crate `run-queue` sees them.
pub struct ThisMachine;

impl Machine for ThisMachine {
    type Thread = Thread;
    type Lock = QueueLock;

    #[inline(always)]
    fn queue(&self, cpu: CpuId) -> Option<&RunQueue<QueueLock>> {
        cpu_threads::get(cpu).map(|threads| &threads.queue)
    }

    #[inline(always)]
    fn idle(&self) -> &IdleSet {
        &IDLE
    }

    #[inline(always)]
    fn queued(&self) -> &QueuedSet {
        &QUEUED
    }

    /// Returns the CPUs of the same node.
    #[inline(always)]
    fn near(&self, cpu: CpuId) -> Option<&CpuSet> {
        let node = cpu::get(cpu)?.node;
        cpu_map().map(|map| map.cpus_of(node))
    }

    /// Returns the CPUs of each node, nearest node first.
    fn outward(&self, cpu: CpuId) -> impl Iterator<Item = &CpuSet> {
        let near = cpu_map().zip(cpu::get(cpu));
        near.into_iter().flat_map(|(map, cpu)| map.nearest(cpu.node).iter().map(|node| map.cpus_of(*node)))
    }

    #[inline(never)]
    fn least_busy(&self, thread: &Thread) -> &RunQueue<QueueLock> {
        let node = thread.memory.home().unwrap_or(cpu::current().node);
        let (allowed, idle) = (|index| thread.entry().affinity_word(index), |index| IDLE.word(index));
        let cpu = cpu_map().and_then(|map| map.select_cpu(node, allowed, idle, next_to_compare(), queued));
        // Without a map the thread stays here. With one, only an affinity that changes just now names no running CPU.
        &cpu.and_then(cpu_threads::get).unwrap_or_else(cpu_threads::current).queue
    }

    fn interrupt(&self, cpu: CpuId) {
        // An idle CPU that wakes a thread of its own is in an interrupt handler. It looks at its queue when that has ended.
        if let Some(other) = cpu::get(cpu).filter(|other| other.id != cpu::current().id) {
            other.wake_up();
        }
    }
}

/// Returns the CPU at which the next comparison of many CPUs begins. Each begins where the one before has ended.
fn next_to_compare() -> CpuId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cpus = cpu_topology::cpus().len().max(1) as u32;
    CpuId(NEXT.fetch_add(COMPARED as u32, Ordering::Relaxed) % cpus)
}

/// Returns true if the CPU halts or is about to, and nothing has woken it yet.
pub fn is_idle(cpu: CpuId) -> bool {
    IDLE.contains(cpu)
}

/// Returns how many threads are queued at a CPU.
fn queued(cpu: CpuId) -> u32 {
    cpu_threads::get(cpu).map_or(u32::MAX, |threads| threads.queue.queued())
}

/// Switches to the next thread of the CPU's queue, if there is one, and queues the running thread.
#[track_caller]
pub fn yield_now() {
    assert_may_wait();
    let _off = InterruptsOff::new();
    give_way(cpu_threads::current());
}

/// Does the work of [`yield_now`], with interrupts off.
#[inline]
fn give_way(cpu: &'static CpuThreads) {
    let thread = cpu_threads::current_thread();
    if let Some(next) = cpu.queue.give_way(thread) {
        switch_to(cpu, thread, next);
    }
}

/// Ends the running thread's time slice: another thread runs, here or where the running thread may run. Interrupts are off, and
/// preemption is on.
pub fn end_slice() {
    // An idle CPU looks for work by itself, and its idle thread is never queued.
    if !cpu_threads::current().is_idling_here() {
        if cpu_threads::current_thread().is_ending() {
            // The thread goes on, and the interrupt ends it there. Whoever asks for its end may be waiting for this CPU.
            arch::interrupt_this_cpu(arch::vectors::END_THREAD);
            return;
        }
        move_away_if_forbidden();
        give_way(cpu_threads::current());
        // Its driver may have failed while other threads ran.
        if cpu_threads::current_thread().is_ending() {
            arch::interrupt_this_cpu(arch::vectors::END_THREAD);
        }
    }
}

/// Moves the running thread to a CPU where it may run, if it may not run here.
#[inline(never)]
pub fn move_away_if_forbidden() {
    let _off = InterruptsOff::new();
    let cpu = cpu_threads::current();
    if run_queue::leave_if_forbidden(&ThisMachine, cpu.id(), cpu_threads::current_thread()) {
        run_another(cpu);
    }
}

/// Checks, in builds with debug assertions, that the running thread may wait: it holds no spin lock, and preemption is on. All
/// functions that may wait call this first, even if they need not wait this time.
#[inline(always)]
#[track_caller]
pub fn assert_may_wait() {
    if cfg!(debug_assertions) {
        // The thread stays on its CPU between the two looks, and so does what the CPU holds.
        let _off = InterruptsOff::new();
        assert!(sync::none_held(), "a thread that holds a spin lock waits");
        assert!(!cpu::is_preemption_off(), "a thread that must not lose its CPU waits");
    }
}

/// Runs other threads until the running thread is woken, which has been blocked under the lock that `guard` holds.
///
/// Interrupts stay off from the release of the lock to the switch: a tick in between would queue the thread a second time.
#[inline]
pub fn block<T>(guard: SpinLockGuard<'_, T>) {
    let off = guard.unlock();
    let cpu = cpu_threads::current();
    let thread = cpu_threads::current_thread();
    let next = cpu.queue.take_next(thread).or_else(|| halting::halt_briefly(cpu, thread, &off));
    let Some(next) = next else { return run_another(cpu) };
    tick_timer::start_after_halt(cpu);
    if ptr::eq(next, thread) {
        // Its event was not far away.
        cpu.slice.store(SLICE_TICKS, Ordering::Relaxed);
    } else {
        switch_to(cpu, thread, next);
    }
}

/// Goes on with the running thread behind a halt in place, once another thread has run that was queued here meanwhile. Interrupts are off.
#[inline(always)]
pub fn go_on_after_halt(cpu: &'static CpuThreads) {
    tick_timer::start_after_halt(cpu);
    cpu.slice.store(SLICE_TICKS, Ordering::Relaxed);
    if cpu.queue.queued() != 0 {
        give_way(cpu);
    }
}

/// Runs another thread than the running one, which is blocked or has exited. Interrupts are off.
#[inline]
pub fn run_another(cpu: &'static CpuThreads) {
    let thread = cpu_threads::current_thread();
    let next = cpu.queue.take_next(thread);
    if next.is_some() {
        tick_timer::start_after_halt(cpu);
    }
    let next = next.unwrap_or_else(|| cpu.idle_thread());
    // If another CPU has woken the thread meanwhile, it may be first in the queue.
    if !ptr::eq(next, thread) {
        switch_to(cpu, thread, next);
    }
}

/// Switches to `next`, which this CPU has taken out of a queue, from the idle thread.
pub fn leave_idle(cpu: &'static CpuThreads, next: &'static Thread) {
    switch_to(cpu, cpu.idle_thread(), next);
}

#[inline]
fn switch_to(cpu: &'static CpuThreads, from: &'static Thread, to: &'static Thread) {
    debug_assert!(InterruptsOff::are_off(), "a CPU switches threads with interrupts on");
    debug_assert!(sync::none_held(), "a CPU switches threads and holds a spin lock");
    // Also in the shipped kernel: what a `PreemptionOff` guards, the page cache for one, is sound only if this holds.
    assert!(!cpu::is_preemption_off(), "a CPU switches threads with preemption off");
    debug_assert!(
        from.standing().0 != State::Running || ptr::eq(from, cpu.idle_thread()),
        "thread {} leaves CPU {} and stays {:?}",
        from.id.0,
        cpu.id(),
        from.standing(),
    );
    debug_assert_eq!(to.standing(), (State::Running, cpu.id()), "of thread {}, which is to run", to.id.0);
    arch::set_current_task(to);
    cpu.slice.store(SLICE_TICKS, Ordering::Relaxed);
    // SAFETY: `from` runs here and interrupts are off. `to` is this CPU's idle thread, or `run_queue` gave it to this CPU alone
    // when no other CPU stood on its stack. `ThreadBox::destroy` requires of both that they have exited and were left.
    unsafe { arch::switch(&from.context, &to.context) };
}

/// Lets a blocked thread run again: on the CPU where it ran last or, if that is busy, on an idle one of the same node.
///
/// Interrupt handlers may call this.
pub fn wake(thread: Blocked<Thread>) {
    let off = InterruptsOff::new();
    if let Err(thread) = halting::hand_over(thread, &off) {
        run_queue::wake(&ThisMachine, thread);
    }
}

/// Lets a new thread run, on the least busy CPU of the node that it prefers.
pub fn start(thread: Blocked<Thread>) {
    let _off = InterruptsOff::new();
    run_queue::enqueue_new(&ThisMachine, thread);
}

/// Wakes the nearest idle CPU that may take one of the threads that wait for this busy CPU. Interrupts are off.
pub fn offer_work(cpu: &CpuThreads) {
    run_queue::offer_work(&ThisMachine, cpu.id());
}
