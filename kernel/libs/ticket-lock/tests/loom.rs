//! Models of CPUs at one lock: in every interleaving one CPU is served at a time, and sees what the one before wrote.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use ticket_lock::Tickets;

/// A counter behind the lock. loom refuses two accesses that are not ordered.
struct Locked {
    tickets: Tickets,
    count: UnsafeCell<u32>,
}

// SAFETY: loom checks each access.
unsafe impl Sync for Locked {}

impl Locked {
    fn count(&self) {
        // SAFETY: loom checks the access.
        self.count.with_mut(|count| unsafe { *count += 1 });
        self.tickets.leave();
    }

    fn enter_and_count(&self) {
        self.tickets.enter(thread::yield_now);
        self.count();
    }
}

/// Runs `other`, which returns how often it has counted, on a CPU beside one that enters twice. Asserts that each has counted alone.
/// There are two CPUs: loom would let two that wait take turns for ever, and the third never leave.
fn run(other: fn(&Locked) -> u32) {
    let mut builder = Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(move || {
        // The tickets go round meanwhile.
        let tickets = Tickets::beginning_at(u32::MAX);
        let locked = Arc::new(Locked { tickets, count: UnsafeCell::new(0) });
        let counted = thread::spawn({
            let locked = locked.clone();
            move || other(&locked)
        });
        enter_twice(&locked);
        let counted = 2 + counted.join().unwrap();
        locked.tickets.enter(thread::yield_now);
        // SAFETY: loom checks the access.
        locked.count.with(|count| assert_eq!(unsafe { *count }, counted));
    });
}

fn enter_twice(locked: &Locked) -> u32 {
    locked.enter_and_count();
    locked.enter_and_count();
    2
}

fn try_to_enter(locked: &Locked) -> u32 {
    let is_served = locked.tickets.try_enter();
    if is_served {
        locked.count();
    }
    u32::from(is_served)
}

#[test]
fn two_cpus_exclude_each_other() {
    run(enter_twice);
}

#[test]
fn a_cpu_that_does_not_wait_is_served_alone_or_not_at_all() {
    run(try_to_enter);
}
