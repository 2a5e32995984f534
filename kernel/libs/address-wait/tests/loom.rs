//! Models of threads that wait at a word and are woken: in every interleaving the waiter goes on, and a wake-up is one thread's.
#![cfg(loom)]

use address_wait::{Alone, Waiters};
use loom::model::Builder;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;
use std::collections::VecDeque;

/// The address at which all wait.
const ADDRESS: u64 = 0xffff_d800_0000_1000;
/// The CPU of the thread that waits alone.
const CPU: u16 = 3;
/// The ticket of the thread that was alone.
const FIRST_TICKET: u64 = 0;

/// The threads that wait, by their tickets.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<u64>,
    /// Those that were taken out of the queue to be woken, and have not gone on yet.
    woken: Vec<u64>,
    next_ticket: u64,
    /// The time of the thread that waits for a limited time has passed.
    is_late: bool,
    /// An interrupt has ended the halt of the CPU whose thread waits alone.
    is_interrupted: bool,
}

/// A bucket, and the word of the address at which all wait. The condition variable is the scheduler: a thread that is never woken stays,
/// and loom reports a deadlock.
struct Bucket {
    waiters: Waiters,
    word: AtomicU32,
    queue: Mutex<Queue>,
    scheduler: Condvar,
}

impl Bucket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            waiters: Waiters::new(),
            word: AtomicU32::new(0),
            queue: Mutex::new(Queue::default()),
            scheduler: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap()
    }

    /// Enters the queue if the word is 0, and waits until the thread is woken or `may_end` is true. Returns `None` if the word was another
    /// one, and otherwise whether the thread was woken.
    fn wait_once(&self, may_end: impl Fn(&Queue) -> bool) -> Option<bool> {
        self.waiters.announce();
        self.wait_announced_for(0, may_end)
    }

    /// Does the work of [`Bucket::wait_once`] once the thread has announced itself.
    fn wait_announced_for(&self, expected: u32, may_end: impl Fn(&Queue) -> bool) -> Option<bool> {
        let mut queue = self.lock();
        if self.word.load(Ordering::Relaxed) != expected {
            drop(queue);
            self.waiters.leave();
            return None;
        }
        queue.next_ticket += 1;
        let ticket = queue.next_ticket;
        queue.waiting.push_back(ticket);
        Some(self.wait_woken(queue, ticket, may_end))
    }

    /// Waits in the queue until the thread with this ticket is woken or `may_end` is true. Returns whether it was woken.
    fn wait_woken(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        ticket: u64,
        may_end: impl Fn(&Queue) -> bool,
    ) -> bool {
        while !queue.woken.contains(&ticket) && !may_end(&queue) {
            queue = self.scheduler.wait(queue).unwrap();
        }
        // Under the lock: a thread that was woken has been taken out of the queue.
        let is_linked = queue.waiting.contains(&ticket);
        queue.waiting.retain(|other| *other != ticket);
        queue.woken.retain(|other| *other != ticket);
        drop(queue);
        self.waiters.leave();
        !is_linked
    }

    /// Waits once as a thread on `CPU` does that may halt the CPU, as the kernel does: with a note if it is alone, and in the queue once the halt was
    /// interrupted for something else. Returns false if the word was another one than 0.
    fn wait_halting(&self) -> bool {
        self.wait_halting_for(0)
    }

    /// Waits once as [`Bucket::wait_halting`] does, for a word that is not `expected`.
    fn wait_halting_for(&self, expected: u32) -> bool {
        let note = Alone::new(ADDRESS, CPU).unwrap();
        if !self.waiters.announce_alone(note) {
            return self.wait_announced_for(expected, |_| false).is_some();
        }
        if self.word.load(Ordering::Relaxed) != expected {
            if !self.waiters.take_back(note) {
                self.wake(1);
            }
            self.waiters.leave();
            return false;
        }
        // The halt: only an interrupt ends it.
        let mut queue = self.lock();
        while !queue.is_interrupted {
            queue = self.scheduler.wait(queue).unwrap();
        }
        queue.is_interrupted = false;
        drop(queue);
        if self.waiters.is_woken(note) {
            self.waiters.leave();
            return true;
        }
        let mut queue = self.lock();
        if !self.waiters.take_back(note) {
            drop(queue);
            self.waiters.leave();
            return true;
        }
        // Before all others, which have come later.
        queue.waiting.push_front(FIRST_TICKET);
        self.wait_woken(queue, FIRST_TICKET, |_| false);
        true
    }

    /// Interrupts the CPU whose thread may wait alone.
    fn interrupt(&self) {
        self.lock().is_interrupted = true;
        self.scheduler.notify_all();
    }

    /// Waits until the word is not 0.
    fn wait(&self) {
        while self.wait_once(|_| false).is_some() {}
    }

    /// Wakes up to `most` threads, as the kernel does: the lock is taken for each of them, and not once more after the last one. Returns how
    /// many.
    fn wake(&self, most: u32) -> u32 {
        let waiting = self.waiters.count_waiting();
        if waiting == 0 || most == 0 {
            return 0;
        }
        let mut count = 0;
        if let Some(cpu) = self.waiters.wake_alone(ADDRESS) {
            assert_eq!(cpu, CPU);
            self.interrupt();
            count = 1;
            if waiting == 1 {
                return 1;
            }
        }
        // The tickets begin at 1.
        let end = self.lock().next_ticket + 1;
        while count < most {
            let mut queue = self.lock();
            if queue.waiting.front().is_none_or(|ticket| *ticket >= end) {
                break;
            }
            let first = queue.waiting.pop_front().unwrap();
            queue.woken.push(first);
            let is_last = queue.waiting.front().is_none_or(|ticket| *ticket >= end);
            drop(queue);
            self.scheduler.notify_all();
            count += 1;
            if is_last {
                break;
            }
        }
        count
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

/// Threads wait, and one writes the word and wakes all.
fn run(waiting: usize) {
    check(move || {
        let bucket = Bucket::new();
        let threads: Vec<_> = (0..waiting)
            .map(|_| {
                let bucket = bucket.clone();
                thread::spawn(move || bucket.wait())
            })
            .collect();
        bucket.word.store(1, Ordering::Relaxed);
        bucket.wake(u32::MAX);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!bucket.waiters.may_wait());
    });
}

#[test]
fn a_thread_that_waits_is_woken() {
    run(1);
}

#[test]
fn two_threads_that_wait_are_woken() {
    run(2);
}

#[test]
fn a_thread_whose_time_passes_while_it_is_woken_says_what_the_waker_says() {
    check(|| {
        let bucket = Bucket::new();
        let waiter = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.wait_once(|queue| queue.is_late))
        };
        let timer = {
            let bucket = bucket.clone();
            thread::spawn(move || {
                bucket.lock().is_late = true;
                bucket.scheduler.notify_all();
            })
        };
        let woken = bucket.wake(1);
        timer.join().unwrap();
        assert_eq!(waiter.join().unwrap(), Some(woken == 1));
        assert!(!bucket.waiters.may_wait());
    });
}

/// A thread waits that may halt its CPU, until the word is not 0. The word is written, and all are woken. `beside` happens at the same time.
fn run_halting(beside: impl Fn(&Bucket) + Send + Sync + Clone + 'static) {
    check(move || {
        let bucket = Bucket::new();
        let waiter = {
            let bucket = bucket.clone();
            thread::spawn(move || while bucket.wait_halting() {})
        };
        let other = {
            let (bucket, beside) = (bucket.clone(), beside.clone());
            thread::spawn(move || beside(&bucket))
        };
        bucket.word.store(1, Ordering::Relaxed);
        bucket.wake(u32::MAX);
        waiter.join().unwrap();
        other.join().unwrap();
        assert!(!bucket.waiters.may_wait());
    });
}

#[test]
fn a_thread_that_halts_its_cpu_is_woken() {
    run_halting(|_| {});
}

#[test]
fn a_thread_whose_halt_is_interrupted_is_woken_in_the_queue() {
    run_halting(Bucket::interrupt);
}

#[test]
fn a_thread_that_halts_and_one_that_comes_later_are_both_woken() {
    run_halting(Bucket::wait);
}

#[test]
fn a_wake_up_without_a_change_of_the_word_meets_a_thread_wherever_it_waits() {
    check(|| {
        let bucket = Bucket::new();
        let waiter = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.wait_halting())
        };
        let interrupt = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.interrupt())
        };
        // The thread has announced itself, so it is there until it is woken.
        while bucket.wake(1) == 0 {
            thread::yield_now();
        }
        assert!(waiter.join().unwrap());
        interrupt.join().unwrap();
        assert_eq!(bucket.wake(u32::MAX), 0);
        assert!(!bucket.waiters.may_wait());
    });
}

#[test]
fn a_thread_that_does_not_wait_leaves_a_wake_up_to_one_that_does() {
    check(|| {
        let bucket = Bucket::new();
        // Waits for another value than the word has from now on, so it ends whether it is woken or not.
        let stale = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.wait_halting_for(7))
        };
        let waiter = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.wait_once(|_| false))
        };
        // Once the thread is in the queue, one wake-up is enough for it.
        while bucket.lock().waiting.is_empty() {
            thread::yield_now();
        }
        bucket.wake(1);
        assert_eq!(waiter.join().unwrap(), Some(true));
        assert!(!stale.join().unwrap());
    });
}
