//! Models of a CPU that takes a timer which another one sets: in every interleaving the timer is queued by no later time than its own,
//! and a time that was set is due once.
#![cfg(loom)]

use loom::model::Builder;
use loom::sync::{Arc, Mutex};
use loom::thread;
use timer_heap::{Due, Entry, NEVER, Shared, TimerId, Timers};

/// The timers of a CPU with one timer, which is due at 10.
struct Cpu {
    slots: &'static [Shared],
    timers: Mutex<Timers<'static, ()>>,
    id: TimerId,
}

impl Cpu {
    fn new() -> Self {
        let slots: &'static [Shared] = Box::leak(Box::new([Shared::new(), Shared::new()]));
        let entries = Box::leak(Box::new([Entry::new(), Entry::new()]));
        let mut timers = Timers::new(slots, entries, 0);
        let id = timers.create(1, 1, ()).unwrap();
        assert!(slots[1].set(10, 0));
        timers.requeue(id);
        Self { slots, timers: Mutex::new(timers), id }
    }

    fn set(&self, when: u64) {
        if self.slots[1].set(when, 0) {
            self.timers.lock().unwrap().requeue(self.id);
        }
    }

    /// Takes all that is due. Returns how many timers were.
    fn take(&self, now: u64) -> u32 {
        let mut due = 0;
        while let Some(found) = self.timers.lock().unwrap().take_due(now) {
            due += u32::from(found != Due::Later);
        }
        due
    }
}

/// Takes what is due at 15 while another CPU sets the timer to these times. The last is after 15.
fn run(times: &'static [u64], due_in_the_end: u32) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(move || {
        let cpu = Arc::new(Cpu::new());
        let other = thread::spawn({
            let cpu = cpu.clone();
            move || times.iter().for_each(|when| cpu.set(*when))
        });
        let taken = cpu.take(15);
        other.join().unwrap();
        assert!(taken <= 1 + times.len() as u32);
        // What was set last is not lost, and due once.
        assert_eq!(cpu.take(15), 0);
        assert_eq!(cpu.take(NEVER - 1), due_in_the_end);
    });
}

#[test]
fn a_timer_that_is_set_later_while_it_is_due() {
    run(&[20], 1);
}

#[test]
fn a_timer_that_is_stopped_while_it_is_due() {
    run(&[NEVER], 0);
}

#[test]
fn a_timer_that_is_stopped_and_set_again() {
    run(&[NEVER, 20], 1);
}

#[test]
fn a_timer_that_is_set_later_and_then_earlier() {
    run(&[30, 20], 1);
}
