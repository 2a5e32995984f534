//! The end of the machine, by a function of an upper layer that knows how to end it.
use crate::arch;
use crate::cpu::Hook;

/// How the kernel ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// All went well.
    Success,
    /// Something failed that must work.
    Failure,
}

static EXIT: Hook<fn(ExitStatus)> = Hook::new();

/// Registers the function that ends the machine. The function returns if it cannot.
pub fn exit_with(exit: fn(ExitStatus)) {
    EXIT.set(exit);
}

/// Ends the machine without a report. Halts this CPU for good if the machine cannot be ended.
pub fn end_machine(ok: bool) -> ! {
    if let Some(exit) = EXIT.get() {
        exit(if ok { ExitStatus::Success } else { ExitStatus::Failure });
    }
    arch::halt_forever()
}
