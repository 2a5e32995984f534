//! Models of what CPUs do to each other's threads: every interleaving with few preemptions, and every value that the memory
//! model lets a load see. `docs/threads.md` says which change of the protocol each model refuses.
#![cfg(loom)]
mod machine;

use std::sync::atomic::{AtomicBool, Ordering};

use loom::model::Builder;
use loom::sync::{Arc, Mutex};
use loom::thread;
use machine::{Cpus, Thread, set};
use run_queue::{
    Blocked, Progress, State, WaitList, hand_over, leave_if_forbidden, offer_work, set_affinity, wake,
};
use units::CpuId;

/// The most preemptions of a run with two threads, and with three: more would take hours. `LOOM_MAX_PREEMPTIONS` may lower it.
const PREEMPTIONS: usize = 3;
const PREEMPTIONS_OF_THREE: usize = 2;

/// Runs `model`, of two threads, in every way with few preemptions.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_within(PREEMPTIONS, model);
}

/// Runs `model` in every way that has at most so many preemptions.
fn explore_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions).min(preemptions));
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("loom: {} ways", runs.load(Ordering::Relaxed));
}

/// Has an interrupt that ends the halt of `cpu` wake the thread. Returns the thread if the CPU runs it next without a queue.
fn wake_in_halt(cpus: &Cpus, cpu: u32, sleeper: &'static Thread) -> Option<&'static Thread> {
    let mut handed_over = None;
    cpus.halt(cpu, || match hand_over(&cpus.idle, &cpus.queues[cpu as usize], Blocked::claim(sleeper)) {
        Ok(thread) => handed_over = Some(thread),
        Err(thread) => wake(cpus, thread),
    });
    handed_over
}

/// What an idle CPU does until it has a thread to run.
fn run_idle(cpus: &Cpus, cpu: u32, idle: &'static Thread) -> &'static Thread {
    loop {
        if let Some(thread) = cpus.queues[cpu as usize].take_next(idle) {
            assert_eq!(thread.standing(), (State::Running, CpuId(cpu)));
            return thread;
        }
        cpus.halt(cpu, || cpus.pending[cpu as usize].wait());
    }
}

/// Restricts the thread, again and again until that is done; another CPU lets go of it meanwhile.
fn restrict(cpus: &Cpus, thread: &'static Thread, allowed: &[u32]) {
    let allowed = set(allowed);
    while set_affinity(cpus, thread, &allowed) != Progress::Done {
        thread::yield_now();
    }
    assert!(!thread.is_where_it_may_not_be(&allowed), "{:?}", thread.standing());
}

/// What a CPU does with a thread that it runs when its time slice ends, if that may still run there: the thread goes to sleep.
fn end_slice(cpus: &Cpus, cpu: u32, thread: &'static Thread) {
    if !leave_if_forbidden(cpus, CpuId(cpu), thread) {
        let _ = Blocked::block(thread).into_thread();
    }
}

#[test]
fn a_cpu_that_is_about_to_halt_runs_the_thread_that_is_woken_meanwhile() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(1));
        let idle = Thread::running(0, CpuId(0), &set(&[0]));
        let sleeper = Thread::blocked(1, &set(&[0]));
        let waker = thread::spawn({
            let cpus = cpus.clone();
            move || wake(&*cpus, Blocked::claim(sleeper))
        });
        assert_eq!(run_idle(&cpus, 0, idle).name, 1);
        waker.join().unwrap();
    });
}

#[test]
fn a_thread_that_blocks_while_it_is_woken_goes_on_once() {
    explore(|| {
        struct Waiting {
            is_true: bool,
            threads: WaitList<Thread>,
        }
        let cpus = Arc::new(Cpus::new(1));
        let idle = Thread::running(0, CpuId(0), &set(&[0]));
        let waiter = Thread::running(1, CpuId(0), &set(&[0]));
        let queue = Arc::new(Mutex::new(Waiting { is_true: false, threads: WaitList::new() }));
        let waker = thread::spawn({
            let (cpus, queue) = (cpus.clone(), queue.clone());
            move || {
                let mut waiting = queue.lock().unwrap();
                waiting.is_true = true;
                let woken = waiting.threads.pop();
                drop(waiting);
                if let Some(woken) = woken {
                    wake(&*cpus, woken);
                }
            }
        });
        let mut waiting = queue.lock().unwrap();
        if waiting.is_true {
            drop(waiting);
        } else {
            waiting.threads.push(waiter);
            drop(waiting);
            let next = match cpus.queues[0].take_next(waiter) {
                // Woken before its CPU has left its stack.
                Some(next) => next,
                None => {
                    waiter.on_stack.store(false, Ordering::Relaxed);
                    run_idle(&cpus, 0, idle)
                }
            };
            assert_eq!(next.name, 1);
        }
        assert_eq!(waiter.standing(), (State::Running, CpuId(0)));
        waker.join().unwrap();
        assert_eq!(cpus.queues[0].queued(), 0);
    });
}

#[test]
fn a_thread_that_is_stolen_while_it_is_restricted_ends_where_it_may_be() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(2));
        let thread = Thread::blocked(1, &set(&[0, 1]));
        // Of the model, not of the machine: it adds no step.
        let is_restricted = std::sync::Arc::new(AtomicBool::new(false));
        cpus.put(0, Blocked::claim(thread));
        let thief = thread::spawn({
            let (cpus, is_restricted) = (cpus.clone(), is_restricted.clone());
            move || {
                let Some(stolen) = cpus.queues[0].take_for(CpuId(1)) else { return };
                assert!(
                    !is_restricted.load(Ordering::Relaxed),
                    "CPU 1 runs a thread that is restricted to CPU 0"
                );
                assert_eq!(stolen.standing(), (State::Running, CpuId(1)));
                end_slice(&cpus, 1, stolen);
            }
        });
        restrict(&cpus, thread, &[0]);
        is_restricted.store(true, Ordering::Relaxed);
        thief.join().unwrap();
        assert!(!thread.is_where_it_may_not_be(&set(&[0])), "{:?}", thread.standing());
        assert_eq!(cpus.queues[1].queued(), 0);
        assert_eq!(cpus.queues[0].queued(), u32::from(thread.standing().0 == State::Queued));
    });
}

#[test]
fn a_thread_that_is_woken_on_another_cpu_while_it_is_restricted_ends_where_it_may_be() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(2));
        let thread = Thread::blocked(1, &set(&[0, 1]));
        let wake_and_restrict = || {
            let waker = thread::spawn({
                let cpus = cpus.clone();
                move || wake(&*cpus, Blocked::claim(thread))
            });
            restrict(&cpus, thread, &[0]);
            waker.join().unwrap();
        };
        // The thread ran on CPU 0 last. CPU 1 halts and is claimed for it.
        cpus.halt(1, wake_and_restrict);
        assert_eq!(thread.standing(), (State::Queued, CpuId(0)));
        assert_eq!([0, 1].map(|cpu| cpus.queues[cpu].queued()), [1, 0]);
    });
}

#[test]
fn a_thread_that_is_on_its_way_while_it_is_restricted_anew_is_queued_once() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(3));
        let thread = Thread::running(1, CpuId(0), &set(&[1]));
        let mover = thread::spawn({
            let cpus = cpus.clone();
            move || assert!(leave_if_forbidden(&*cpus, CpuId(0), thread))
        });
        restrict(&cpus, thread, &[2]);
        mover.join().unwrap();
        thread.on_stack.store(false, Ordering::Relaxed);
        assert_eq!(thread.standing(), (State::Queued, CpuId(2)));
        assert_eq!([0, 1, 2].map(|cpu| cpus.drain(cpu).len()), [0, 0, 1]);
    });
}

#[test]
fn a_thread_that_is_handed_over_while_it_is_restricted_ends_where_it_may_be() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(2));
        let sleeper = Thread::blocked(1, &set(&[0, 1]));
        let is_restricted = Arc::new(AtomicBool::new(false));
        let halted = thread::spawn({
            let (cpus, is_restricted) = (cpus.clone(), is_restricted.clone());
            move || {
                let Some(woken) = wake_in_halt(&cpus, 0, sleeper) else { return };
                assert!(
                    !is_restricted.load(Ordering::Relaxed),
                    "CPU 0 runs a thread that is restricted to CPU 1"
                );
                assert_eq!(woken.standing(), (State::Running, CpuId(0)));
                end_slice(&cpus, 0, woken);
            }
        });
        restrict(&cpus, sleeper, &[1]);
        is_restricted.store(true, Ordering::Relaxed);
        halted.join().unwrap();
        assert!(!sleeper.is_where_it_may_not_be(&set(&[1])), "{:?}", sleeper.standing());
        assert_eq!(cpus.queues[0].queued(), 0);
    });
}

#[test]
fn a_cpu_that_another_one_claims_for_a_thread_is_handed_over_no_other() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(1));
        let [own, others] = [1, 2].map(|name| Thread::blocked(name, &set(&[0])));
        let waker = thread::spawn({
            let cpus = cpus.clone();
            move || wake(&*cpus, Blocked::claim(others))
        });
        let handed_over = wake_in_halt(&cpus, 0, own);
        waker.join().unwrap();
        let mut run = cpus.drain(0);
        run.extend(handed_over.map(|thread| thread.name));
        run.sort_unstable();
        assert!(run == [1, 2] || run == [2] && own.standing().0 == State::Blocked, "{run:?}");
        // Claimed while it was in the idle set, the CPU is interrupted; otherwise it looks at its queue before it halts.
        assert!(!cpus.idle.contains(CpuId(0)));
    });
}

#[test]
fn two_wakers_do_not_claim_the_same_idle_cpu() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(3));
        let [first, second] = [1, 2].map(|name| Thread::blocked(name, &cpus.all));
        let wake_both = || {
            let waker = thread::spawn({
                let cpus = cpus.clone();
                move || wake(&*cpus, Blocked::claim(first))
            });
            wake(&*cpus, Blocked::claim(second));
            waker.join().unwrap();
        };
        // CPU 0, where both threads ran last, is busy. The others halt until both were woken.
        cpus.halt(1, || cpus.halt(2, wake_both));
        assert_eq!([0, 1, 2].map(|cpu| cpus.interrupts(cpu)), [0, 1, 1]);
        assert_eq!([0, 1, 2].map(|cpu| cpus.queues[cpu].queued()), [0, 1, 1]);
    });
}

/// What an idle CPU does until it has a thread to run, its own or another CPU's.
fn run_idle_or_steal(cpus: &Cpus, cpu: u32, idle: &'static Thread) -> &'static Thread {
    loop {
        if let Some(thread) = cpus.queues[cpu as usize].take_next(idle) {
            return thread;
        }
        for victim in cpus.queued.from(CpuId(cpu), std::iter::once(&cpus.all)) {
            let queue = &cpus.queues[victim.index()];
            queue.leave_set_if_empty(&cpus.queued);
            if queue.queued() > 0
                && let Some(thread) = queue.take_for(CpuId(cpu))
            {
                return thread;
            }
        }
        cpus.queues[cpu as usize].leave_set_if_empty(&cpus.queued);
        cpus.halt(cpu, || cpus.pending[cpu as usize].wait());
    }
}

#[test]
fn an_idle_cpu_finds_a_thread_that_is_queued_at_a_busy_one_meanwhile() {
    explore(|| {
        let cpus = Arc::new(Cpus::new(2));
        let busy = Thread::running(0, CpuId(0), &set(&[0]));
        let [before, waiting] = [1, 2].map(|name| Thread::blocked(name, &cpus.all));
        // CPU 0 had a queued thread: it is still in the set.
        cpus.put(0, Blocked::claim(before));
        assert!(cpus.queues[0].take_next(busy).is_some());
        let thief = thread::spawn({
            let cpus = cpus.clone();
            move || {
                let idle = Thread::running(9, CpuId(1), &set(&[1]));
                run_idle_or_steal(&cpus, 1, idle).name
            }
        });
        cpus.put(0, Blocked::claim(waiting));
        // The ticks of CPU 0. If the thread had left the set, they would wake the other CPU for ever.
        while cpus.queues[0].queued() != 0 {
            offer_work(&*cpus, CpuId(0));
            thread::yield_now();
        }
        assert_eq!(thief.join().unwrap(), 2);
    });
}

#[test]
fn a_claimed_cpu_to_which_the_thread_may_no_longer_go_can_be_woken_again() {
    explore_within(PREEMPTIONS_OF_THREE, || {
        let cpus = Arc::new(Cpus::new(2));
        let idle = Thread::running(0, CpuId(1), &set(&[1]));
        let restricted = Thread::blocked(1, &cpus.all);
        let later = Thread::blocked(2, &set(&[1]));
        let halting = thread::spawn({
            let cpus = cpus.clone();
            move || loop {
                match run_idle(&cpus, 1, idle) {
                    thread if thread.name == 2 => return,
                    thread => end_slice(&cpus, 1, thread),
                }
            }
        });
        let waker = thread::spawn({
            let cpus = cpus.clone();
            move || wake(&*cpus, Blocked::claim(restricted))
        });
        restrict(&cpus, restricted, &[0]);
        waker.join().unwrap();
        wake(&*cpus, Blocked::claim(later));
        halting.join().unwrap();
        assert!(!restricted.is_where_it_may_not_be(&set(&[0])), "{:?}", restricted.standing());
    });
}
