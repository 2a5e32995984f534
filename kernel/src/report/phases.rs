//! How long each phase of boot took: for the benchmarks, which list where the instructions of a boot went.
use crate::arch;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayVec;

/// The most phases that are kept.
const MOST: usize = 16;

/// The end of a phase: its name, and the ticks of work from the start of boot on, waits left out.
type End = (&'static str, u64);

static ENDS: SpinLock<ArrayVec<End, MOST>, PreemptionOff> =
    SpinLock::new(Rank::Phases, ArrayVec::new_const());

/// Ticks of the time stamp counter so far that were not spent in waits which hardware asks for.
fn worked() -> u64 {
    arch::ticks().wrapping_sub(arch::waited_ticks())
}

/// Notes when the first phase began.
pub fn begin(start_ticks: u64) {
    let _ = ENDS.lock().try_push(("", start_ticks));
}

/// Ends a phase and begins the next.
pub fn end(name: &'static str) {
    // What goes beyond the most is not kept.
    let _ = ENDS.lock().try_push((name, worked()));
}

/// The phases in their order, with their ticks of work.
pub fn all() -> ArrayVec<(&'static str, u64), MOST> {
    let ends = ENDS.lock();
    ends.windows(2).map(|pair| (pair[1].0, pair[1].1.wrapping_sub(pair[0].1))).collect()
}
