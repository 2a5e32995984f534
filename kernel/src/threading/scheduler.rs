//! Who runs: each CPU's run queue, switching, blocking, waking, and the tick.
//!
//! A CPU runs the threads of its queue in turn, each for a slice of [`SLICE_TICKS`] ticks at most. A thread that blocks is in
//! no queue until somebody wakes it. All of this happens with interrupts off, for some dozens of instructions each.
//!
//! A thread may be queued while its own CPU is still about to leave its stack, for some instructions. Such a thread is passed
//! over, never waited for: two CPUs that wait for each other to leave would wait for ever.
use super::idle;
use super::per_cpu::{self, PENDING_RECALL, PENDING_SWITCH, PerCpu};
use super::sleep;
use super::thread::Thread;
use crate::arch::{self, InterruptsOff};
use crate::memory::cache_recall;
use crate::platform::{cpu_topology, numa_topology};
use crate::sync::SpinLockGuard;
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
    CPU_MAP.call_once(|| CpuMap::new(numa_topology::get(), cpu_topology::is_online));
}

/// The CPUs that run, by node and distance; `None` before [`init`].
#[inline]
pub fn cpu_map() -> Option<&'static CpuMap> {
    CPU_MAP.get()
}

/// The running thread.
#[inline]
pub fn current_thread() -> &'static Thread {
    per_cpu::current_thread()
}

/// Lets the other threads of this CPU's queue have their turn.
pub fn yield_now() {
    let _off = InterruptsOff::new();
    give_way(per_cpu::current());
}

/// Switches to the next thread of the CPU's queue, if there is one, and puts the running one at the end.
#[inline]
fn give_way(cpu: &'static PerCpu) {
    let thread = cpu.thread();
    if thread.must_move.load(Ordering::Relaxed) {
        move_away(cpu, thread);
        return;
    }
    // One comes and one goes: the count stays.
    let mut queue = cpu.run_queue.lock();
    let Some(next) = queue.pop() else { return };
    if next.context.is_running() {
        queue.push(next);
        return;
    }
    queue.push(thread);
    drop(queue);
    switch_to(cpu, thread, next);
}

/// Puts the running thread, which may no longer run here, at a CPU where it may.
#[cold]
fn move_away(cpu: &'static PerCpu, thread: &'static Thread) {
    thread.must_move.store(false, Ordering::Relaxed);
    if !thread.may_run_on(cpu.id) {
        enqueue(thread, choose_cpu(thread));
        block_with_interrupts_off(cpu);
    }
}

/// Gives the CPU up until somebody wakes this thread, which stands in a queue that `guard` guards. Interrupts stay off from
/// the one to the other: a tick between them would queue the thread a second time.
#[inline]
pub fn block<T>(guard: SpinLockGuard<'_, T>) {
    let _off = guard.unlock();
    block_with_interrupts_off(per_cpu::current());
}

/// The same where nothing is to be given up and interrupts are off already.
#[inline]
pub fn block_with_interrupts_off(cpu: &'static PerCpu) {
    let thread = cpu.thread();
    let next = cpu.take_queued().unwrap_or_else(|| cpu.idle_thread());
    // Somebody has woken it meanwhile, and it is first in the queue.
    if !core::ptr::eq(next, thread) {
        switch_to(cpu, thread, next);
    }
}

#[inline]
fn switch_to(cpu: &'static PerCpu, from: &'static Thread, to: &'static Thread) {
    cpu.set_thread(to);
    to.set_cpu(cpu.id);
    cpu.slice.store(SLICE_TICKS, Ordering::Relaxed);
    // SAFETY: `from` runs here, interrupts are off, and `to` was taken out of a queue by this CPU alone, when no other was
    // on its stack any more, or is this CPU's idle thread.
    unsafe { arch::switch(&from.context, &to.context) };
}

/// From the idle thread to one that has work; the tick begins again.
pub fn leave_idle(cpu: &'static PerCpu, thread: &'static Thread) {
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
pub fn enqueue(thread: &'static Thread, cpu: &'static PerCpu) {
    thread.set_cpu(cpu.id);
    cpu.put(thread);
    if idle::is_idle(cpu.id) {
        cpu.wake_up();
    }
}

/// Where a thread that is woken goes.
fn choose_cpu(thread: &'static Thread) -> &'static PerCpu {
    let last = thread.cpu();
    if thread.may_run_on(last)
        && let Some(block) = cpu_topology::block(last)
    {
        if !idle::any() || idle::is_idle(last) {
            return block;
        }
        return idle::allowed_near(thread, block.node).unwrap_or(block);
    }
    place(thread)
}

/// Where a thread goes that has been nowhere: the least busy CPU of its node, or of the nearest where it may run.
pub fn place(thread: &'static Thread) -> &'static PerCpu {
    let node = thread.home().unwrap_or(per_cpu::current().node);
    let place = cpu_map().and_then(|map| map.place(node, &thread.affinity(), load));
    // Affinity names an online CPU whenever it is set.
    place.and_then(cpu_topology::block).unwrap_or_else(per_cpu::current)
}

/// How busy a CPU is: the threads that run or wait there.
fn load(cpu: CpuId) -> u32 {
    let waiting = cpu_topology::block(cpu).map_or(u32::MAX - 1, PerCpu::queued);
    waiting + u32::from(!idle::is_idle(cpu))
}

/// Asks for the next tick of this CPU.
pub fn start_tick() {
    arch::set_timer(arch::ticks_per_ms() * TICK_MS);
}

/// The timer's interrupt: wakes sleepers, counts the slice, and finds work for CPUs that have none.
pub fn tick() {
    let cpu = per_cpu::current();
    sleep::wake_due(cpu);
    if cpu.is_idling() {
        return;
    }
    start_tick();
    let thread = cpu.thread();
    if !thread.may_run_on(cpu.id) {
        // It came here, taken from a queue, just when it was told to run elsewhere.
        thread.must_move.store(true, Ordering::Relaxed);
        cpu.set_pending(PENDING_SWITCH);
        return;
    }
    if cpu.queued() == 0 {
        return;
    }
    let left = cpu.slice.load(Ordering::Relaxed).saturating_sub(1);
    cpu.slice.store(left, Ordering::Relaxed);
    if left == 0 {
        cpu.set_pending(PENDING_SWITCH);
    }
    idle::offer_work(cpu);
}

/// At the end of a stretch without preemption: gives pages back that others have asked for, and switches if the running thread's
/// turn is over.
pub extern "C" fn preempt_if_due() {
    if InterruptsOff::are_off() {
        // Something that keeps interrupts off is under way around this; the next tick will do.
        return;
    }
    let _off = InterruptsOff::new();
    preempt_at_end_of_interrupt(per_cpu::current());
}

/// The same at the end of an interrupt, which has interrupted a stretch with interrupts on: whatever leaves something
/// pending is an interrupt, or sends one. Within a stretch without preemption it is put off to the end of that.
pub fn preempt_at_end_of_interrupt(cpu: &'static PerCpu) {
    if !cpu.has_pending() {
        return;
    }
    let now = cpu.preemption_is_on();
    cpu.set_due(!now);
    if !now {
        return;
    }
    let pending = cpu.take_pending();
    if pending & PENDING_RECALL != 0 {
        cache_recall::answer();
    }
    // An idle CPU looks for work by itself, and its idle thread is never queued.
    if pending & PENDING_SWITCH != 0 && !cpu.is_idling() {
        give_way(cpu);
    }
}
