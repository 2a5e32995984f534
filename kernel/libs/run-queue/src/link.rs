//! The place of a thread in a list.
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A thread's place in a list. A thread is in one list at a time; builds with debug assertions check it.
///
/// The links of a list change only under the lock around the list, so a model need not explore them.
pub struct Link<T> {
    next: AtomicPtr<T>,
    #[cfg(any(debug_assertions, loom))]
    is_linked: core::sync::atomic::AtomicBool,
}

impl<T> Link<T> {
    /// Creates the link of a thread that is in no list.
    pub(crate) const fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            #[cfg(any(debug_assertions, loom))]
            is_linked: core::sync::atomic::AtomicBool::new(false),
        }
    }
}

impl<T: Sync + 'static> Link<T> {
    #[inline]
    pub(crate) fn set_next(&self, next: Option<&'static T>) {
        let next = next.map_or(ptr::null_mut(), |next| ptr::from_ref(next).cast_mut());
        self.next.store(next, Ordering::Relaxed);
    }

    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn next(&self) -> Option<&'static T> {
        // SAFETY: `new` and `set_next` alone write the pointer: null, or from a `&'static T`, which stays valid.
        unsafe { self.next.load(Ordering::Relaxed).as_ref() }
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
