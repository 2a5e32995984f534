//! Who runs: each CPU's run queue, switching, blocking, waking, and the tick.
//!
//! A CPU runs the threads of its queue in turn, each for a slice of [`SLICE_TICKS`] ticks at most. A thread that blocks is in
//! no queue until somebody wakes it. All of this happens with interrupts off, for some dozens of instructions each.
//!
//! A thread may be queued while its own CPU is still about to leave its stack, for some instructions. Such a thread is passed
//! over, never waited for: two CPUs that wait for each other to leave would wait for ever.
use super::cpu_threads::{self, CpuThreads};
use super::idle;
use super::sleep;
use super::thread::{State, Thread};
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, DeferredWork};
use crate::platform::numa_topology;
use crate::sync::{self, SpinLockGuard};
use core::sync::atomic::Ordering;
use scheduling::CpuMap;
use spin::Once;
use units::CpuId;

/// Milliseconds between two ticks of a CPU that is not idle.
pub const TICK_MS: u64 = 1;
/// Ticks after which a thread's turn is over if another one waits.
pub const SLICE_TICKS: u32 = 10;

static CPU_MAP: Once<CpuMap> = Once::new();

/// Draws the map of the CPUs that run; when all that will have come up. Until then each CPU keeps to itself.
pub fn init() {
    CPU_MAP.call_once(|| CpuMap::new(numa_topology::get(), cpu::is_online));
}

/// The CPUs that run, by node and distance; `None` before [`init`].
#[inline]
pub fn cpu_map() -> Option<&'static CpuMap> {
    CPU_MAP.get()
}

/// The running thread.
#[inline]
pub fn current_thread() -> &'static Thread {
    cpu_threads::current_thread()
}

/// Lets the other threads of this CPU's queue have their turn.
pub fn yield_now() {
    let _off = InterruptsOff::new();
    give_way(cpu_threads::current());
}

/// Switches to the next thread of the CPU's queue, if there is one, and puts the running one at the end.
#[inline]
fn give_way(cpu: &'static CpuThreads) {
    let thread = cpu_threads::current_thread();
    // One comes and one goes: the count stays.
    let mut queue = cpu.run_queue.lock();
    let Some(next) = queue.pop() else { return };
    if next.context.is_on_stack() {
        queue.push(next);
        return;
    }
    queue.push(thread);
    thread.set_state(State::Queued);
    next.set_state(State::Running);
    drop(queue);
    switch_to(cpu, thread, next);
}

/// Puts the running thread at a CPU where it may run, if it may no longer run here.
#[inline(never)]
pub fn move_away_if_forbidden() {
    let _off = InterruptsOff::new();
    let (cpu, thread) = (cpu_threads::current(), cpu_threads::current_thread());
    if !thread.may_run_on(cpu.id()) {
        cpu.leave(thread);
        enqueue(thread, choose_cpu(thread));
        block_with_interrupts_off(cpu);
    }
}

/// Gives the CPU up until somebody wakes this thread, which stands in a queue that `guard` guards. Interrupts stay off from
/// the one to the other: a tick between them would queue the thread a second time.
#[inline]
pub fn block<T>(guard: SpinLockGuard<'_, T>) {
    cpu_threads::current_thread().set_state(State::Blocked);
    let _off = guard.unlock();
    block_with_interrupts_off(cpu_threads::current());
}

/// The same where nothing is to be given up and interrupts are off already.
#[inline]
pub fn block_with_interrupts_off(cpu: &'static CpuThreads) {
    let thread = cpu_threads::current_thread();
    let next = cpu.take_queued().unwrap_or_else(|| cpu.idle_thread());
    // Somebody has woken it meanwhile, and it is first in the queue.
    if !core::ptr::eq(next, thread) {
        switch_to(cpu, thread, next);
    }
}

#[inline]
fn switch_to(cpu: &'static CpuThreads, from: &'static Thread, to: &'static Thread) {
    debug_assert!(sync::none_held(), "a thread that holds a spin lock is switched away from");
    arch::set_current_task(to);
    cpu.slice.store(SLICE_TICKS, Ordering::Relaxed);
    // SAFETY: `from` runs here, interrupts are off, and `to` was taken out of a queue by this CPU alone, when no other was
    // on its stack any more, or is this CPU's idle thread.
    unsafe { arch::switch(&from.context, &to.context) };
}

/// From the idle thread to one that has work; the tick begins again.
pub fn leave_idle(cpu: &'static CpuThreads, thread: &'static Thread) {
    start_tick();
    switch_to(cpu, cpu.idle_thread(), thread);
}

/// Lets a thread that is blocked run again: on the CPU where it ran last or, if that is busy, on an idle one nearby.
///
/// May be called by interrupt handlers.
pub fn wake(thread: &'static Thread) {
    let _off = InterruptsOff::new();
    enqueue(thread, choose_cpu(thread));
}

/// Puts a thread that is in no queue at this CPU's, and wakes the CPU if it is idle. Interrupts are off.
#[inline(always)]
pub fn enqueue(thread: &'static Thread, cpu: &'static CpuThreads) {
    if !cpu.put(thread) {
        enqueue_elsewhere(thread);
    } else if idle::is_idle(cpu.id()) {
        cpu.cpu().wake_up();
    }
}

/// Queues a thread whose affinity has changed since a CPU was chosen for it.
#[cold]
#[inline(never)]
fn enqueue_elsewhere(thread: &'static Thread) {
    let cpu = place(thread);
    if !cpu.put(thread) {
        enqueue_elsewhere(thread);
    } else if idle::is_idle(cpu.id()) {
        cpu.cpu().wake_up();
    }
}

/// Where a thread that is woken goes.
#[inline(always)]
fn choose_cpu(thread: &'static Thread) -> &'static CpuThreads {
    let last = thread.cpu();
    if thread.may_run_on(last)
        && let Some(block) = cpu_threads::get(last)
    {
        if !idle::any() || idle::is_idle(last) {
            return block;
        }
        return idle::allowed_near(thread, block.cpu().node).unwrap_or(block);
    }
    place(thread)
}

/// Where a thread goes that has been nowhere: the least busy CPU of its node, or of the nearest where it may run.
#[inline(never)]
pub fn place(thread: &'static Thread) -> &'static CpuThreads {
    let node = thread.memory.home().unwrap_or(cpu::current().node);
    let place = cpu_map().and_then(|map| map.place(node, &thread.affinity(), load));
    // Affinity names an online CPU whenever it is set.
    place.and_then(cpu_threads::get).unwrap_or_else(cpu_threads::current)
}

/// How busy a CPU is: the threads that run or wait there.
fn load(cpu: CpuId) -> u32 {
    let waiting = cpu_threads::get(cpu).map_or(u32::MAX - 1, CpuThreads::queued);
    waiting + u32::from(!idle::is_idle(cpu))
}

/// Asks for the next tick of this CPU.
pub fn start_tick() {
    arch::set_timer(arch::ticks_per_ms() * TICK_MS);
}

/// The timer's interrupt: wakes sleepers, counts the slice, and finds work for CPUs that have none.
#[inline(always)]
pub fn tick() {
    let cpu = cpu_threads::current();
    sleep::wake_due(cpu);
    if cpu.is_idling_here() {
        return;
    }
    start_tick();
    let thread = cpu_threads::current_thread();
    if !thread.may_run_on(cpu.id()) {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
        return;
    }
    if cpu.queued() == 0 {
        return;
    }
    let left = cpu.slice.load(Ordering::Relaxed).saturating_sub(1);
    cpu.slice.store(left, Ordering::Relaxed);
    if left == 0 {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
    }
    idle::offer_work(cpu.cpu());
}

/// Switches, the running thread's turn being over. Interrupts are off, and preemption is on.
fn turn_is_over() {
    let cpu = cpu_threads::current();
    // An idle CPU looks for work by itself, and its idle thread is never queued.
    if !cpu.is_idling_here() {
        move_away_if_forbidden();
        give_way(cpu_threads::current());
    }
}

/// Takes over the timer's interrupt and the switch that it puts off.
pub fn register() {
    cpu::interrupts::register(arch::vectors::TIMER, |_| tick());
    cpu::register_deferred(DeferredWork::Switch, turn_is_over);
}
