//! Models of the end of a thread: in every interleaving its stack is freed once, after the thread has left it, and the thread that joins
//! learns the exit code after that.
#![cfg(loom)]

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use thread_end::{Look, ThreadEnd};

const CODE: i32 = 7;

/// A control block with what surrounds it. The condition variables are the scheduler: a thread that is never woken stays, and loom reports a
/// deadlock.
struct Model {
    end: Mutex<State>,
    /// Wakes the thread that joins.
    joiner: Condvar,
    /// Wakes the reaper.
    reaper: Condvar,
    /// The thread's CPU stands on the thread's stack.
    is_on_stack: AtomicBool,
}

struct State {
    end: ThreadEnd<()>,
    is_woken: bool,
    /// The time of the thread that joins has passed.
    is_late: bool,
    /// The reaper has the thread. `Some(false)`: it gets none.
    to_reap: Option<bool>,
    times_freed: usize,
}

impl Model {
    fn new() -> Arc<Self> {
        let state =
            State { end: ThreadEnd::new(), is_woken: false, is_late: false, to_reap: None, times_freed: 0 };
        Arc::new(Self {
            end: Mutex::new(state),
            joiner: Condvar::new(),
            reaper: Condvar::new(),
            is_on_stack: AtomicBool::new(true),
        })
    }

    /// What the thread does when it exits.
    fn exit(&self) {
        let mut state = self.end.lock().unwrap();
        let joiner = state.end.leave();
        state.is_woken |= joiner.is_some();
        state.to_reap = Some(joiner.is_none());
        drop(state);
        self.joiner.notify_all();
        self.reaper.notify_all();
        // The CPU switches to another thread's stack.
        self.is_on_stack.store(false, Ordering::Release);
    }

    /// What the reaper does.
    fn reap(&self) {
        let mut state = self.end.lock().unwrap();
        while state.to_reap.is_none() {
            state = self.reaper.wait(state).unwrap();
        }
        let is_its_own = state.to_reap == Some(true);
        drop(state);
        if is_its_own {
            self.free();
        }
    }

    /// What frees the stack.
    fn free(&self) {
        while self.is_on_stack.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let mut state = self.end.lock().unwrap();
        state.times_freed += 1;
        state.is_woken |= state.end.finish(CODE).is_some();
        drop(state);
        self.joiner.notify_all();
    }

    /// Waits for the end, or until its time has passed. Returns the exit code.
    fn join(&self, is_limited: bool) -> Option<i32> {
        loop {
            let mut state = self.end.lock().unwrap();
            match state.end.look() {
                Look::Over(code) => {
                    assert_eq!(state.times_freed, 1, "the end is known before the stack is free");
                    return Some(code);
                }
                Look::Reap => {
                    drop(state);
                    self.free();
                    continue;
                }
                Look::NotYet if is_limited && state.is_late => return None,
                Look::NotYet => {}
            }
            state.is_woken = false;
            state.end.wait(());
            while !state.is_woken && !(is_limited && state.is_late) {
                state = self.joiner.wait(state).unwrap();
            }
        }
    }

    /// Lets the time pass.
    fn be_late(&self) {
        self.end.lock().unwrap().is_late = true;
        self.joiner.notify_all();
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    Builder::new().check(model);
}

#[test]
fn the_stack_is_freed_once_and_the_joiner_learns_the_code() {
    check(|| {
        let model = Model::new();
        let exits = thread::spawn({
            let model = model.clone();
            move || model.exit()
        });
        let reaps = thread::spawn({
            let model = model.clone();
            move || model.reap()
        });
        assert_eq!(model.join(false), Some(CODE));
        exits.join().unwrap();
        reaps.join().unwrap();
        assert_eq!(model.end.lock().unwrap().times_freed, 1);
    });
}

#[test]
fn a_joiner_whose_time_passes_meanwhile_frees_the_stack_or_leaves_it_to_the_reaper() {
    check(|| {
        let model = Model::new();
        let exits = thread::spawn({
            let model = model.clone();
            move || {
                model.exit();
                model.reap();
            }
        });
        let clock = thread::spawn({
            let model = model.clone();
            move || model.be_late()
        });
        // Afterwards it waits as long as it takes, as one does that has asked for the end of the thread.
        let code = model.join(true).or_else(|| model.join(false));
        assert_eq!(code, Some(CODE));
        exits.join().unwrap();
        clock.join().unwrap();
        assert_eq!(model.end.lock().unwrap().times_freed, 1);
    });
}
