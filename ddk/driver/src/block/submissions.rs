//! Submitting to a ring that one CPU at a time writes, without a lock.
use super::driver::{BlockRequest, Request};
use crate::sync::{InterruptsOff, Turn};
use crate::thread;
#[cfg(not(loom))]
use core::cell::UnsafeCell;
use core::ptr::{NonNull, null_mut};
#[cfg(not(loom))]
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::{cell::UnsafeCell, sync::atomic::AtomicPtr};

/// A queue's end for submissions, which one CPU at a time uses: `T`. The others, and interrupt handlers, leave their requests to that
/// CPU. So nobody waits, and interrupts stay on.
///
/// The models are in `kernel/libs/block-slots/tests/loom.rs`.
pub struct Submissions<T> {
    turn: Turn,
    /// The requests that were left, each with the next in its first word for the driver.
    left: AtomicPtr<BlockRequest>,
    value: UnsafeCell<T>,
}

// SAFETY: only whoever has the turn reaches the value, one CPU at a time.
unsafe impl<T: Send> Sync for Submissions<T> {}

impl<T> Submissions<T> {
    /// Returns the end of a queue to which nothing was submitted.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self { turn: Turn::new(), left: AtomicPtr::new(null_mut()), value: UnsafeCell::new(value) }
    }

    /// Returns the end of a queue to which nothing was submitted. loom's atomics have no constant constructors.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self { turn: Turn::new(), left: AtomicPtr::new(null_mut()), value: UnsafeCell::new(value) }
    }

    /// Uses the queue's end.
    ///
    /// # Safety
    /// The caller has the turn.
    #[cfg(not(loom))]
    #[inline(always)]
    unsafe fn with_value<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one CPU at a time has the turn, by `# Safety` the caller's.
        work(unsafe { &mut *self.value.get() })
    }

    /// Uses the queue's end, and has loom check that nobody else does.
    ///
    /// # Safety
    /// The caller has the turn.
    #[cfg(loom)]
    unsafe fn with_value<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one CPU at a time has the turn, by `# Safety` the caller's.
        self.value.with_mut(|value| work(unsafe { &mut *value }))
    }

    /// Submits a request, which counts as accepted: with `first`, or with `left` if another CPU, or the code that a handler has interrupted,
    /// submits at the moment. Then that CPU may call `left`, with each request that was left, and then without one, for those that have
    /// called [`Self::want`]. If `first` is called, it may submit more than the request. Returns 1, so that
    /// a caller that returns the number of accepted requests needs no frame.
    #[inline(always)]
    pub fn submit<'r>(
        &self,
        request: Request<'r>,
        first: impl FnOnce(&mut T, Request<'r>),
        left: impl Fn(&mut T, Option<Request<'_>>),
    ) -> u32 {
        if !self.turn.take() {
            return self.leave(request, left);
        }
        // SAFETY: this CPU has the turn.
        unsafe { self.with_value(|value| first(value, request)) };
        if self.turn.end_is_early() { self.submit_left(left) } else { 1 }
    }

    /// Sees to it that `left` is called without a request, now or by the CPU that submits at the moment. May be called in a handler.
    #[cold]
    pub fn want(&self, left: impl Fn(&mut T, Option<Request<'_>>)) {
        // The kernel ends no request that others leave meanwhile: an unregistration waits for this CPU.
        let off = InterruptsOff::new();
        if self.turn.want() {
            self.submit_all_left(&left);
            if self.turn.end_is_early() {
                self.submit_left(left);
            }
        }
        off.restore();
    }

    /// Waits for the turn, uses the queue's end, and then submits what others have left meanwhile. `work` runs with interrupts off. A
    /// thread calls this that may wait.
    #[cold]
    pub fn use_alone<R>(
        &self,
        work: impl FnOnce(&mut T) -> R,
        left: impl Fn(&mut T, Option<Request<'_>>),
    ) -> R {
        loop {
            // As in `want`.
            let off = InterruptsOff::new();
            if self.turn.take() {
                // SAFETY: this CPU has the turn.
                let result = unsafe { self.with_value(work) };
                if self.turn.end_is_early() {
                    self.submit_left(left);
                }
                off.restore();
                return result;
            }
            off.restore();
            thread::yield_now();
        }
    }

    /// Leaves a request to whoever has the turn. Returns 1.
    #[cold]
    #[inline(never)]
    fn leave(&self, request: Request<'_>, submit: impl Fn(&mut T, Option<Request<'_>>)) -> u32 {
        let request = request.into_pointer().as_ptr();
        let mut next = self.left.load(Ordering::Relaxed);
        loop {
            // SAFETY: the request is accepted and not completed. Its words for the driver are this type's until `submit_all_left` takes it.
            unsafe { (*request).ForDriver[0] = next.expose_provenance() as u64 };
            match self.left.compare_exchange_weak(next, request, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) => next = other,
            }
        }
        if self.turn.want() {
            self.submit_all_left(&submit);
            if self.turn.end_is_early() {
                self.submit_left(submit);
            }
        }
        1
    }

    /// Submits the requests that were left, after the turn has ended. Returns 1.
    #[cold]
    #[inline(never)]
    fn submit_left(&self, submit: impl Fn(&mut T, Option<Request<'_>>)) -> u32 {
        while self.turn.take_again() {
            self.submit_all_left(&submit);
            if !self.turn.end_is_early() {
                break;
            }
        }
        1
    }

    /// Submits what was left. The caller has the turn.
    fn submit_all_left(&self, submit: &impl Fn(&mut T, Option<Request<'_>>)) {
        let mut next = self.left.swap(null_mut(), Ordering::Acquire);
        while let Some(request) = NonNull::new(next) {
            // SAFETY: `leave` has put the request into the list, with the next one in this word. The kernel does not end it: whoever has
            // the turn runs `Submit` or has interrupts off, and an unregistration waits for that first.
            let request = unsafe {
                next = core::ptr::with_exposed_provenance_mut((*request.as_ptr()).ForDriver[0] as usize);
                Request::from_pointer(request)
            };
            // SAFETY: this CPU has the turn.
            unsafe { self.with_value(|value| submit(value, Some(request))) };
        }
        // SAFETY: this CPU has the turn.
        unsafe { self.with_value(|value| submit(value, None)) };
    }
}
