//! Compares the time stamp counter of each CPU that has started with the boot CPU's.
//!
//! One CPU at a time takes part; the others halt until it is their turn. The boot CPU asks by writing a number to [`QUESTION`]; the
//! other CPU writes its counter to [`COUNTER`], and then the number to [`ANSWER`]. The other CPU's flag [`COMPARED`] ends its part.
use super::{faults, init, now};
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, Cpu, cpu_local};
use clock_math::{Comparison, Exchange, Fault};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use units::CpuId;

/// The lowest and the highest number of exchanges. Each one makes the comparison more exact, unless the machine is busy.
const EXCHANGES: core::ops::RangeInclusive<u64> = 8..=200;
/// The uncertainty at which the exchanges end if the counters may be equal, in nanoseconds.
const EXACT_EQUAL_NS: u64 = 10_000;
/// The uncertainty at which the exchanges end if the counters differ, in nanoseconds.
const EXACT_OFFSET_NS: u64 = 500;
/// How long the boot CPU waits for an answer. A busy host may stop an emulated CPU for seconds.
const TIMEOUT_NS: u64 = 10_000_000_000;

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

/// Returns the question before the first one for a CPU, which says that it is the CPU's turn.
fn first_question(cpu: CpuId) -> u64 {
    (u64::from(cpu.0) + 1) << 32
}

/// Compares the counter of `cpu` with the boot CPU's, and sets the CPU's offset. If the two counters are not one clock, the HPET
/// takes the place of all counters.
///
/// The boot CPU calls this when `cpu` has come online. Until this function returns, `cpu` is in [`answer_boot_cpu`] with interrupts
/// off, so nothing may wait for it.
pub fn compare_with(cpu: &Cpu) {
    QUESTION.store(first_question(cpu.id), Ordering::Release);
    cpu.wake_up();
    if !now::is_by_hpet() {
        match exchange_with(cpu).and_then(Comparison::offset) {
            Some(0) => {}
            Some(ahead) => {
                log::debug!(target: "clock", "CPU {}'s time stamp counter is ahead by {ahead} ticks", cpu.id);
                now::set_ahead(cpu, ahead);
            }
            None => distrust_counters(cpu),
        }
    }
    COMPARED.of(cpu).store(true, Ordering::Release);
}

/// Returns true if [`compare_with`] was called for the CPU.
pub fn is_compared(cpu: &Cpu) -> bool {
    COMPARED.of(cpu).load(Ordering::Relaxed)
}

fn distrust_counters(cpu: &Cpu) {
    let hpet = init::hpet();
    faults::report(Fault::TscCpus { cpu: cpu.id.0, hpet: hpet.is_some() });
    if let Some(hpet) = hpet {
        now::use_hpet(hpet);
    }
}

/// Asks the CPU until the comparison is exact enough. Returns `None` if the CPU does not answer.
fn exchange_with(cpu: &Cpu) -> Option<Comparison> {
    let first = first_question(cpu.id);
    let mut comparison = Comparison::new(ask(first + 1)?);
    for question in 2..=*EXCHANGES.end() {
        comparison = comparison.and(ask(first + question)?);
        let exact_ns = if comparison.may_be_equal() { EXACT_EQUAL_NS } else { EXACT_OFFSET_NS };
        let is_exact = comparison.uncertainty().is_none_or(|ticks| ticks <= now::ticks_in_ns(exact_ns));
        if question >= *EXCHANGES.start() && is_exact {
            break;
        }
    }
    Some(comparison)
}

/// Asks a question and waits for its answer. Returns `None` if no answer came in time.
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

/// Waits for this CPU's turn, then answers the boot CPU's questions until [`compare_with`] ends the comparison. Each CPU calls this
/// once, when it is online and before it idles, with interrupts off.
pub fn answer_boot_cpu() {
    let cpu = cpu::current();
    let mut answered = first_question(cpu.id);
    // CPUs that spin here by the hundred would slow down the one whose turn it is, most of all on an emulator.
    let off = InterruptsOff::new();
    let is_compared = || COMPARED.of(cpu).load(Ordering::Acquire);
    // Without questions, as with the HPET, this CPU's turn may be over before it has seen the first one.
    while QUESTION.load(Ordering::Acquire) >> 32 != answered >> 32 && !is_compared() {
        cpu::idle(&off);
    }
    while !is_compared() {
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
