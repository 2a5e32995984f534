//! The time, which is one for all CPUs: the boot CPU's time stamp counter.
//!
//! Another CPU adds its offset to its own counter. If the counters are not one clock, the HPET takes their place.
use super::hpet::Hpet;
use super::source::ClockSource;
use crate::arch;
use crate::cpu::{Cpu, PreemptionOff, cpu_local};
use clock_math::{Counter, Hz, Period, Rate};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use spin::Once;

cpu_local! {
    /// The number to add to the CPU's time stamp counter to get the boot CPU's.
    static OFFSET: AtomicU64 = AtomicU64::new(0);
}

/// The clock's rate, as `Rate::to_bits` gives it.
static RATE: AtomicU64 = AtomicU64::new(0);
/// The clock's rate, as `Period::to_bits` gives it.
static PERIOD: AtomicU64 = AtomicU64::new(0);
/// The time at which the clock was started, in ticks.
static START: AtomicU64 = AtomicU64::new(0);
/// True if the time is not each CPU's counter alone: a CPU has an offset, or the HPET takes the place of the counters.
static IS_ADJUSTED: AtomicBool = AtomicBool::new(false);
/// True if the HPET takes the place of the time stamp counters.
static BY_HPET: AtomicBool = AtomicBool::new(false);
static HPET_TIME: Once<HpetTime> = Once::new();

/// Sets the clock's rate, and starts [`time_ns`]. The boot CPU calls this once.
pub fn set_rate(hz: Hz) {
    RATE.store(Rate::new(hz).to_bits(), Ordering::Relaxed);
    PERIOD.store(Period::new(hz).to_bits(), Ordering::Relaxed);
    START.store(now(), Ordering::Relaxed);
}

/// Returns the nanoseconds since the clock was started. May be called at any time, with interrupts on or off.
///
/// The counter is read after all earlier loads. So a CPU that has seen what another CPU wrote after it read the time does not
/// read an earlier one.
#[inline]
pub fn time_ns() -> u64 {
    let ticks = if IS_ADJUSTED.load(Ordering::Relaxed) { now_adjusted() } else { arch::ticks_after_loads() };
    let period = Period::from_bits(PERIOD.load(Ordering::Relaxed));
    period.ns_in_ticks(ticks.wrapping_sub(START.load(Ordering::Relaxed)))
}

/// Returns the first tick of a time that [`time_ns`] returns, or one soon after.
pub fn ticks_at_ns(time_ns: u64) -> u64 {
    START.load(Ordering::Relaxed).saturating_add(ticks_in_ns(time_ns))
}

#[cold]
fn now_adjusted() -> u64 {
    let _off = PreemptionOff::new();
    if BY_HPET.load(Ordering::Relaxed) {
        return now_by_hpet();
    }
    arch::ticks_after_loads().wrapping_add(OFFSET.here_or_elsewhere().load(Ordering::Relaxed))
}

/// Returns the number of ticks that take at least this time.
#[inline]
pub fn ticks_in_ns(time_ns: u64) -> u64 {
    Rate::from_bits(RATE.load(Ordering::Relaxed)).ticks_in_ns(time_ns)
}

/// Returns the time in ticks.
#[inline]
pub fn now() -> u64 {
    let _off = PreemptionOff::new();
    now_here()
}

/// Returns the time in ticks. The caller has switched interrupts or preemption off, so that the counter and the offset are of one
/// CPU.
#[inline]
pub fn now_here() -> u64 {
    if BY_HPET.load(Ordering::Relaxed) {
        return now_by_hpet();
    }
    arch::ticks().wrapping_add(OFFSET.here_or_elsewhere().load(Ordering::Relaxed))
}

#[cold]
fn now_by_hpet() -> u64 {
    HPET_TIME.get().map_or(0, HpetTime::now)
}

/// Sets by how many ticks the CPU's time stamp counter is ahead of the boot CPU's, for a CPU that has not read the time yet.
pub fn set_ahead(cpu: &Cpu, ticks: i64) {
    OFFSET.of(cpu).store(ticks.wrapping_neg() as u64, Ordering::Relaxed);
    IS_ADJUSTED.store(true, Ordering::Relaxed);
}

/// Makes the HPET take the place of the time stamp counters. The time goes on from where it is. Further calls change nothing.
pub fn use_hpet(hpet: &'static Hpet) {
    HPET_TIME.call_once(|| HpetTime::starting_at(now(), hpet));
    BY_HPET.store(true, Ordering::Relaxed);
    IS_ADJUSTED.store(true, Ordering::Relaxed);
}

/// Returns true if the HPET takes the place of the time stamp counters.
pub fn is_by_hpet() -> bool {
    BY_HPET.load(Ordering::Relaxed)
}

/// The time by the HPET, in ticks of the time stamp counter.
struct HpetTime {
    hpet: &'static Hpet,
    counter: Counter,
    /// Ticks of the time stamp counter in a step of the HPET's counter, with 32 binary places.
    ticks_per_step: u128,
    start_ticks: u64,
    start_count: u64,
    /// The highest 64-bit count that any CPU has read.
    last: AtomicU64,
}

impl HpetTime {
    fn starting_at(ticks: u64, hpet: &'static Hpet) -> Self {
        let (counter, count) = (hpet.counter(), hpet.read());
        let ticks_per_s = u128::from(arch::ticks_per_ms()) * 1000;
        let ticks_per_step = (ticks_per_s << 32) / u128::from(counter.hz.0);
        Self {
            hpet,
            counter,
            ticks_per_step,
            start_ticks: ticks,
            start_count: count,
            last: AtomicU64::new(count),
        }
    }

    /// Returns the time. The tick of a CPU that runs a thread, or the timer of the next sleeper, calls this at least every 4.3 s,
    /// far more often than the counter counts through half of its range.
    fn now(&self) -> u64 {
        let count = self.hpet.read();
        let extend = |last| Some(self.counter.extended(last, count));
        let last = self.last.try_update(Ordering::Relaxed, Ordering::Relaxed, extend);
        let count = self.counter.extended(last.unwrap_or_default(), count);
        let ticks = (u128::from(count - self.start_count) * self.ticks_per_step) >> 32;
        self.start_ticks.wrapping_add(ticks as u64)
    }
}
