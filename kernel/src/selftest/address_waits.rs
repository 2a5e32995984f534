//! Tests that waiting at an address loses no wake-up, and that a limit of time holds.
use super::on_each_cpu::test_on_cpu;
use super::{Outcome, ensure};
use crate::clock;
use crate::cpu;
use crate::threads::address_wait::{self, WaitEnd};
use crate::threads::thread::Start;
use crate::threads::{join, lifecycle};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};
use units::CpuId;

/// The CPU whose turn it is, by its place among those that take part.
static TURN: AtomicU32 = AtomicU32::new(0);
/// The most rounds in which each CPU has a turn.
const ROUNDS: u32 = 200;
/// The product of the rounds and the square of the number of CPUs. Each turn wakes all CPUs, so a round's cost grows with that square.
const ROUNDS_BY_CPUS_SQUARED: u32 = 3200;
/// A limit that no wait reaches unless a wake-up is lost.
const LONG_NS: u64 = 20_000_000_000;

fn address_of(word: &AtomicU32) -> u64 {
    core::ptr::from_ref(word).addr() as u64
}

fn wait(word: &AtomicU32, expected: u32, time_ns: Option<u64>) -> WaitEnd {
    address_wait::wait(address_of(word), expected, time_ns, || Some(word.load(Ordering::Acquire)))
}

/// Checks that all CPUs, which give each other turns by waking each other at one address, all get theirs.
pub fn lose_no_wake_up() -> Outcome {
    TURN.store(0, Ordering::Relaxed);
    let cpus: Vec<CpuId> = cpu::online().map(|cpu| cpu.id).collect();
    let mut threads = Vec::new();
    for cpu in cpus {
        // SAFETY: `take_turns` takes its argument as a number.
        let start = unsafe { Start::new(take_turns, core::ptr::without_provenance_mut(cpu.index())) };
        let thread = lifecycle::create("turns", start, None);
        threads.push(thread.map_err(|error| format!("no thread for CPU {cpu}: {error:?}"))?);
    }
    let codes: Vec<_> = threads.into_iter().map(join::join).collect();
    ensure!(codes.iter().all(|code| *code == Ok(0)), "a CPU got no turn: {codes:?}");
    Ok(())
}

unsafe extern "C" fn take_turns(cpu: *mut c_void) -> i32 {
    test_on_cpu(cpu, |cpu, moved| {
        moved?;
        let count = cpu::online().count() as u32;
        let place = cpu::online().position(|other| other.id == cpu).unwrap_or(0) as u32;
        // At least one round of each kind.
        let rounds = (ROUNDS_BY_CPUS_SQUARED / (count * count)).clamp(2, ROUNDS);
        for round in 0..rounds {
            let turn = round * count + place;
            loop {
                let now = TURN.load(Ordering::Acquire);
                if now == turn {
                    break;
                }
                // One half of the rounds is among the sleepers, too.
                let limit = (round % 2 == 0).then_some(LONG_NS);
                let end = wait(&TURN, now, limit);
                ensure!(end == WaitEnd::Woken, "at turn {now}, waiting for {turn}: {end:?}");
            }
            TURN.store(turn + 1, Ordering::Release);
            address_wait::wake(address_of(&TURN), u32::MAX);
        }
        Ok(())
    })
}

/// Checks what a wait returns at once, and that it does not end before its time.
pub fn end_in_time() -> Outcome {
    static WORD: AtomicU32 = AtomicU32::new(5);
    let check = |is: WaitEnd, expected: WaitEnd| -> Result<(), String> {
        ensure!(is == expected, "a wait ended with {is:?} instead of {expected:?}");
        Ok(())
    };
    check(wait(&WORD, 4, None), WaitEnd::Woken)?;
    check(wait(&WORD, 5, Some(0)), WaitEnd::TimedOut)?;
    check(address_wait::wait(8, 0, None, || None), WaitEnd::NoWord)?;
    let start = clock::time_ns();
    check(wait(&WORD, 5, Some(3_000_000)), WaitEnd::TimedOut)?;
    let waited = clock::time_ns() - start;
    ensure!(waited >= 3_000_000, "a wait of 3 ms took {waited} ns");
    let woken = address_wait::wake(address_of(&WORD), u32::MAX);
    ensure!(woken == 0, "{woken} threads were woken, and none waits");
    Ok(())
}
