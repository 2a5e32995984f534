//! All spans: those that setup knew, and those that came later.
use core::ptr;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::span_table::{Span, SpanTable};

/// Two tables: one that never changes, and one that is replaced by a larger one when memory is added. Looking a span up
/// takes no lock, and for a span that setup knew it takes no more steps than if there were no other.
pub struct SpanIndex<'m> {
    boot: SpanTable<'m>,
    /// Null until memory is added. Tables that were replaced stay valid.
    added: AtomicPtr<SpanTable<'m>>,
}

impl<'m> SpanIndex<'m> {
    pub const fn new(boot: SpanTable<'m>) -> Self {
        Self { boot, added: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The span that holds the frame.
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

    /// The spans that the node had at setup, of which this is the index of the first, ascending.
    pub fn of_node(&self, first: Option<u32>) -> impl Iterator<Item = &Span> + Clone {
        self.boot.of_node(first)
    }

    /// The spans that setup knew.
    pub fn boot(&self) -> &SpanTable<'m> {
        &self.boot
    }

    /// The spans that came later, if any did.
    pub fn added(&self) -> Option<&'m SpanTable<'m>> {
        // SAFETY: the pointer is null or came from `replace_added`, a shared reference for 'm to what nobody writes any more.
        unsafe { self.added.load(Acquire).as_ref() }
    }

    /// Puts this table in the place of the one of the spans that came later, all of which it has.
    pub fn replace_added(&self, table: &'m SpanTable<'m>) {
        self.added.store(ptr::from_ref(table).cast_mut(), Release);
    }
}
