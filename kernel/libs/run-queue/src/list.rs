//! A list of threads, first in, first out, linked through the threads themselves: nothing is allocated.
use crate::entry::Runnable;
use core::ptr;

/// Threads in the order in which they came. The list's owner guards it with a lock.
pub struct List<T: 'static> {
    first: Option<&'static T>,
    last: Option<&'static T>,
}

impl<T: Runnable> List<T> {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, last: None }
    }

    /// Appends a thread that is in no list.
    #[inline]
    pub fn push(&mut self, thread: &'static T) {
        let link = &thread.entry().link;
        link.note_linked(true);
        link.set_next(None);
        link.set_previous(self.last);
        match self.last {
            Some(last) => last.entry().link.set_next(Some(thread)),
            None => self.first = Some(thread),
        }
        self.last = Some(thread);
    }

    /// Removes the first thread.
    #[inline]
    pub fn pop(&mut self) -> Option<&'static T> {
        let thread = self.first?;
        let link = &thread.entry().link;
        link.note_linked(false);
        self.first = link.next();
        if self.first.is_none() {
            self.last = None;
        }
        Some(thread)
    }

    /// Returns the threads, the first one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> + use<T> {
        core::iter::successors(self.first, |thread| thread.entry().link.next())
    }

    /// Removes a thread that is in this list, in a fixed number of steps.
    ///
    /// # Panics
    /// If it can be seen that the thread is in no list.
    pub fn remove(&mut self, thread: &T) -> &'static T {
        if self.first.is_some_and(|first| ptr::eq(first, thread)) {
            return self.pop().expect("the list has a first thread");
        }
        let link = &thread.entry().link;
        let previous = link.previous().expect("a thread follows another unless it is the first");
        let thread = previous.entry().link.next().expect("the thread follows this one");
        link.note_linked(false);
        let next = link.next();
        previous.entry().link.set_next(next);
        match next {
            Some(next) => next.entry().link.set_previous(Some(previous)),
            None => self.last = Some(previous),
        }
        thread
    }

    /// Removes the first thread for which `is_wanted` holds, if it is one of the first `most`.
    pub fn take_among_first(&mut self, most: usize, is_wanted: impl Fn(&T) -> bool) -> Option<&'static T> {
        let wanted = self.iter().take(most).find(|thread| is_wanted(thread))?;
        Some(self.remove(wanted))
    }
}

impl<T: Runnable> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}
