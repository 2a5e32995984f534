//! The verdict: whether all went well, and how the machine is told to stop with it.
use super::{console, event_stream, fault};
use crate::arch::{self, ExitStatus};
use crate::cpu;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use events::Event;

static FAILED: AtomicBool = AtomicBool::new(false);

/// Notes that something which must work did not; boot goes on, and ends with the verdict of failure.
pub fn fail() {
    FAILED.store(true, Ordering::SeqCst);
}

/// Whether nothing has failed so far.
pub fn is_well() -> bool {
    !FAILED.load(Ordering::SeqCst)
}

/// Reports the verdict on both ports, stops all CPUs and ends the emulator, or halts where there is none.
pub fn stop_with(ok: bool) -> ! {
    console::begin_last_words();
    cpu::stop_other_cpus();
    if !ok {
        log::error!(target: "verdict", "failure");
    }
    event_stream::send_last(&Event::Exit { ok });
    console::flush();
    arch::exit_emulator(if ok { ExitStatus::Success } else { ExitStatus::Failure });
    arch::halt_forever()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    if PANICKED.swap(true, Ordering::SeqCst) {
        // A second panic, in reporting the first, or on another CPU at the same time.
        arch::exit_emulator(ExitStatus::Failure);
        arch::halt_forever();
    }
    console::begin_last_words();
    cpu::stop_other_cpus();
    log::error!(target: "panic", "{info}");
    log::error!(target: "panic", "on {}", fault::Place);
    stop_with(false)
}
