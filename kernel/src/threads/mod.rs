//! Threads: their life, where and when they run, and what they wait for.
//!
//! `docs/threads.md` lists the files in the order in which they import each other.

pub mod address_wait;
mod cpu_sets;
pub mod cpu_threads;
pub mod driver_timers;
pub mod ending;
mod halting;
mod idle;
pub mod join;
pub mod lifecycle;
pub mod misuses;
mod mutex;
pub mod owner;
pub mod owners;
pub mod scheduler;
mod semaphore;
pub mod sleep;
mod sleepers;
pub mod thread;
pub mod thread_table;
pub mod tick;
mod tick_timer;
mod timer_interrupt;
pub mod trimmer;
pub mod used_kinds;
mod wait_queue;
pub mod watchdog;
pub mod whose_code;

pub use idle::{main as idle_main, run as run_idle};
pub use mutex::Mutex;
pub use semaphore::Semaphore;
pub use wait_queue::WaitQueue;

use core::fmt;

/// The boot CPU's thread until there is memory for threads.
static FIRST: thread::Thread = thread::Thread::first();

/// Returns what the boot CPU runs first.
pub fn first_task() -> &'static impl crate::arch::Task {
    &FIRST
}

/// Writes the running thread's name, as "thread boot".
pub fn name_current(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "thread {}", cpu_threads::current_thread().name)
}

/// Writes the running thread's id and name, and the driver whose code it or the CPU's handler runs, as ", thread 1 (boot)".
pub fn describe_current(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let thread = cpu_threads::current_thread();
    write!(out, ", thread {} ({})", thread.id.0, thread.name)?;
    let place = if whose_code::is_handler() { "a handler of driver" } else { "driver" };
    match whose_code::calling_driver() {
        Some(driver) => write!(out, ", in {place} {}", driver.name()),
        None => Ok(()),
    }
}
