//! Walking over all frames for the grants of an owner, in steps.
use units::NodeId;

use crate::allocator::PageAllocator;
use crate::grant_step::Step;
use crate::owner::PageOwner;
use crate::span_table::Span;

/// A walk over the frames of all spans. The whole takes a step for each 64 frames of the split blocks of all nodes, and for each 64 other
/// blocks that are not part of one free run.
pub struct GrantWalk<'a, 'm, L> {
    allocator: &'a PageAllocator<'m, L>,
    owner: PageOwner,
    /// The index of the span, those of setup first. While spans are added, others only move up.
    span: usize,
    /// The next frame to look at, if it is in the span.
    next: u64,
}

impl<'a, 'm, L> GrantWalk<'a, 'm, L> {
    /// Begins a walk for the grants of an owner.
    pub const fn new(allocator: &'a PageAllocator<'m, L>, owner: PageOwner) -> Self {
        Self { allocator, owner, span: 0, next: 0 }
    }

    /// Returns the owner.
    pub const fn owner(&self) -> PageOwner {
        self.owner
    }

    /// Has `look` take the next step: it returns a number, and the next frame to look at. Returns the node and that number; `None` behind the
    /// last step.
    pub fn step(
        &mut self,
        look: impl FnOnce(&PageAllocator<'m, L>, Step<'m>) -> Option<(u64, u64)>,
    ) -> Option<(NodeId, u64)> {
        let span = self.span()?;
        let from = self.next.max(span.frames.start.0);
        let (number, next) = look(self.allocator, Step { span, from, owner: self.owner })?;
        self.next = next;
        if next >= span.frames.end.0 {
            (self.span, self.next) = (self.span + 1, 0);
        }
        Some((span.node, number))
    }

    /// Returns the span that is looked at.
    fn span(&self) -> Option<&'m Span> {
        let spans = &self.allocator.spans;
        let boot = spans.boot().spans();
        boot.get(self.span).or_else(|| spans.added()?.spans().get(self.span - boot.len()))
    }
}
