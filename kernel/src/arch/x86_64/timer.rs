//! The local APIC's timer (Intel SDM vol. 3 §11.5.4): one interrupt on the running CPU after a number of ticks of the time stamp
//! counter. The boot CPU measures once, against the PIT, how fast both count.
use super::instructions::ticks;
use super::{apic, time, vectors};
use core::sync::atomic::{AtomicU64, Ordering};

/// The ticks of the time stamp counter in a millisecond.
static TICKS_PER_MS: AtomicU64 = AtomicU64::new(1_000_000);
/// The counts of the APIC's timer in 2^32 ticks of the time stamp counter.
static COUNTS_PER_2_32_TICKS: AtomicU64 = AtomicU64::new(1 << 32);

/// A measurement that has begun.
struct Measurement {
    start_ticks: u64,
}

impl Measurement {
    /// Starts the timer. The running CPU's APIC is on, and its timer is not in use.
    fn begin() -> Self {
        apic::start_timer_count(u32::MAX);
        Self { start_ticks: ticks() }
    }

    /// Stops the timer, `elapsed_us` microseconds after the start, and stores what it has counted.
    fn end(self, elapsed_us: u64) {
        let elapsed_ticks = ticks().wrapping_sub(self.start_ticks).max(1);
        let counts = u64::from(u32::MAX - apic::timer_count()).max(1);
        apic::start_timer_count(0);
        TICKS_PER_MS.store((elapsed_ticks * 1000 / elapsed_us.max(1)).max(1), Ordering::Relaxed);
        let ratio = (u128::from(counts) << 32) / u128::from(elapsed_ticks);
        COUNTS_PER_2_32_TICKS.store(ratio as u64, Ordering::Relaxed);
    }
}

/// How long the measurement takes.
const MEASURED_US: u64 = 10_000;

/// Measures the running CPU's timer and time stamp counter. Those of all CPUs count at the same speed.
pub fn measure_timer() {
    let measurement = Measurement::begin();
    time::wait(MEASURED_US);
    measurement.end(MEASURED_US);
}

/// Returns the ticks of the time stamp counter in a millisecond.
pub fn ticks_per_ms() -> u64 {
    TICKS_PER_MS.load(Ordering::Relaxed)
}

/// Requests one timer interrupt on the running CPU, after `in_ticks` ticks of the time stamp counter. It replaces an earlier
/// request.
#[inline]
pub fn set_timer(in_ticks: u64) {
    let in_ticks = in_ticks.min(u64::from(u32::MAX));
    let counts = (in_ticks * (COUNTS_PER_2_32_TICKS.load(Ordering::Relaxed) >> 8)) >> 24;
    apic::start_timer_count(counts.clamp(1, u64::from(u32::MAX)) as u32);
}

/// Cancels the request for a timer interrupt on the running CPU.
pub fn stop_timer() {
    apic::start_timer_count(0);
}

/// Raises the timer's interrupt on the running CPU, for the benchmarks.
pub fn interrupt_as_the_timer_does() {
    // SAFETY: every vector has a stub in `interrupts.rs`, which restores all registers. The handler runs with interrupts off, as
    // it does for the timer.
    unsafe { core::arch::asm!("int {}", const vectors::TIMER) };
}
