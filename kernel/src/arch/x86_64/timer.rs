//! The local APIC's timer: one interrupt on this CPU after so many ticks of the time stamp counter (Intel SDM vol. 3
//! §11.5.4), and how many ticks a second has. Both are measured once, on the boot CPU, against the PIT.
use super::{apic, ticks, time, vectors};
use core::sync::atomic::{AtomicU64, Ordering};

/// Ticks of the time stamp counter in a millisecond.
static TICKS_PER_MS: AtomicU64 = AtomicU64::new(1_000_000);
/// Counts of the APIC's timer in 2^32 ticks of the time stamp counter.
static COUNTS_PER_2_32_TICKS: AtomicU64 = AtomicU64::new(1 << 32);

/// The counts that a measurement began with.
struct Measurement {
    start_ticks: u64,
}

impl Measurement {
    /// Begins to count, on a CPU whose APIC is on and whose timer is not in use.
    fn begin() -> Self {
        apic::start_timer_count(u32::MAX);
        Self { start_ticks: ticks() }
    }

    /// Ends after exactly this long.
    fn end(self, elapsed_us: u64) {
        let elapsed_ticks = ticks().wrapping_sub(self.start_ticks).max(1);
        let counts = u64::from(u32::MAX - apic::timer_count()).max(1);
        apic::start_timer_count(0);
        TICKS_PER_MS.store((elapsed_ticks * 1000 / elapsed_us.max(1)).max(1), Ordering::Relaxed);
        let ratio = (u128::from(counts) << 32) / u128::from(elapsed_ticks);
        COUNTS_PER_2_32_TICKS.store(ratio as u64, Ordering::Relaxed);
    }
}

/// How long the timer is measured.
const MEASURED_US: u64 = 10_000;

/// Measures the timer of this CPU, which all others' run alike.
pub fn measure_timer() {
    let measurement = Measurement::begin();
    time::wait(MEASURED_US);
    measurement.end(MEASURED_US);
}

/// Ticks of the time stamp counter in a millisecond.
pub fn ticks_per_ms() -> u64 {
    TICKS_PER_MS.load(Ordering::Relaxed)
}

/// Asks for one timer interrupt on this CPU in so many ticks; replaces the one asked for before.
#[inline]
pub fn set_timer(in_ticks: u64) {
    let in_ticks = in_ticks.min(u64::from(u32::MAX));
    let counts = (in_ticks * (COUNTS_PER_2_32_TICKS.load(Ordering::Relaxed) >> 8)) >> 24;
    apic::start_timer_count(counts.clamp(1, u64::from(u32::MAX)) as u32);
}

/// Asks for no timer interrupt on this CPU.
pub fn stop_timer() {
    apic::start_timer_count(0);
}

/// Does to this CPU what the timer's interrupt does.
pub fn interrupt_as_the_timer_does() {
    // SAFETY: the vector has a handler, which keeps all registers; interrupts are off in it as they would be.
    unsafe { core::arch::asm!("int {}", const vectors::TIMER) };
}
