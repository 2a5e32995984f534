//! Models of threads that wait at a word and are woken: in every interleaving the waiter goes on, and a wake-up is one thread's.
#![cfg(loom)]

use address_wait::Waiters;
use loom::model::Builder;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;
use std::collections::VecDeque;

/// The threads that wait, by their tickets.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<u64>,
    /// Those that were taken out of the queue to be woken, and have not gone on yet.
    woken: Vec<u64>,
    next_ticket: u64,
    /// The time of the thread that waits for a limited time has passed.
    is_late: bool,
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
        let mut queue = self.lock();
        if self.word.load(Ordering::Relaxed) != 0 {
            drop(queue);
            self.waiters.leave();
            return None;
        }
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push_back(ticket);
        while !queue.woken.contains(&ticket) && !may_end(&queue) {
            queue = self.scheduler.wait(queue).unwrap();
        }
        // Under the lock: a thread that was woken has been taken out of the queue.
        let is_linked = queue.waiting.contains(&ticket);
        queue.waiting.retain(|other| *other != ticket);
        queue.woken.retain(|other| *other != ticket);
        drop(queue);
        self.waiters.leave();
        Some(!is_linked)
    }

    /// Waits until the word is not 0.
    fn wait(&self) {
        while self.wait_once(|_| false).is_some() {}
    }

    /// Wakes up to `most` threads, as the kernel does: the lock is taken for each of them, and not once more after the last one. Returns how
    /// many.
    fn wake(&self, most: u32) -> u32 {
        if !self.waiters.may_wait() {
            return 0;
        }
        let end = self.lock().next_ticket;
        let mut count = 0;
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
