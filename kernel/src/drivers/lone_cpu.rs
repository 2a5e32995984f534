//! A machine where one CPU runs: no other CPU watches it, so it looks at itself, in the interrupts of a timer that it cannot mask.
use crate::arch::Frame;
use crate::cpu::{self, look};
use crate::devices::nmi_timer;
use crate::report;
use crate::threads::watchdog;

/// Begins to look at the running CPU this often, if it is the only one.
pub fn start(period_ms: u64) {
    let mut online = cpu::online();
    let (Some(cpu), None) = (online.next(), online.next()) else { return };
    look::answer_timer_with(answer_timer);
    match nmi_timer::start(cpu, period_ms) {
        Ok(target) => log::debug!(
            target: "drivers",
            "the HPET interrupts the only CPU each {period_ms} ms, {target}, to look at what it runs"
        ),
        Err(why) => log::info!(
            target: "drivers",
            "nobody notices code of a driver that loops with interrupts off: there is one CPU, and {why}"
        ),
    }
}

/// Looks at what the CPU runs if it does not get on. Returns false if the non-maskable interrupt is not the timer's.
fn answer_timer(frame: &mut Frame) -> bool {
    if !nmi_timer::take_interrupt() {
        return false;
    }
    if watchdog::is_stuck_here() {
        look::look_here(frame);
        // No tick sends what the look says.
        if report::is_waiting() {
            report::send_some();
        }
    }
    true
}
