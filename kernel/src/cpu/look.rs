//! Looking at what a CPU runs that does not answer otherwise: another CPU asks it by non-maskable interrupt, or a timer does.
use super::cpu_local;
use super::hook::Hook;
use super::identity::Cpu;
use crate::arch::{self, Frame, InterruptsOff};
use core::sync::atomic::{AtomicU32, Ordering};
use cpu_requests::LookRequest;

/// What a CPU is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// To leave the code of drivers that have failed.
    Leave = 1,
    /// To find out whether code of a driver keeps it too long.
    Overrun = 2,
}

cpu_local! {
    static REQUEST: LookRequest = LookRequest::closed();
}

/// How many CPUs are asked. It is looked at first: the interrupt may come from a CPU whose own data are damaged.
static ASKED: AtomicU32 = AtomicU32::new(0);

static LOOK: Hook<fn(&mut Frame, Question)> = Hook::new();

static TIMER: Hook<fn(&mut Frame) -> bool> = Hook::new();

/// Registers the function that answers the non-maskable interrupts of a timer. It returns false if the one of this frame is not of that
/// timer.
pub fn answer_timer_with(answer: fn(&mut Frame) -> bool) {
    TIMER.set(answer);
}

/// Registers the function that a CPU calls when it is asked. It runs in a non-maskable interrupt: it waits for nothing, and takes a lock only
/// where an exception in the interrupted code could.
pub fn look_with(look: fn(&mut Frame, Question)) {
    LOOK.set(look);
}

/// Asks a CPU, unless it is being asked.
pub fn ask(cpu: &Cpu, question: Question) {
    ASKED.fetch_add(1, Ordering::SeqCst);
    if REQUEST.of(cpu).ask(question as u64) {
        arch::stop_cpu(cpu.apic);
    } else {
        ASKED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns true if the CPU was asked and has not answered.
pub fn is_asked(cpu: &Cpu) -> bool {
    REQUEST.of(cpu).is_open()
}

/// Has this CPU look at the code that an interrupt has interrupted, which has this frame.
pub fn look_here(frame: &mut Frame) {
    if let Some(look) = LOOK.get() {
        look(frame, Question::Overrun);
    }
}

/// Answers what this CPU is asked. Returns false if the non-maskable interrupt of this frame has another cause.
pub(super) fn answer(frame: &mut Frame) -> bool {
    answer_cpu(frame) || TIMER.get().is_some_and(|answer| answer(frame))
}

/// Answers what another CPU asks. Returns false if none does.
fn answer_cpu(frame: &mut Frame) -> bool {
    if ASKED.load(Ordering::SeqCst) == 0 {
        return false;
    }
    // SAFETY: the entries of the interrupt table are interrupt gates, so the CPU has switched interrupts off.
    let off = unsafe { InterruptsOff::assume() };
    let is_answered = REQUEST.here(&off).serve(|what| {
        let question = if what == Question::Leave as u64 { Question::Leave } else { Question::Overrun };
        if let Some(look) = LOOK.get() {
            look(frame, question);
        }
    });
    if is_answered {
        ASKED.fetch_sub(1, Ordering::SeqCst);
    }
    is_answered
}
