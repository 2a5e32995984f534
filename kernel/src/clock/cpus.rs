//! Compares the time stamp counter of each CPU with the boot CPU's when the CPU has started.
//!
//! One CPU at a time takes part. The boot CPU asks by writing a number to [`QUESTION`]; the other CPU writes its counter to
//! [`COUNTER`], and then the number to [`ANSWER`]. The other CPU's flag [`COMPARED`] ends its part.
use super::{findings, init, now};
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, Cpu, cpu_local};
use clock_math::{Exchange, Fault, offset_between};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use units::CpuId;

/// The number of exchanges.
const EXCHANGES: usize = 8;
/// How long the boot CPU waits for an answer.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// The asked CPU's index plus 1 in the high half, and the question's number in the low half.
static QUESTION: AtomicU64 = AtomicU64::new(0);
/// The question that was answered last.
static ANSWER: AtomicU64 = AtomicU64::new(0);
/// The asked CPU's counter.
static COUNTER: AtomicU64 = AtomicU64::new(0);

cpu_local! {
    /// True if the comparison of this CPU is over.
    static COMPARED: AtomicBool = AtomicBool::new(false);
}

/// Returns the first question for a CPU.
fn first_question(cpu: CpuId) -> u64 {
    (u64::from(cpu.0) + 1) << 32
}

/// Compares the counter of `cpu`, which is in [`answer_boot_cpu`], with the running CPU's, the boot CPU's. The CPU then has its
/// offset. If the two counters cannot be compared, the HPET takes the place of all counters.
pub fn compare_with(cpu: &Cpu) {
    let mut exchanges = [Exchange { asked: 0, answered: 0, seen: 0 }; EXCHANGES];
    let mut question = first_question(cpu.id);
    let is_complete = exchanges.iter_mut().all(|exchange| {
        question += 1;
        ask(question).is_some_and(|answer| {
            *exchange = answer;
            true
        })
    });
    match if is_complete { offset_between(&exchanges) } else { None } {
        Some(0) => {}
        Some(ahead) => {
            log::debug!(target: "clock", "CPU {}'s time stamp counter is ahead by {ahead} ticks", cpu.id);
            now::set_ahead(cpu, ahead);
        }
        None => {
            let hpet = init::hpet();
            findings::report(Fault::TscCpus { cpu: cpu.id.0, hpet: hpet.is_some() });
            if let Some(hpet) = hpet {
                now::use_hpet(hpet);
            }
        }
    }
    COMPARED.of(cpu).store(true, Ordering::Release);
}

/// Asks a question and waits for its answer. `None` means that none came in time.
fn ask(question: u64) -> Option<Exchange> {
    let limit = now::ticks_in_ns(TIMEOUT_NS);
    // An interrupt would only make the exchange longer.
    let _off = InterruptsOff::new();
    let asked = arch::ticks_in_order();
    QUESTION.store(question, Ordering::Release);
    while ANSWER.load(Ordering::Acquire) != question {
        if arch::ticks().wrapping_sub(asked) > limit {
            return None;
        }
        core::hint::spin_loop();
    }
    let seen = arch::ticks_in_order();
    Some(Exchange { asked, answered: COUNTER.load(Ordering::Relaxed), seen })
}

/// Answers the boot CPU's questions until [`compare_with`] is done with the running CPU, which has just come online.
pub fn answer_boot_cpu() {
    let cpu = cpu::current();
    let mut answered = first_question(cpu.id);
    while !COMPARED.of(cpu).load(Ordering::Acquire) {
        let question = QUESTION.load(Ordering::Acquire);
        let is_new = question >> 32 == answered >> 32 && question != answered;
        if is_new {
            COUNTER.store(arch::ticks_in_order(), Ordering::Relaxed);
            ANSWER.store(question, Ordering::Release);
            answered = question;
        }
        core::hint::spin_loop();
    }
}
