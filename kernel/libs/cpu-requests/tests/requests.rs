//! The protocols on the host: one step after the other, and with threads as CPUs. `loom.rs` has the interleavings.
#![cfg(not(loom))]
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use cpu_requests::{CpuTranslations, DrainRequest, Patience, Shootdown};

const PATIENT: Patience = Patience { start: 100, limit: 50 };

/// Runs a shootdown on the first CPU, and returns the CPUs that it interrupts. These answer at once.
fn shoot_down(shootdown: &Shootdown, cpus: &[CpuTranslations], flushes: &Cell<u32>) -> Vec<usize> {
    let mut interrupted = Vec::new();
    let flush = || flushes.set(flushes.get() + 1);
    shootdown.flush_everywhere(
        cpus.iter().enumerate(),
        || shootdown.answer(&cpus[0], flush),
        |index| {
            interrupted.push(index);
            shootdown.answer(&cpus[index], flush);
        },
        || panic!("all have answered"),
    );
    interrupted
}

#[test]
fn only_cpus_that_run_are_interrupted() {
    let (shootdown, cpus) = (Shootdown::none_yet(), [const { CpuTranslations::idle() }; 3]);
    let flushes = Cell::new(0);
    for running in [0, 2] {
        shootdown.leave_idle(&cpus[running], || panic!("there was no shootdown yet"));
    }
    assert_eq!(shoot_down(&shootdown, &cpus, &flushes), [2]);
    assert_eq!(flushes.get(), 2);
}

#[test]
fn an_idle_cpu_flushes_once_for_all_that_it_missed() {
    let (shootdown, cpus) = (Shootdown::none_yet(), [const { CpuTranslations::idle() }; 2]);
    let flushes = Cell::new(0);
    shootdown.leave_idle(&cpus[0], || ());
    (0..5).for_each(|_| assert!(shoot_down(&shootdown, &cpus, &flushes).is_empty()));
    flushes.set(0);
    (0..2).for_each(|_| shootdown.leave_idle(&cpus[1], || flushes.set(flushes.get() + 1)));
    assert_eq!(flushes.get(), 1);
}

#[test]
fn a_cpu_that_was_not_asked_flushes_nothing() {
    let (shootdown, cpu) = (Shootdown::none_yet(), CpuTranslations::idle());
    shootdown.leave_idle(&cpu, || panic!("there was no shootdown"));
    shootdown.answer(&cpu, || panic!("there was no shootdown"));
}

#[test]
fn an_answer_covers_a_shootdown_that_begins_while_it_flushes() {
    let (shootdown, cpus) = (Shootdown::none_yet(), [const { CpuTranslations::idle() }; 2]);
    shootdown.leave_idle(&cpus[0], || ());
    shoot_down(&shootdown, &cpus, &Cell::new(0));
    shootdown.leave_idle(&cpus[1], || {
        // The CPU is not idle any more, and the other one waits: one that begins now must be seen.
    });
    let mut times = 0;
    shootdown.flush_everywhere(
        cpus[..1].iter().enumerate(),
        || shootdown.answer(&cpus[0], || ()),
        |_| (),
        || (),
    );
    shootdown.answer(&cpus[1], || {
        times += 1;
        if times == 1 {
            let all = cpus[..1].iter().enumerate();
            shootdown.flush_everywhere(all, || shootdown.answer(&cpus[0], || ()), |_| (), || ());
        }
    });
    assert_eq!(times, 2);
}

#[test]
fn all_cpus_shoot_down_at_once() {
    const CPUS: usize = 4;
    let (shootdown, cpus) = (Shootdown::none_yet(), [const { CpuTranslations::idle() }; CPUS]);
    let flushes = AtomicU64::new(0);
    thread::scope(|scope| {
        for index in 0..CPUS {
            let (shootdown, cpus, flushes) = (&shootdown, &cpus, &flushes);
            scope.spawn(move || {
                let flush = || _ = flushes.fetch_add(1, SeqCst);
                shootdown.leave_idle(&cpus[index], flush);
                for _ in 0..1000 {
                    let wait = || {
                        shootdown.answer(&cpus[index], flush);
                        thread::yield_now();
                    };
                    let answer = || shootdown.answer(&cpus[index], flush);
                    shootdown.flush_everywhere(cpus.iter().enumerate(), answer, |_| (), wait);
                }
                cpus[index].enter_idle();
            });
        }
    });
    assert!(flushes.load(SeqCst) >= 1000);
}

#[test]
fn the_first_of_two_requests_interrupts() {
    let request = DrainRequest::closed();
    assert!(!request.is_open());
    assert!(request.ask(7));
    assert!(!request.ask(8));
    assert!(request.is_open());
    assert_eq!(request.interrupts(), 1);
}

#[test]
fn a_request_is_closed_after_the_pages_are_back() {
    let request = DrainRequest::closed();
    request.ask(7);
    request.answer(|| assert!(request.is_open()));
    assert!(!request.is_open());
    assert!(request.ask(9), "a request after the answer is a new one");
}

#[test]
fn a_request_at_time_zero_is_open() {
    let request = DrainRequest::closed();
    request.ask(0);
    assert!(request.is_open());
}

#[test]
fn without_a_request_nothing_is_waited_for() {
    DrainRequest::closed().wait(PATIENT, || 100, || false, || panic!("there is nothing to wait for"));
}

#[test]
fn an_empty_cache_is_not_waited_for() {
    let request = DrainRequest::closed();
    request.ask(100);
    request.wait(PATIENT, || 100, || true, || panic!("there is nothing to wait for"));
}

/// Waits with a clock that moves on by one at each pause; returns how often there was one.
fn pauses(request: &DrainRequest, patience: Patience) -> u64 {
    let now = Cell::new(patience.start);
    request.wait(patience, || now.get(), || false, || now.set(now.get() + 1));
    now.get() - patience.start
}

#[test]
fn the_wait_ends_when_patience_does() {
    let request = DrainRequest::closed();
    request.ask(100);
    assert_eq!(pauses(&request, PATIENT), 51);
}

#[test]
fn a_cpu_that_does_not_answer_is_waited_for_once() {
    let request = DrainRequest::closed();
    request.ask(49);
    assert_eq!(pauses(&request, PATIENT), 0);
    let later = DrainRequest::closed();
    later.ask(60);
    assert_eq!(pauses(&later, PATIENT), 11);
}

#[test]
fn a_clock_that_is_ahead_does_not_lengthen_the_wait() {
    let request = DrainRequest::closed();
    request.ask(1_000_000);
    assert_eq!(pauses(&request, PATIENT), 51);
}

#[test]
fn cpus_that_ask_each_other_all_get_answers() {
    const CPUS: usize = 4;
    let requests = [const { DrainRequest::closed() }; CPUS];
    let done = AtomicU64::new(0);
    let late = AtomicBool::new(false);
    thread::scope(|scope| {
        for this in 0..CPUS {
            let (requests, done, late) = (&requests, &done, &late);
            scope.spawn(move || {
                let serve = || {
                    if requests[this].is_open() {
                        requests[this].answer(|| ());
                    }
                    thread::yield_now();
                };
                for _ in 0..1000 {
                    for other in (0..CPUS).filter(|&other| other != this) {
                        requests[other].ask(1);
                        let patience = Patience { start: 1, limit: 1 };
                        requests[other].wait(patience, || 1, || late.load(SeqCst), serve);
                    }
                }
                done.fetch_add(1, SeqCst);
                while done.load(SeqCst) < CPUS as u64 {
                    serve();
                }
            });
        }
    });
    assert_eq!(done.load(SeqCst), CPUS as u64);
}
