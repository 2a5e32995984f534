//! The verdict: the kernel's judgement of its own run, and the end of the machine with it.
use super::{console, event_stream, output};
use crate::arch;
use crate::cpu::{self, Hook};
use core::sync::atomic::{AtomicBool, Ordering};
use events::Event;

/// How the kernel ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// All went well.
    Success,
    /// Something failed that must work.
    Failure,
}

static FAILED: AtomicBool = AtomicBool::new(false);
static EXIT: Hook<fn(ExitStatus)> = Hook::new();

/// Registers the function that ends the machine. The function returns if it cannot.
pub fn exit_with(exit: fn(ExitStatus)) {
    EXIT.set(exit);
}

/// Notes that something failed that must work. Boot goes on, and ends with the verdict of failure.
pub fn fail() {
    FAILED.store(true, Ordering::SeqCst);
}

/// Returns true if nothing has failed so far.
pub fn is_well() -> bool {
    !FAILED.load(Ordering::SeqCst)
}

/// Stops the other CPUs, and makes the log work without them: one of them may hold the console's lock.
pub fn begin_last_words() {
    output::begin_last_words();
    cpu::stop_other_cpus();
}

/// Reports the verdict on both ports, stops all CPUs, and ends the machine.
pub fn stop_with(ok: bool) -> ! {
    begin_last_words();
    if !ok {
        log::error!(target: "verdict", "failure");
    }
    event_stream::send(&Event::Exit { ok });
    event_stream::OUTPUT.flush_at_last();
    console::OUTPUT.flush_at_last();
    end_machine(ok)
}

/// Ends the boot with the verdict of failure: there is no memory for `what`, which the kernel cannot do without.
#[cold]
pub fn stop_without_memory_for(what: &str) -> ! {
    log::error!(target: "boot", "there is no memory for {what}; the boot ends here");
    stop_with(false)
}

/// Ends the machine without a report. Halts this CPU for good if the machine cannot be ended.
pub fn end_machine(ok: bool) -> ! {
    if let Some(exit) = EXIT.get() {
        exit(if ok { ExitStatus::Success } else { ExitStatus::Failure });
    }
    arch::halt_forever()
}
