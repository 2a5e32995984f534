//! The end of a thread, as its control block holds it behind a lock: who frees the thread's stack, and who learns the exit code.
//!
//! A thread that exits cannot free the stack it stands on. If another thread waits for its end by then, that one frees the stack; else the
//! reaper does. Exactly one of the two does it, after the thread has exited, and nobody learns the exit code before it is done.
//!
//! - The thread calls [`ThreadEnd::leave`] when it exits.
//! - The thread that joins calls [`ThreadEnd::look`] each time it goes on, and [`ThreadEnd::wait`] before it blocks under the same lock.
//! - Whoever has freed the stack calls [`ThreadEnd::finish`].
//!
//! `tests/loom.rs` runs this code in every interleaving.
#![no_std]
#![forbid(unsafe_code)]

/// How far the end of a thread has come. `J` stands for a thread that waits for the end.
#[derive(Debug)]
pub struct ThreadEnd<J> {
    phase: Phase,
    joiner: Option<J>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The thread has not exited.
    Runs,
    /// It has exited, and the reaper frees its stack.
    Reaped,
    /// It has exited, and the thread that joins is to free its stack.
    HandedOver,
    /// Its stack is free.
    Over(i32),
}

/// What a thread that joins finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The thread has not ended.
    NotYet,
    /// The thread has exited. The caller frees its stack, and then calls [`ThreadEnd::finish`].
    Reap,
    /// The thread has ended with this exit code.
    Over(i32),
}

impl<J> ThreadEnd<J> {
    /// Returns the state of a thread that runs.
    #[must_use]
    pub const fn new() -> Self {
        Self { phase: Phase::Runs, joiner: None }
    }

    /// Notes that the thread exits. Returns the thread that waits for its end and frees its stack: the caller wakes it, also if it has
    /// just woken by itself. `None` means that the reaper frees the stack.
    pub fn leave(&mut self) -> Option<J> {
        let joiner = self.joiner.take();
        self.phase = if joiner.is_some() { Phase::HandedOver } else { Phase::Reaped };
        joiner
    }

    /// Returns what the thread that joins does next. It does not wait any more.
    pub fn look(&mut self) -> Look {
        self.joiner = None;
        match self.phase {
            Phase::HandedOver => {
                self.phase = Phase::Reaped;
                Look::Reap
            }
            Phase::Over(code) => Look::Over(code),
            Phase::Runs | Phase::Reaped => Look::NotYet,
        }
    }

    /// Notes the thread that joins, which is about to block. [`ThreadEnd::look`] has returned [`Look::NotYet`] under the same lock.
    pub fn wait(&mut self, joiner: J) {
        self.joiner = Some(joiner);
    }

    /// Notes that the thread's stack is free. Returns the thread that waits, which is then to be woken.
    pub fn finish(&mut self, code: i32) -> Option<J> {
        self.phase = Phase::Over(code);
        self.joiner.take()
    }
}

impl<J> Default for ThreadEnd<J> {
    fn default() -> Self {
        Self::new()
    }
}
