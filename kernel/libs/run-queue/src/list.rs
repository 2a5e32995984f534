//! A list of threads, first in, first out, linked through the threads themselves: nothing is allocated.
use crate::entry::Runnable;

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

    /// Removes the first thread for which `is_wanted` holds. Takes a step for each thread of the list.
    pub fn take(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<&'static T> {
        let mut passed = Self::new();
        let mut found = None;
        while let Some(thread) = self.pop() {
            if found.is_none() && is_wanted(thread) {
                found = Some(thread);
            } else {
                passed.push(thread);
            }
        }
        *self = passed;
        found
    }
}

impl<T: Runnable> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}
