//! The phases of the boot and their durations, which the benchmarks report.
use crate::arch;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayVec;

/// The highest number of ends that are stored. The first one is the start of the boot.
const MOST: usize = 16;

/// The end of a phase: its name, and the ticks of work since the start of boot, without waits.
type End = (&'static str, u64);

static ENDS: SpinLock<ArrayVec<End, MOST>, PreemptionOff> =
    SpinLock::new(Rank::Phases, ArrayVec::new_const());

/// Returns the ticks of the time stamp counter so far, without those in waits that hardware prescribes.
fn worked() -> u64 {
    arch::ticks().wrapping_sub(arch::waited_ticks())
}

/// Notes that the first phase began at `start_ticks`.
pub fn begin(start_ticks: u64) {
    let _ = ENDS.lock().try_push(("", start_ticks));
}

/// Notes that the phase `name` has ended. The next one begins.
pub fn end(name: &'static str) {
    // Phases beyond the highest number are left out.
    let _ = ENDS.lock().try_push((name, worked()));
}

/// Returns the phases in their order, with their ticks of work.
pub fn all() -> ArrayVec<(&'static str, u64), MOST> {
    let ends = ENDS.lock();
    ends.windows(2).map(|pair| (pair[1].0, pair[1].1.wrapping_sub(pair[0].1))).collect()
}
