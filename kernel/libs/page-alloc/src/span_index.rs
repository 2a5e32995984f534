//! All spans: those of setup, and those that were added later.
use core::ptr;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::span_table::{Span, SpanTable};

/// Two tables: the one of setup never changes; the other one is replaced by a larger one when memory is added.
///
/// A look-up takes no lock. A look-up of a span of setup takes no more steps than without added spans.
pub struct SpanIndex<'m> {
    boot: SpanTable<'m>,
    /// Null until memory is added. Replaced tables stay valid.
    added: AtomicPtr<SpanTable<'m>>,
}

impl<'m> SpanIndex<'m> {
    /// Returns an index without added spans.
    pub const fn new(boot: SpanTable<'m>) -> Self {
        Self { boot, added: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Returns the span that contains the frame.
    #[inline]
    pub fn find(&self, frame: u64) -> Option<&'m Span> {
        match self.boot.find(frame) {
            None => self.find_added(frame),
            found => found,
        }
    }

    #[cold]
    #[inline(never)]
    fn find_added(&self, frame: u64) -> Option<&'m Span> {
        self.added()?.find(frame)
    }

    /// Returns the spans that a node had at setup, ascending. `first` is the index of the first one.
    pub fn of_node(&self, first: Option<u32>) -> impl Iterator<Item = &Span> + Clone {
        self.boot.of_node(first)
    }

    /// Returns the table of setup.
    pub fn boot(&self) -> &SpanTable<'m> {
        &self.boot
    }

    /// Returns the table of added spans, if there are any.
    pub fn added(&self) -> Option<&'m SpanTable<'m>> {
        // SAFETY: the pointer is null, or `replace_added` made it from a shared reference that is valid for 'm.
        unsafe { self.added.load(Acquire).as_ref() }
    }

    /// Replaces the table of added spans by one that contains all of them and more.
    pub fn replace_added(&self, table: &'m SpanTable<'m>) {
        self.added.store(ptr::from_ref(table).cast_mut(), Release);
    }
}
