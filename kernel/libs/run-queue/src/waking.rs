//! Queueing threads on CPUs that may halt: no wake-up is lost.
//!
//! A CPU first enters the idle set, then looks at its queue once more, then halts. A CPU that queues a thread first puts it into
//! the queue, then looks for the queue's CPU in the idle set. Both have a fence between the two steps, so one of them sees what
//! the other has written. An interrupt that comes between the last look and the halt ends the halt.
use crate::atomic::fence;
use crate::blocked::Blocked;
use crate::entry::Runnable;
use crate::idle_set::IdleSet;
use crate::list::List;
use crate::lock::Lock;
use crate::machine::Machine;
use crate::queue::RunQueue;
use core::sync::atomic::Ordering;
use scheduling::CpuSet;
use units::CpuId;

/// A CPU chosen for a thread.
struct Target<'m, M: Machine> {
    queue: &'m RunQueue<M::Lock>,
    /// Whether the CPU was claimed in the idle set, so that this thread must interrupt it.
    is_claimed: bool,
}

/// Queues a blocked thread: on the CPU where it ran last or, if that is busy, on an idle CPU nearby.
///
/// Interrupts are off.
#[inline(always)]
pub fn wake<M: Machine>(machine: &M, thread: Blocked<M::Thread>) {
    let target = select_cpu(machine, thread.thread());
    enqueue(machine, thread, target);
}

/// Queues a thread at the least busy CPU, wherever it was before. Interrupts are off.
pub fn enqueue_new<M: Machine>(machine: &M, thread: Blocked<M::Thread>) {
    let queue = machine.least_busy(thread.thread());
    enqueue(machine, thread, Target { queue, is_claimed: false });
}

/// Makes a blocked thread the next one that the calling CPU runs, which handles an interrupt that has ended its halt. The thread is in no
/// queue meanwhile. `queue` is the CPU's own.
///
/// # Errors
/// Returns the thread, still blocked, if it ran elsewhere before, if it may not run on this CPU, or if another CPU has claimed this one to
/// queue a thread here.
#[inline(always)]
pub fn hand_over<T: Runnable, L: Lock<Value = List<T>>>(
    idle: &IdleSet,
    queue: &RunQueue<L>,
    thread: Blocked<T>,
) -> Result<&'static T, Blocked<T>> {
    if idle.claim(queue.cpu()) { queue.run_next(thread) } else { Err(thread) }
}

#[inline(always)]
fn select_cpu<'m, M: Machine>(machine: &'m M, thread: &M::Thread) -> Target<'m, M> {
    let entry = thread.entry();
    let last = entry.cpu();
    if !entry.may_run_on(last) {
        return Target { queue: machine.least_busy(thread), is_claimed: false };
    }
    let Some(queue) = machine.queue(last) else {
        return Target { queue: machine.least_busy(thread), is_claimed: false };
    };
    let idle = machine.idle();
    if idle.claim(last) {
        return Target { queue, is_claimed: true };
    }
    if let Some(near) = machine.near(last)
        && let Some(cpu) = idle.claim_among(|index| near.words()[index] & entry.affinity_word(index))
        && let Some(queue) = machine.queue(cpu)
    {
        return Target { queue, is_claimed: true };
    }
    Target { queue, is_claimed: false }
}

#[inline(always)]
fn enqueue<'m, M: Machine>(machine: &'m M, thread: Blocked<M::Thread>, target: Target<'m, M>) {
    match target.queue.put(thread, machine.queued()) {
        // `put` has fenced: the idle set is read after the thread was queued.
        Ok(()) if target.is_claimed || machine.idle().claim(target.queue.cpu()) => {
            machine.interrupt(target.queue.cpu());
        }
        Ok(()) => {}
        Err(thread) => enqueue_refused(machine, thread, target),
    }
}

/// Queues a thread whose affinity has changed since a CPU was chosen for it.
#[cold]
#[inline(never)]
fn enqueue_refused<'m, M: Machine>(
    machine: &'m M,
    mut thread: Blocked<M::Thread>,
    mut target: Target<'m, M>,
) {
    loop {
        if target.is_claimed {
            // The CPU finds nothing and enters the idle set again.
            machine.interrupt(target.queue.cpu());
        }
        target = Target { queue: machine.least_busy(thread.thread()), is_claimed: false };
        match target.queue.put(thread, machine.queued()) {
            Ok(()) => break,
            Err(refused) => thread = refused,
        }
    }
    if machine.idle().claim(target.queue.cpu()) {
        machine.interrupt(target.queue.cpu());
    }
}

/// Wakes an idle CPU that may take one of the first [`crate::LOOKED_AT`] threads that wait for `cpu`, the nearest one to `cpu`. If
/// none of them may run on an idle CPU, no CPU is woken.
///
/// `cpu` runs a thread. Interrupts are off.
pub fn offer_work<M: Machine>(machine: &M, cpu: CpuId) {
    let idle = machine.idle();
    let Some(queue) = machine.queue(cpu).filter(|_| !idle.is_empty()) else { return };
    let claimed = queue.find_among_first(|thread| {
        let entry = thread.entry();
        // Without this look, each thread that must stay would cost a step for each group.
        if !idle.has_any(|index| entry.affinity_word(index)) {
            return None;
        }
        let claim =
            |near: &CpuSet| idle.claim_among(|index| near.words()[index] & entry.affinity_word(index));
        machine.outward(cpu).find_map(claim)
    });
    if let Some(claimed) = claimed {
        machine.interrupt(claimed);
    }
}

/// Enters the calling CPU in the idle set and calls `halt`, unless a thread is queued at the CPU by then; leaves the idle set afterwards.
/// `queue` is the CPU's own.
///
/// Interrupts are off. `halt` returns after an interrupt, including one that came before it.
#[inline(always)]
pub fn halt_if_nothing_queued<L>(idle: &IdleSet, queue: &RunQueue<L>, halt: impl FnOnce()) {
    idle.insert(queue.cpu());
    fence(Ordering::SeqCst);
    if queue.queued() == 0 {
        halt();
    }
    idle.remove(queue.cpu());
}
