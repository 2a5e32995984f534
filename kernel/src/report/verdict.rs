//! The verdict: the kernel's judgement of its own run.
use super::last_words;
use ::last_words::Cause;
use core::sync::atomic::{AtomicBool, Ordering};

static FAILED: AtomicBool = AtomicBool::new(false);

/// Notes that something failed that must work. Boot goes on, and ends with the verdict of failure.
pub fn fail() {
    FAILED.store(true, Ordering::SeqCst);
}

/// Returns true if nothing has failed so far.
pub fn is_well() -> bool {
    !FAILED.load(Ordering::SeqCst)
}

/// Reports the verdict on both ports, stops all CPUs, and ends the machine. If another CPU reports a fault at this moment, the
/// verdict is failure.
pub fn stop_with(ok: bool) -> ! {
    last_words::begin(if ok { Cause::Stop } else { Cause::Fault }).end()
}

/// Ends the boot with the verdict of failure: there is no memory for `what`, which the kernel cannot do without.
#[cold]
pub fn stop_without_memory_for(what: &str) -> ! {
    log::error!(target: "boot", "there is no memory for {what}; the boot ends here");
    stop_with(false)
}
