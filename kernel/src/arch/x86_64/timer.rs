//! The local APIC's timer (Intel SDM vol. 3 §11.5.4): one interrupt on the running CPU after a number of ticks of the time stamp
//! counter. The boot CPU measures once how many counts of the timer go with a tick.
use super::instructions::{ticks, ticks_in_order};
use super::{apic, vectors};
use core::sync::atomic::{AtomicU64, Ordering};

/// The ticks of the time stamp counter in a millisecond.
static TICKS_PER_MS: AtomicU64 = AtomicU64::new(1_000_000);
/// The counts of the APIC's timer in 2^32 ticks of the time stamp counter.
static COUNTS_PER_2_32_TICKS: AtomicU64 = AtomicU64::new(1 << 32);

/// The ticks of the time stamp counter in a count of the APIC's timer, with 24 binary places.
static TICKS_PER_COUNT: AtomicU64 = AtomicU64::new(1 << 24);

/// A measurement of the APIC's timer that has begun.
pub struct TimerMeasurement {
    start_ticks: u64,
    start_count: u32,
}

impl TimerMeasurement {
    /// Starts the timer. The running CPU's APIC is on, and its timer is not in use.
    pub fn begin() -> Self {
        apic::start_timer_count(u32::MAX);
        let (start_ticks, start_count) = timer_reading();
        Self { start_ticks, start_count }
    }

    /// Returns the ticks since the start.
    pub fn elapsed_ticks(&self) -> u64 {
        ticks().wrapping_sub(self.start_ticks)
    }

    /// Stops the timer, and stores how many of its counts go with a tick. The value holds for all CPUs: their timers count at one
    /// speed, and so do their time stamp counters.
    pub fn end(self) {
        let (end_ticks, end_count) = timer_reading();
        apic::start_timer_count(0);
        let ticks = end_ticks.wrapping_sub(self.start_ticks).max(1);
        let counts = u64::from(self.start_count.wrapping_sub(end_count)).max(1);
        let ratio = (u128::from(counts) << 32) / u128::from(ticks);
        COUNTS_PER_2_32_TICKS.store(ratio as u64, Ordering::Relaxed);
        TICKS_PER_COUNT.store(((u128::from(ticks) << 24) / u128::from(counts)) as u64, Ordering::Relaxed);
    }
}

/// Returns the ticks and the timer's count at one moment. Of several readings, it takes the one that took the least time.
fn timer_reading() -> (u64, u32) {
    let read = |_| {
        let before = ticks_in_order();
        let count = apic::timer_count();
        let width = ticks_in_order().wrapping_sub(before);
        (width, before.wrapping_add(width / 2), count)
    };
    let (_, ticks, count) = (0..4).map(read).min().expect("the range is not empty");
    (ticks, count)
}

/// Returns the ticks of the time stamp counter in a millisecond.
pub fn ticks_per_ms() -> u64 {
    TICKS_PER_MS.load(Ordering::Relaxed)
}

/// Sets the ticks of the time stamp counter in a millisecond.
pub fn set_ticks_per_ms(ticks: u64) {
    TICKS_PER_MS.store(ticks, Ordering::Relaxed);
}

/// Requests one timer interrupt on the running CPU, after `in_ticks` ticks of the time stamp counter. It replaces an earlier
/// request.
#[inline]
pub fn set_timer(in_ticks: u64) {
    let in_ticks = in_ticks.min(u64::from(u32::MAX));
    let counts = (in_ticks * (COUNTS_PER_2_32_TICKS.load(Ordering::Relaxed) >> 8)) >> 24;
    apic::start_timer_count(counts.clamp(1, u64::from(u32::MAX)) as u32);
}

/// Returns the ticks until the timer interrupt that was requested last on the running CPU; 0 if its time has come, or if none is
/// requested.
pub fn timer_ticks_left() -> u64 {
    let ticks = u128::from(apic::timer_count()) * u128::from(TICKS_PER_COUNT.load(Ordering::Relaxed));
    (ticks >> 24) as u64
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
