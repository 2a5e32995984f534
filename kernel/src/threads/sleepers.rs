//! A list of threads, first in, first out, linked through the threads themselves.
use super::thread::Thread;
use core::ptr;
use core::sync::atomic::Ordering;

/// Threads in the order in which they came. A thread is in one list at most, which its owner guards with a lock; nothing is
/// allocated.
pub struct ThreadList {
    first: *const Thread,
    last: *const Thread,
}

// SAFETY: the list only holds references to threads, which may be sent.
unsafe impl Send for ThreadList {}

impl ThreadList {
    /// No threads.
    pub const fn new() -> Self {
        Self { first: ptr::null(), last: ptr::null() }
    }

    /// Puts a thread that is in no list at the end.
    #[inline]
    pub fn push(&mut self, thread: &'static Thread) {
        thread.next.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the last thread, if there is one, is in this list and so lives.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.store(ptr::from_ref(thread).cast_mut(), Ordering::Relaxed),
            None => self.first = thread,
        }
        self.last = thread;
    }

    /// Takes the first thread out.
    #[inline]
    pub fn pop(&mut self) -> Option<&'static Thread> {
        // SAFETY: a thread in a list lives.
        let thread = unsafe { self.first.as_ref() }?;
        self.first = thread.next.load(Ordering::Relaxed);
        if self.first.is_null() {
            self.last = ptr::null();
        }
        Some(thread)
    }

    /// Takes the first thread out of which `wanted` holds. Costs a step for each one before it.
    pub fn take(&mut self, wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let mut passed = Self::new();
        let mut found = None;
        while let Some(thread) = self.pop() {
            if found.is_none() && wanted(thread) {
                found = Some(thread);
            } else {
                passed.push(thread);
            }
        }
        *self = passed;
        found
    }
}
