//! Models of threads that wait at a word and are woken: in every interleaving the waiter goes on.
#![cfg(loom)]

use address_wait::Waiters;
use loom::model::Builder;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A bucket, and the word of the address at which all wait.
struct Bucket {
    waiters: Waiters,
    word: AtomicU32,
    /// How many threads are in the queue, and how many were taken out of it and have not gone on yet.
    queue: Mutex<(u32, u32)>,
    woken: Condvar,
}

impl Bucket {
    /// Waits until the word is not 0. The condition variable is the scheduler: a thread that is never woken stays, and loom reports
    /// a deadlock.
    fn wait(&self) {
        loop {
            self.waiters.announce();
            let mut queue = self.queue.lock().unwrap();
            if self.word.load(Ordering::Relaxed) != 0 {
                drop(queue);
                self.waiters.leave();
                return;
            }
            queue.0 += 1;
            while queue.1 == 0 {
                queue = self.woken.wait(queue).unwrap();
            }
            queue.1 -= 1;
            drop(queue);
            self.waiters.leave();
        }
    }

    /// Writes the word and wakes all.
    fn set(&self) {
        self.word.store(1, Ordering::Relaxed);
        if !self.waiters.may_wait() {
            return;
        }
        let mut queue = self.queue.lock().unwrap();
        *queue = (0, queue.0 + queue.1);
        self.woken.notify_all();
    }
}

fn run(waiting: usize) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(move || {
        let bucket = Arc::new(Bucket {
            waiters: Waiters::new(),
            word: AtomicU32::new(0),
            queue: Mutex::new((0, 0)),
            woken: Condvar::new(),
        });
        let threads: Vec<_> = (0..waiting)
            .map(|_| {
                let bucket = bucket.clone();
                thread::spawn(move || bucket.wait())
            })
            .collect();
        bucket.set();
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
