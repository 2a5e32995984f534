//! The test that spin locks are fair: CPUs that wait for a lock get it in turn.
use super::on_each_cpu;
use super::{ONE_CPU, Work, ensure};
use crate::cpu::{self, Cpu};
use crate::sync::{Rank, SpinLock};
use alloc::string::String;
use arrayvec::ArrayVec;
use units::CpuId;

/// How many CPUs take part. Where an emulator has more CPUs than cores, each hand-over may wait for a turn of the emulator's.
const MOST_CPUS: usize = 4;

/// The turns of all CPUs together.
const TURNS: usize = 200;

/// Who has had the lock.
struct Turns {
    /// The CPUs that want the lock all the time.
    competing: u32,
    taken: ArrayVec<CpuId, TURNS>,
}

static TAKEN: SpinLock<Turns> =
    SpinLock::new(Rank::Waiting, Turns { competing: 0, taken: ArrayVec::new_const() });

/// Checks that each of four CPUs gets a lock once in every four turns. A holder releases the lock only when all others wait, and
/// wants it again at once. So it would have it again soon if the lock did not keep to an order.
pub fn are_fair() -> Result<Work, String> {
    let competing = cpu::online().take(MOST_CPUS).count();
    if competing < 2 {
        return Ok(Work::Skipped(ONE_CPU));
    }
    *TAKEN.lock() = Turns { competing: competing as u32, taken: ArrayVec::new_const() };
    on_each_cpu::run_on_each_cpu(take_turns);
    let taken = &TAKEN.lock().taken;
    // A CPU comes back after all others, in the order of the first turns.
    let unfair = taken.iter().zip(&taken[competing..]).position(|(before, after)| before != after);
    ensure!(unfair.is_none(), "{competing} CPUs had the lock in this order: {taken:?}");
    Ok(Work::Done)
}

/// Takes the lock again and again, if this is one of the first CPUs.
fn take_turns(cpu: &Cpu) {
    if !cpu::online().take(MOST_CPUS).any(|other| other.id == cpu.id) {
        return;
    }
    loop {
        let mut turns = TAKEN.lock();
        while turns.waiting() < turns.competing - 1 {
            core::hint::spin_loop();
        }
        if turns.taken.try_push(cpu.id).is_err() {
            turns.competing -= 1;
            return;
        }
    }
}
