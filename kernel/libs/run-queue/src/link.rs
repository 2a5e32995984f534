//! The place of a thread in a list.
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A thread's place in a list. A thread is in one list at a time; builds with debug assertions check it.
///
/// The links of a list change only under the lock around the list, so a model need not explore them.
pub struct Link<T> {
    next: AtomicPtr<T>,
    /// The thread before this one. That of a list's first thread means nothing: the list knows which one is its first.
    previous: AtomicPtr<T>,
    #[cfg(any(debug_assertions, loom))]
    is_linked: core::sync::atomic::AtomicBool,
}

impl<T> Link<T> {
    /// Creates the link of a thread that is in no list.
    pub(crate) const fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            previous: AtomicPtr::new(ptr::null_mut()),
            #[cfg(any(debug_assertions, loom))]
            is_linked: core::sync::atomic::AtomicBool::new(false),
        }
    }
}

impl<T: Sync + 'static> Link<T> {
    #[inline]
    pub(crate) fn set_next(&self, next: Option<&'static T>) {
        self.next.store(pointer(next), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<&'static T> {
        reference(&self.next)
    }

    #[inline]
    pub(crate) fn set_previous(&self, previous: Option<&'static T>) {
        self.previous.store(pointer(previous), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn previous(&self) -> Option<&'static T> {
        reference(&self.previous)
    }

    #[inline]
    pub(crate) fn note_linked(&self, is_linked: bool) {
        #[cfg(any(debug_assertions, loom))]
        assert!(
            self.is_linked.swap(is_linked, Ordering::Relaxed) != is_linked,
            "a thread is in two lists, or in none that it was taken from"
        );
        let _ = is_linked;
    }
}

#[inline]
fn pointer<T>(thread: Option<&'static T>) -> *mut T {
    thread.map_or(ptr::null_mut(), |thread| ptr::from_ref(thread).cast_mut())
}

/// Returns what a pointer of a link leads to.
#[inline]
#[allow(unsafe_code)]
fn reference<T: 'static>(pointer: &AtomicPtr<T>) -> Option<&'static T> {
    // SAFETY: `Link` alone writes its pointers, which are private: null, or from a `&'static T`, which stays valid.
    unsafe { pointer.load(Ordering::Relaxed).as_ref() }
}
