//! Models of the protocols: every interleaving of the CPUs, and every value that the memory model lets a load see.
//! `docs/testing.md` says how they run. loom runs all threads of a model on one thread of the host, so they may share an `Rc`.
#![cfg(loom)]
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool as HostBool;

use device_interrupts::{Barrier, VectorSet};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use loom::thread;

/// Runs the model in every order in which its CPUs can interleave. Nobody waits in a model: a run in which an answer comes too late
/// ends early. The model returns true if its run came to the end, which some run must.
fn explore(model: impl Fn() -> bool + Sync + Send + 'static) {
    let reached = Arc::new(HostBool::new(false));
    let of_model = reached.clone();
    loom::model(move || {
        if model() {
            of_model.store(true, Relaxed);
        }
    });
    assert!(reached.load(Relaxed), "no run came to its end");
}

/// No handler in a CPU's table.
const NONE: usize = 0;
/// The handler in a CPU's table.
const SOME: usize = 1;

/// A handler. Its content is freed after a detach; loom fails if a run is not ordered before that.
struct Handler {
    content: UnsafeCell<()>,
    runs: AtomicU32,
}

impl Handler {
    fn new() -> Self {
        Self { content: UnsafeCell::new(()), runs: AtomicU32::new(0) }
    }

    fn run(&self) {
        // Exclusive: a handler never runs on two CPUs at once.
        self.content.with_mut(|_| ());
        self.runs.fetch_add(1, Relaxed);
    }
}

/// An interrupt on its way to a CPU. Two that are on their way become one. The CPU sees what the sender has stored before.
struct Interrupt(AtomicBool);

impl Interrupt {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn send(&self) {
        self.0.store(true, Release);
    }

    /// Returns true if the CPU takes the interrupt now.
    fn is_taken(&self) -> bool {
        self.0.swap(false, Acquire)
    }
}

/// A CPU that takes interrupts.
struct Cpu {
    table: AtomicUsize,
    barrier: Barrier,
    /// The barrier's interrupt.
    asked: Interrupt,
}

impl Cpu {
    fn new(handler: usize) -> Self {
        Self { table: AtomicUsize::new(handler), barrier: Barrier::new(), asked: Interrupt::new() }
    }

    /// Takes an interrupt of the device.
    fn take(&self, handler: &Handler) {
        if self.table.load(Relaxed) == SOME {
            handler.run();
        }
    }

    /// Takes the barrier's interrupt, if it has come.
    fn answer(&self) {
        if self.asked.is_taken() {
            self.barrier.answer();
        }
    }

    /// Asks the CPU. Returns true if it has answered.
    fn is_past(&self) -> bool {
        let request = self.barrier.ask();
        self.asked.send();
        thread::yield_now();
        self.barrier.has_answered(request)
    }
}

#[test]
fn after_a_detach_no_cpu_runs_the_handler() {
    explore(|| {
        let state = Rc::new((Cpu::new(SOME), Handler::new()));
        let other = state.clone();
        let cpu = thread::spawn(move || {
            let (cpu, handler) = &*other;
            // The device does not care about its mask, and interrupts before the barrier and behind it.
            cpu.take(handler);
            cpu.answer();
            cpu.take(handler);
        });
        let (of_device, handler) = &*state;
        of_device.table.store(NONE, Relaxed);
        let is_past = of_device.is_past();
        if is_past {
            // Now it may be freed.
            handler.content.with_mut(|_| ());
        }
        cpu.join().unwrap();
        is_past
    });
}

#[test]
fn a_moved_interrupt_is_not_lost_and_runs_on_one_cpu_at_a_time() {
    explore(|| {
        let state = Rc::new(([Cpu::new(SOME), Cpu::new(NONE)], Handler::new(), Interrupt::new()));
        let (of_old, of_new) = (state.clone(), state.clone());
        let old = thread::spawn(move || {
            // The device's interrupt had reached the CPU before the device was masked, so it comes before the barrier's.
            of_old.0[0].take(&of_old.1);
            of_old.0[0].answer();
        });
        let new = thread::spawn(move || {
            // The device sends when it is unmasked.
            let is_taken = of_new.2.is_taken();
            if is_taken {
                of_new.0[1].take(&of_new.1);
            }
            is_taken
        });
        let ([old_cpu, new_cpu], handler, unmasked) = &*state;
        let is_past = old_cpu.is_past();
        if is_past {
            old_cpu.table.store(NONE, Relaxed);
            new_cpu.table.store(SOME, Relaxed);
            unmasked.send();
        }
        old.join().unwrap();
        let runs = 1 + u32::from(new.join().unwrap());
        assert_eq!(handler.runs.load(Relaxed), runs, "none is lost, and none comes twice");
        runs == 2
    });
}

#[test]
fn one_answer_serves_two_who_ask() {
    explore(|| {
        let state = Rc::new((Cpu::new(SOME), [UnsafeCell::new(()), UnsafeCell::new(())]));
        // Each takes a thing away from the CPU, which uses both until it answers.
        let ask = |state: Rc<(Cpu, [UnsafeCell<()>; 2])>, index: usize| {
            move || {
                let is_past = state.0.is_past();
                if is_past {
                    state.1[index].with_mut(|_| ());
                }
                is_past
            }
        };
        let of_cpu = state.clone();
        let cpu = thread::spawn(move || {
            let (cpu, things) = &*of_cpu;
            things.iter().for_each(|thing| thing.with(|_| ()));
            cpu.answer();
        });
        let second = thread::spawn(ask(state.clone(), 1));
        let first = ask(state, 0)();
        let second = second.join().unwrap();
        cpu.join().unwrap();
        first && second
    });
}

#[test]
fn two_cpus_never_get_one_vector() {
    explore(|| {
        let set = Rc::new(VectorSet::new());
        let other = set.clone();
        let second = thread::spawn(move || other.allocate());
        let first = set.allocate();
        let second = second.join().unwrap();
        assert!(first.is_some() && second.is_some() && first != second);
        true
    });
}
