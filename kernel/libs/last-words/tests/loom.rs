//! Models of CPUs that go down at once, in every interleaving, and with every value that the memory model lets a load see.
//! `docs/testing.md` says how they run.
#![cfg(loom)]
use last_words::{Cause, LastWords, Say, StopOrder};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::*};
use loom::thread;

struct Machine {
    words: LastWords<3>,
    /// Reports that have left their CPU. Relaxed, so that only the protocol orders them.
    reports: AtomicU32,
    verdicts: AtomicU32,
}

fn machine() -> Arc<Machine> {
    Arc::new(Machine { words: LastWords::new(), reports: AtomicU32::new(0), verdicts: AtomicU32::new(0) })
}

/// Goes down as the kernel does. Returns what the CPU might say.
fn go_down(machine: &Machine, cpu: u32, cause: Cause) -> Say {
    let say = machine.words.begin(cpu, cause);
    let Say::Everything { order } = say else { return say };
    while !machine.words.is_turn_of(order) {
        thread::yield_now();
    }
    if cause == Cause::Fault {
        // No two CPUs speak at once.
        let before = machine.reports.load(Relaxed);
        machine.reports.store(before + 1, Relaxed);
    }
    machine.words.end(order);
    if order == 0 {
        while !machine.words.close() {
            thread::yield_now();
        }
        assert!(machine.words.claim_verdict());
        machine.verdicts.fetch_add(1, Relaxed);
    }
    say
}

#[test]
fn two_cpus_that_fault_at_once_both_report_before_the_one_verdict_or_not_at_all() {
    loom::model(|| {
        let machine = machine();
        let other = {
            let machine = machine.clone();
            thread::spawn(move || go_down(&machine, 1, Cause::Fault))
        };
        let this = go_down(&machine, 0, Cause::Fault);
        let other = other.join().unwrap();
        let heard = [this, other].iter().filter(|say| matches!(say, Say::Everything { .. })).count();
        assert_eq!(machine.reports.load(Relaxed) as usize, heard);
        assert_eq!(machine.verdicts.load(Relaxed), 1);
        assert!(heard >= 1);
    });
}

#[test]
fn a_fault_that_is_heard_makes_the_verdict_of_a_machine_that_stops() {
    loom::model(|| {
        let machine = machine();
        let other = {
            let machine = machine.clone();
            thread::spawn(move || go_down(&machine, 1, Cause::Fault))
        };
        let this = machine.words.begin(0, Cause::Stop);
        if this == (Say::Everything { order: 0 }) {
            machine.words.end(0);
            while !machine.words.close() {
                thread::yield_now();
            }
            let failed = machine.words.has_fault();
            let reports = machine.reports.load(Relaxed);
            assert_eq!(failed, reports == 1, "the verdict knows all reports");
            let other = other.join().unwrap();
            assert_eq!(other != Say::Nothing, failed);
        } else {
            if let Say::Everything { order } = this {
                machine.words.end(order);
            }
            other.join().unwrap();
        }
    });
}

#[test]
fn a_cpu_with_last_words_is_not_stopped_once_it_has_begun() {
    loom::model(|| {
        let machine = machine();
        let other = {
            let machine = machine.clone();
            // The order comes before the CPU begins, and again after it.
            thread::spawn(move || {
                if machine.words.order_to(1, true) == StopOrder::Stop {
                    return false;
                }
                let Say::Everything { order } = machine.words.begin(1, Cause::Fault) else { return false };
                if order > 0 {
                    assert_eq!(machine.words.order_to(1, true), StopOrder::GoOn);
                }
                true
            })
        };
        if machine.words.begin(0, Cause::Fault) == (Say::Everything { order: 0 }) {
            machine.words.insist();
            let reports = other.join().unwrap();
            // Each CPU is counted once: as stopped, or as one that reports.
            assert_eq!(machine.words.accounted(), 1);
            let _ = reports;
        } else {
            assert!(other.join().unwrap());
        }
    });
}
