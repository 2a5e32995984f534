//! Waits of a length that hardware prescribes.
use super::now;
use crate::arch;
use crate::report::screen;
use clock_math::WaitOutcome;
use core::sync::atomic::{AtomicBool, Ordering};

/// True if the clock's rate is known.
static HAS_CLOCK: AtomicBool = AtomicBool::new(false);

/// Notes that the clock's rate is known.
pub fn set_has_clock() {
    HAS_CLOCK.store(true, Ordering::Relaxed);
}

/// The shortest wait in which the screen is drawn. A row takes some 20 us.
const LONG_US: u64 = 1000;

/// Waits until `done` returns true, or at least `timeout_us` microseconds have passed. The ticks count as waited, not as work.
pub fn wait_until(timeout_us: u64, done: &dyn Fn() -> bool) -> WaitOutcome {
    arch::count_as_wait(|| {
        let start = now::now();
        let limit = now::ticks_in_ns(timeout_us.saturating_mul(1000));
        loop {
            let is_over = now::now().saturating_sub(start) >= limit;
            // The condition is checked once more after the time is over.
            if done() {
                return WaitOutcome::Done;
            }
            if is_over {
                let has_clock = HAS_CLOCK.load(Ordering::Relaxed);
                return if has_clock { WaitOutcome::TimedOut } else { WaitOutcome::NoClock };
            }
            // The boot has nothing else to do now.
            if timeout_us < LONG_US || !screen::draw_a_row() {
                core::hint::spin_loop();
            }
        }
    })
}
