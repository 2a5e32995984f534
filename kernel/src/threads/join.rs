//! Joining a thread: waiting for its end, and freeing its control block, the last of its pages.
use super::cpu_threads;
use super::scheduler;
use super::sleep;
use super::thread::{Joiner, Thread, ThreadId};
use super::thread_table::{self, ThreadError};
use crate::arch::InterruptsOff;
use crate::clock;
use core::ops::Deref;
use run_queue::Blocked;

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

    /// Waits until the reaper is done with the thread, and returns the exit code.
    fn wait(&self) -> i32 {
        scheduler::assert_may_wait();
        loop {
            let mut end = self.end.lock();
            if let Some(code) = end.exit_code {
                return code;
            }
            end.joiner = Some(Joiner::Blocked(Blocked::block(cpu_threads::current_thread())));
            scheduler::block(end);
        }
    }

    /// Waits until the reaper is done with the thread, but not much longer than `time_ns` nanoseconds. Returns true if the reaper
    /// is done with it. The running thread stays on its CPU.
    pub fn has_ended_within(&self, time_ns: u64) -> bool {
        scheduler::assert_may_wait();
        let this = cpu_threads::current_thread();
        let wake_at = sleep::time_after(time_ns, &InterruptsOff::new());
        loop {
            let mut end = self.end.lock();
            // This thread leaves the entry under the lock, so `finish_thread` finds there only a thread that waits.
            end.joiner = None;
            if end.exit_code.is_some() || clock::now_here() >= wake_at {
                return end.exit_code.is_some();
            }
            let cpu = cpu_threads::current();
            cpu.sleepers.lock().push(this, wake_at);
            end.joiner = Some(Joiner::Asleep(this, cpu.id()));
            scheduler::block(end);
        }
    }

    /// Gives the right back: another thread may claim it.
    pub fn give_back(self) {
        self.0.release_join();
    }

    /// Waits until the thread has exited, takes it out of the table and frees its control block. Returns its exit code.
    pub fn finish(self) -> i32 {
        let code = self.wait();
        let thread = thread_table::lock().remove(self.0.id);
        if let Some(thread) = thread {
            // SAFETY: the reaper is done with the thread: it has exited and is in no list. Its id is gone from the table, and
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

/// Publishes the exit code of a thread that the reaper is done with, and wakes the thread that joins. The thread may be destroyed
/// from then on.
pub(super) fn finish_thread(thread: &Thread) {
    let mut end = thread.end.lock();
    end.exit_code = Some(thread.exit_code());
    let joiner = match end.joiner.take() {
        Some(Joiner::Blocked(joiner)) => Some(joiner),
        // The joiner goes on under this lock only, so it exists. If its time is over, it has left the sleepers.
        Some(Joiner::Asleep(joiner, cpu)) => {
            cpu_threads::get(cpu).and_then(|cpu| cpu.sleepers.lock().remove(joiner))
        }
        None => None,
    };
    drop(end);
    if let Some(joiner) = joiner {
        scheduler::wake(joiner);
    }
}
