//! Joining a thread: waiting for its end, and freeing its control block, the last of its pages.
use super::cpu_threads;
use super::scheduler;
use super::sleep;
use super::thread::{Joiner, Thread, ThreadId};
use super::thread_table::{self, ThreadError};
use super::used_kinds::UsedKind;
use crate::arch::InterruptsOff;
use crate::clock;
use core::ops::Deref;
use run_queue::{Blocked, Runnable};
use thread_end::Look;

/// The right to join a thread, which one thread at most ever gets. It keeps the joined thread alive: nothing else takes that out
/// of the table.
pub struct Joining(&'static Thread);

impl Joining {
    fn claim(id: ThreadId) -> Result<Self, ThreadError> {
        let table = thread_table::lock();
        let thread = table.find(id).ok_or(ThreadError::NoSuchThread(id))?;
        if id == cpu_threads::current_thread().id {
            return Err(ThreadError::Itself);
        }
        if !thread.claim_join() {
            return Err(ThreadError::Joined(id));
        }
        // SAFETY: `finish` alone destroys a thread, and consumes the only right to join this one.
        Ok(Self(unsafe { thread.unbound() }))
    }

    /// Returns the right to join a new thread that was created for its creator alone to join. The creator calls this once.
    pub(super) fn of_new(thread: &'static Thread) -> Self {
        Self(thread)
    }

    /// Waits until the thread has ended and its stack is free, and returns the exit code.
    fn wait(&self) -> i32 {
        scheduler::assert_may_wait();
        loop {
            let mut remains = self.remains.lock();
            match remains.end.look() {
                Look::Over(code) => return code,
                Look::Reap => {
                    drop(remains);
                    // SAFETY: `look` gives the thread to one caller, after the thread has exited.
                    unsafe { reap(self.0) };
                }
                Look::NotYet => {
                    remains.end.wait(Joiner::Blocked(Blocked::block(cpu_threads::current_thread())));
                    scheduler::block(remains);
                }
            }
        }
    }

    /// Waits until the thread has ended and its stack is free, but not much longer than `time_ns` nanoseconds. Returns true if it has
    /// ended. The running thread stays on its CPU.
    pub fn has_ended_within(&self, time_ns: u64) -> bool {
        scheduler::assert_may_wait();
        let this = cpu_threads::current_thread();
        let wake_at = sleep::time_after(time_ns, &InterruptsOff::new());
        loop {
            let mut remains = self.remains.lock();
            // This thread leaves the entry under the lock, so only a thread that waits is found there.
            match remains.end.look() {
                Look::Over(_) => return true,
                Look::Reap => {
                    drop(remains);
                    // SAFETY: `look` gives the thread to one caller, after the thread has exited.
                    unsafe { reap(self.0) };
                }
                Look::NotYet if clock::now_here() >= wake_at => return false,
                Look::NotYet => {
                    let cpu = cpu_threads::current();
                    drop(cpu.sleepers.push(this, wake_at, remains.off()));
                    remains.end.wait(Joiner::Asleep(this, cpu.id()));
                    scheduler::block(remains);
                }
            }
        }
    }

    /// Gives the right back: another thread may claim it.
    pub fn give_back(self) {
        if let Some(driver) = self.driver() {
            driver.used().note(UsedKind::Threads);
        }
        self.0.release_join();
    }

    /// Waits until the thread has exited, takes it out of the table and frees its control block. Returns its exit code.
    pub fn finish(self) -> i32 {
        let code = self.wait();
        let thread = thread_table::lock().remove(self.0.id);
        if let Some(thread) = thread {
            // SAFETY: the thread has ended: it has exited, its stack is free, and it is in no list. Its id is gone from the table, and
            // this value, which held the last reference, is not used again.
            unsafe { thread.destroy() };
        }
        code
    }
}

impl Deref for Joining {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        self.0
    }
}

/// Waits until the thread has exited, and returns its exit code. On return the id finds nothing, and every page that the kernel
/// gave the thread is freed.
///
/// # Errors
/// [`ThreadError`], at once.
pub fn join(id: ThreadId) -> Result<i32, ThreadError> {
    Ok(Joining::claim(id)?.finish())
}

/// How long a thread of a driver waits for the end of another one before it looks whether the driver is being stopped.
const LOOK_NS: u64 = 100_000_000;

/// Joins a thread as [`join`] does, for the running thread's driver.
///
/// # Errors
/// [`ThreadError::Stopping`] soon after a stop of the driver has begun; else [`ThreadError`], at once.
pub fn join_for_driver(id: ThreadId) -> Result<i32, ThreadError> {
    let joining = Joining::claim(id)?;
    while !joining.has_ended_within(LOOK_NS) {
        if cpu_threads::current_thread().is_leaving() {
            joining.give_back();
            return Err(ThreadError::Stopping);
        }
    }
    Ok(joining.finish())
}

/// Leaves the running thread, which exits, to the thread that waits for its end, and returns true. Returns false if none waits: from here on,
/// the thread is the reaper's. Interrupts are off, and the CPU switches away from the thread next.
pub(super) fn leave_to_joiner(thread: &'static Thread) -> bool {
    let mut remains = thread.remains.lock();
    let Some(joiner) = remains.end.leave() else { return false };
    thread.entry().exit();
    let joiner = to_wake(joiner, remains.off());
    drop(remains);
    wake(joiner);
    true
}

/// Frees the stack of a thread that has exited, publishes its exit code, and wakes the thread that joins. The thread may be destroyed
/// from then on. The caller may wait.
///
/// # Safety
/// The thread has exited, and `ThreadEnd` has given it to the caller alone: to the reaper, or to the thread that joins.
pub(super) unsafe fn reap(thread: &'static Thread) {
    while thread.context.is_on_stack() {
        core::hint::spin_loop();
    }
    let stack = thread.remains.lock().stack.take();
    if let Some(stack) = stack {
        // SAFETY: the thread has exited and its CPU has switched away from the stack, which nothing else uses.
        unsafe { stack.free() };
    }
    // A driver that has joined its threads has none left, so this comes before the exit code.
    thread.leave_driver();
    let mut remains = thread.remains.lock();
    let joiner = remains.end.finish(thread.exit_code());
    let joiner = joiner.and_then(|joiner| to_wake(joiner, remains.off()));
    drop(remains);
    wake(joiner);
}

/// Returns the thread that joins if it is still to be woken. The caller holds the lock under which the thread goes on, so it exists. If its
/// time is over, it has left the sleepers.
fn to_wake(joiner: Joiner, off: &InterruptsOff) -> Option<Blocked<Thread>> {
    match joiner {
        Joiner::Blocked(joiner) => Some(joiner),
        Joiner::Asleep(joiner, cpu) => cpu_threads::get(cpu).and_then(|cpu| cpu.sleepers.remove(joiner, off)),
    }
}

fn wake(joiner: Option<Blocked<Thread>>) {
    if let Some(joiner) = joiner {
        scheduler::wake(joiner);
    }
}
