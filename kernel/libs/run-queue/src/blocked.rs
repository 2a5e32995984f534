//! Blocked threads: the duty to wake one, and lists of threads that wait for the same event.
use crate::entry::{Runnable, State};
use crate::list::List;

/// A blocked thread that is in no list. The holder of this value must queue the thread. There is one value for each such
/// thread, so no thread is queued twice.
#[must_use = "a blocked thread that nobody queues never runs again"]
pub struct Blocked<T: Runnable>(&'static T);

impl<T: Runnable> Blocked<T> {
    /// Blocks the thread that the calling CPU runs.
    ///
    /// Another CPU may wake the thread as soon as it finds it. The caller holds the lock of the structure that the thread will
    /// be found in.
    #[inline]
    pub fn block(running: &'static T) -> Self {
        running.entry().change(State::Running, State::Blocked);
        Self(running)
    }

    /// Takes over a thread that is blocked and that the caller alone can find: a new one, or one that the caller has removed
    /// from a structure that [`Blocked::into_thread`] put it in.
    #[inline]
    pub fn claim(thread: &'static T) -> Self {
        debug_assert_eq!(thread.entry().standing().0, State::Blocked);
        Self(thread)
    }

    /// Returns the thread.
    #[inline]
    #[must_use]
    pub fn thread(&self) -> &'static T {
        self.0
    }

    /// Returns the thread, for a structure from which the owner claims it again.
    #[inline]
    #[must_use]
    pub fn into_thread(self) -> &'static T {
        self.0
    }
}

/// Blocked threads that wait for the same event, first come, first served.
pub struct WaitList<T: Runnable>(List<T>);

impl<T: Runnable> WaitList<T> {
    /// Creates a list in which no thread waits.
    #[must_use]
    pub const fn new() -> Self {
        Self(List::new())
    }

    /// Blocks the thread that the calling CPU runs, and appends it. The caller releases the lock around the list, then switches
    /// to another thread, with interrupts off from before the call.
    #[inline]
    pub fn push(&mut self, running: &'static T) {
        self.0.push(Blocked::block(running).into_thread());
    }

    /// Removes the thread that has waited longest.
    #[inline]
    pub fn pop(&mut self) -> Option<Blocked<T>> {
        self.0.pop().map(Blocked::claim)
    }
}

impl<T: Runnable> Default for WaitList<T> {
    fn default() -> Self {
        Self::new()
    }
}
