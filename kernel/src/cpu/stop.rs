//! The last words of the CPUs: the running CPU begins to go down, and the first one to do so stops the others, by non-maskable
//! interrupt, before the machine stops.
//!
//! A CPU is known by its APIC id, which CPUID gives. Nothing here reads the CPU's own data, except for the list of all CPUs when
//! the first CPU stops the others: a fault may come from that data being damaged.
use super::registry;
use crate::arch::{self, Frame, InterruptsOff};
use last_words::{Cause, LastWords, Say, StopOrder};

/// How many CPUs can report at once. Any further one stops without a word.
const REPORTS: usize = 64;

static LAST_WORDS: LastWords<REPORTS> = LastWords::new();

/// How often the first CPU looks whether the others have followed its order before it repeats the order.
const ORDER_PATIENCE: u32 = 2_000_000;
/// How many orders leave alone a CPU that has interrupts off, because it may be entering the handler of a fault.
const LENIENT_ORDERS: u32 = 3;
/// How often a CPU looks whether another one has ended its report before it goes on without that: about a second. A report of
/// 500 bytes takes 43 ms at 115,200 baud.
const REPORT_PATIENCE: u32 = 20_000_000;

/// Begins the running CPU's last words, and returns what it may say. Interrupts stay off from here on. The first CPU stops the others. A later one waits until
/// those before it have spoken.
pub fn begin_last_words(cause: Cause) -> Say {
    // A tick would give the CPU to another thread in the middle of the report.
    core::mem::forget(InterruptsOff::new());
    let this = arch::this_apic_id();
    let say = LAST_WORDS.begin(this.0, cause);
    match say {
        Say::Everything { order: 0 } => stop_other_cpus(),
        Say::Everything { order } => {
            // If they do not end, it speaks nevertheless.
            let _ = wait(REPORT_PATIENCE, || LAST_WORDS.is_turn_of(order));
        }
        Say::OneLine { .. } | Say::Nothing => {}
    }
    say
}

/// Ends the running CPU's last words, which have this place. Returns only on the CPU that gives the verdict, after the last words
/// of all others, and then says whether one of them was about a fault. Every other CPU halts.
pub fn end_last_words(order: usize) -> bool {
    LAST_WORDS.end(order);
    if order > 0 {
        arch::halt_forever();
    }
    // The others speak one after the other, so each has its own time.
    let mut next = 1;
    while !LAST_WORDS.close() && wait(REPORT_PATIENCE, || LAST_WORDS.is_turn_of(next + 1)) {
        next += 1;
    }
    LAST_WORDS.close_regardless();
    LAST_WORDS.has_fault()
}

/// Returns true to the one caller that is to give the verdict.
pub fn claim_verdict() -> bool {
    LAST_WORDS.claim_verdict()
}

/// Orders every other CPU to stop where it is, for good, and waits until each has stopped or reports a fault of its own. A CPU that
/// does not answer is left behind.
fn stop_other_cpus() {
    let this = arch::this_apic_id();
    // Only online CPUs: in a CPU that was never started, the interrupt would run the firmware's handler in real mode, and reset
    // the machine.
    let others = || registry::online().filter(|cpu| cpu.apic != this);
    let count = others().count();
    for order in 0..=LENIENT_ORDERS {
        if order == LENIENT_ORDERS {
            LAST_WORDS.insist();
        }
        others().for_each(|cpu| arch::stop_cpu(cpu.apic));
        if wait(ORDER_PATIENCE, || LAST_WORDS.accounted() >= count) {
            return;
        }
    }
}

/// Waits until the function returns true, but calls it only so often, and returns whether it did. The clock may not be set up yet.
fn wait(patience: u32, is_over: impl Fn() -> bool) -> bool {
    for _ in 0..patience {
        if is_over() {
            return true;
        }
        core::hint::spin_loop();
    }
    false
}

/// Returns what the non-maskable interrupt of this frame means.
#[cold]
pub(super) fn order_of(frame: &Frame) -> StopOrder {
    LAST_WORDS.order_to(arch::this_apic_id().0, !frame.has_interrupts_on())
}
