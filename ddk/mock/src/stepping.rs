//! Interrupting the driver between any two instructions: the processor executes some of them one by one, and then others run.
//!
//! Stepping begins before a call of the driver, or behind an access of a register. It stops where the driver calls an export, or returns:
//! each uses the machine first ([`crate::world::with`]).
use std::arch::asm;
use std::cell::Cell;

/// The trap flag of RFLAGS: the processor raises SIGTRAP behind the next instruction (Intel SDM vol. 3 §17.3.2).
pub const TRAP: u64 = 1 << 8;
/// The most instructions that are executed one by one.
pub const MOST_STEPS: u64 = 160;

struct Steps(Cell<u64>);
// SAFETY: each run is a process of its own with one thread.
unsafe impl Sync for Steps {}
/// The instructions until others run; 0: none are counted.
static STEPS: Steps = Steps(Cell::new(0));

/// Begins to count instructions, after which others run. The caller sets the trap flag.
pub fn set(steps: u64) {
    STEPS.0.set(steps);
}

/// Begins as [`set`] does, and sets the trap flag. The caller calls the driver next.
#[inline(always)]
pub fn begin(steps: u64) {
    if steps > 0 {
        set(steps);
        // SAFETY: this sets the trap flag alone, whose signal has a handler.
        unsafe { asm!("pushfq", "or qword ptr [rsp], {trap}", "popfq", trap = const TRAP) };
    }
}

/// Ends the counting. The flag is cleared behind the next instruction.
pub fn stop() {
    STEPS.0.set(0);
}

/// What SIGTRAP leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next instruction is executed alone, too.
    Another,
    /// Others run now.
    Last,
    /// Nothing is counted any more.
    None,
}

/// Counts an instruction.
pub fn count() -> Step {
    match STEPS.0.get() {
        0 => Step::None,
        left => {
            STEPS.0.set(left - 1);
            if left == 1 { Step::Last } else { Step::Another }
        }
    }
}
