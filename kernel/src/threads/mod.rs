//! Threads: their life, their turns, and what they wait at.

pub mod cpu_threads;
mod idle;
pub mod lifecycle;
mod mutex;
pub mod owner;
pub mod scheduler;
mod semaphore;
pub mod sleep;
pub mod thread;
pub mod thread_list;
mod thread_table;
mod wait_queue;

pub use mutex::Mutex;
pub use semaphore::Semaphore;

pub use idle::{main as idle_main, run as run_idle};

use core::fmt;

/// What the boot CPU runs until there is memory for threads.
static FIRST: thread::Thread = thread::Thread::first();

/// What the boot CPU runs first.
pub fn first_task() -> &'static impl crate::arch::Task {
    &FIRST
}

/// Writes the running thread's name, as "thread boot".
pub fn name_current(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "thread {}", cpu_threads::current_thread().name)
}

/// Writes the running thread's id and name, and the driver whose code it runs, as ", thread 1 (boot)".
pub fn describe_current(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let thread = cpu_threads::current_thread();
    write!(out, ", thread {} ({})", thread.id.0, thread.name)?;
    thread.driver_name().map_or(Ok(()), |driver| write!(out, ", in driver {driver}"))
}
