//! The plainest possible allocator: a state for each frame, and every question is answered by looking at each one.
pub mod plans;
pub mod policies;

use std::collections::BTreeMap;

use page_alloc::{
    AddError, FreeError, GrowError, IsolateError, NodeFrames, NodeStats, ORDERS, PageOwner, Request,
};
use policies::Wish;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, PhysAddr};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    Reserved,
    Free,
    /// The first frame of the grant that this one is in.
    Granted(u64),
}

pub struct Model {
    /// The spans, touching ones of a node merged, and their frames.
    spans: Vec<(NodeFrames, Vec<Frame>)>,
    pub grants: BTreeMap<u64, u64>,
    /// The owner of each grant.
    pub owners: BTreeMap<u64, PageOwner>,
    pub stats: Vec<NodeStats>,
    pub refused_outside: u64,
}

impl Model {
    pub fn new(spans: &[NodeFrames], nodes: usize) -> Self {
        let mut merged: Vec<NodeFrames> = Vec::new();
        let mut stats = vec![NodeStats::default(); nodes];
        for span in spans.iter().filter(|span| !span.frames.is_empty()) {
            stats[span.node.index()].total += span.frames.len_frames();
            match merged.last_mut() {
                Some(last) if last.node == span.node && last.frames.end == span.frames.start => {
                    last.frames.end = span.frames.end;
                }
                _ => merged.push(*span),
            }
        }
        let with_frames = |span: NodeFrames| (span, vec![Frame::Reserved; span.frames.len_frames() as usize]);
        Self {
            spans: merged.into_iter().map(with_frames).collect(),
            grants: BTreeMap::new(),
            owners: BTreeMap::new(),
            stats,
            refused_outside: 0,
        }
    }

    fn span_of(&mut self, frame: u64) -> Option<(NodeId, u64, u64, &mut [Frame])> {
        let (span, frames) =
            self.spans.iter_mut().find(|(span, _)| span.frames.contains(FrameNumber(frame)))?;
        Some((span.node, span.frames.start.0, span.frames.end.0, frames))
    }

    pub fn node_of(&mut self, frame: u64) -> Option<NodeId> {
        self.span_of(frame).map(|span| span.0)
    }

    pub fn add(&mut self, range: FrameRange) -> Result<u64, AddError> {
        let mut next = range.start.0.max(1);
        let mut added = 0;
        while next < range.end.0 {
            let (node, start, end, frames) =
                self.span_of(next).ok_or(AddError::NotMemory(FrameNumber(next)))?;
            let end = end.min(range.end.0);
            let part = &mut frames[(next - start) as usize..(end - start) as usize];
            if part.iter().any(|&frame| frame != Frame::Reserved) {
                return Err(AddError::AlreadyAdded(FrameNumber(next)));
            }
            part.fill(Frame::Free);
            self.stats[node.index()].free += end - next;
            self.stats[node.index()].managed += end - next;
            added += end - next;
            next = end;
        }
        Ok(added)
    }

    /// Adds memory as a span of its own.
    pub fn add_memory(&mut self, memory: NodeFrames, free: FrameRange) -> Result<u64, GrowError> {
        if memory.frames.is_empty() {
            return Err(GrowError::Empty);
        }
        let numbers = memory.frames.start.0..memory.frames.end.0;
        if let Some(known) = numbers.clone().find(|frame| self.span_of(*frame).is_some()) {
            return Err(GrowError::Known(FrameNumber(known)));
        }
        let mut outside = (free.start.0..free.end.0).filter(|frame| !numbers.contains(frame));
        if let Some(frame) = outside.next() {
            return Err(GrowError::NotInMemory(FrameNumber(frame)));
        }
        let is_free = |frame| free.contains(FrameNumber(frame)) && frame > 0;
        let state = |frame| if is_free(frame) { Frame::Free } else { Frame::Reserved };
        let frames: Vec<Frame> = numbers.map(state).collect();
        let count = frames.iter().filter(|frame| **frame == Frame::Free).count() as u64;
        let stats = &mut self.stats[memory.node.index()];
        stats.total += frames.len() as u64;
        stats.managed += count;
        stats.free += count;
        self.spans.push((memory, frames));
        Ok(count)
    }

    /// Returns the first and the last frame of each span, and the frames next to them.
    pub fn borders(&self) -> Vec<u64> {
        let spans = self.spans.iter().map(|(span, _)| (span.frames.start.0, span.frames.end.0));
        spans.flat_map(|(start, end)| [start.saturating_sub(1), start, end - 1, end]).collect()
    }

    pub fn isolate(&mut self, range: FrameRange) -> Result<u64, IsolateError> {
        let frames = range.start.0.max(1)..range.end.0;
        for number in frames.clone() {
            let frame = FrameNumber(number);
            let (_, start, _, states) = self.span_of(number).ok_or(IsolateError::NotMemory(frame))?;
            match states[(number - start) as usize] {
                Frame::Free => {}
                Frame::Reserved => return Err(IsolateError::NeverAdded(frame)),
                Frame::Granted(_) => return Err(IsolateError::InUse(frame)),
            }
        }
        for number in frames.clone() {
            let Some((node, start, _, states)) = self.span_of(number) else { continue };
            states[(number - start) as usize] = Frame::Reserved;
            self.stats[node.index()].free -= 1;
            self.stats[node.index()].managed -= 1;
        }
        Ok(frames.count() as u64)
    }

    /// Returns the maximal runs of free frames within a span.
    pub fn free_runs(&self) -> Vec<std::ops::Range<u64>> {
        let mut runs = Vec::new();
        for (span, frames) in &self.spans {
            let mut start = span.frames.start.0;
            for alike in frames.chunk_by(|one, next| (*one == Frame::Free) == (*next == Frame::Free)) {
                let end = start + alike.len() as u64;
                if alike[0] == Frame::Free {
                    runs.push(start..end);
                }
                start = end;
            }
        }
        runs
    }

    /// Returns true if all these frames are free.
    pub fn all_free(&mut self, mut frames: std::ops::Range<u64>) -> bool {
        frames.all(|frame| {
            self.span_of(frame)
                .is_some_and(|(_, start, _, states)| states[(frame - start) as usize] == Frame::Free)
        })
    }

    /// Returns true if some run on this node meets the request.
    pub fn fits(&self, node: NodeId, request: &Request) -> bool {
        self.spans.iter().filter(|(span, _)| span.node == node).any(|(span, frames)| {
            let mut start = span.frames.start.0;
            frames.chunk_by(|one, next| one == next).any(|alike| {
                let first = start.next_multiple_of(alignment(request));
                start += alike.len() as u64;
                alike[0] == Frame::Free
                    && first + request.count <= start
                    && below_limit(first + request.count, request.highest)
            })
        })
    }

    /// Notes a grant, after checking that the request allows it.
    pub fn grant(&mut self, request: &Request, wish: &Wish, cpu_node: NodeId, start: u64, node: NodeId) {
        assert_eq!(start % alignment(request), 0, "alignment of {start} for {request:?}");
        assert_ne!(start, 0, "frame 0 was handed out");
        assert!(below_limit(start + request.count, request.highest), "{start} is too high for {request:?}");
        let (node_there, first, end, frames) = self.span_of(start).expect("the grant is in memory");
        assert!(node_there == node && start + request.count <= end, "the grant lies in one span of its node");
        let part = &mut frames[(start - first) as usize..(start - first + request.count) as usize];
        assert!(part.iter().all(|&frame| frame == Frame::Free), "{start} for {request:?} was not free");
        part.fill(Frame::Granted(start));
        self.grants.insert(start, request.count);
        self.owners.insert(start, request.owner);
        self.count(request, wish, cpu_node, node);
    }

    fn count(&mut self, request: &Request, wish: &Wish, cpu_node: NodeId, node: NodeId) {
        let stats = &mut self.stats[node.index()];
        stats.free -= request.count;
        *(if cpu_node == node { &mut stats.local } else { &mut stats.other }) += request.count;
        let wanted = wish.wanted.expect("what is granted was wanted of some node");
        if wanted == node {
            stats.hit += request.count;
            stats.interleave_hit += if wish.interleaved { request.count } else { 0 };
        } else {
            stats.miss += request.count;
            self.stats[wanted.index()].foreign += request.count;
        }
    }

    /// Returns the owner of the grant that starts here, or nobody.
    pub fn owner_of(&self, start: u64) -> PageOwner {
        self.owners.get(&start).copied().unwrap_or(PageOwner::NOBODY)
    }

    /// Returns the frames of each node that are granted to the owner; none for nobody.
    pub fn granted_to(&mut self, owner: PageOwner) -> BTreeMap<NodeId, u64> {
        let mut frames = BTreeMap::new();
        let starts = self.owners.iter().filter(|(_, its)| **its == owner && owner != PageOwner::NOBODY);
        for start in starts.map(|(start, _)| *start).collect::<Vec<_>>() {
            let (node, ..) = self.span_of(start).expect("the grant is in memory");
            *frames.entry(node).or_insert(0) += self.grants[&start];
        }
        frames
    }

    /// Takes back all grants of the owner, and returns the number of frames.
    pub fn take_back(&mut self, owner: PageOwner) -> u64 {
        let of_owner = self.owners.iter().filter(|(_, its)| **its == owner).map(|(start, _)| *start);
        let mut frames = 0;
        for start in of_owner.collect::<Vec<_>>() {
            let count = self.grants[&start];
            self.free(owner, start, count).unwrap();
            frames += count;
        }
        frames
    }

    pub fn free(&mut self, owner: PageOwner, start: u64, count: u64) -> Result<(), FreeError> {
        let result = self.check_free(owner, start, count);
        match (result, self.span_of(start)) {
            (_, None) => self.refused_outside += 1,
            (Err(_), Some((node, ..))) => self.stats[node.index()].refused_frees += 1,
            (Ok(()), Some((node, first, _, frames))) => {
                frames[(start - first) as usize..][..count as usize].fill(Frame::Free);
                self.stats[node.index()].free += count;
                self.grants.remove(&start);
                self.owners.remove(&start);
            }
        }
        result
    }

    fn check_free(&mut self, owner: PageOwner, start: u64, count: u64) -> Result<(), FreeError> {
        let its = self.owner_of(start);
        let frame = FrameNumber(start);
        let (_, first, _, frames) = self.span_of(start).ok_or(FreeError::NotMemory(frame))?;
        match frames[(start - first) as usize] {
            Frame::Free => Err(FreeError::AlreadyFree(frame)),
            Frame::Reserved => Err(FreeError::NeverAdded(frame)),
            Frame::Granted(head) if head != start => Err(FreeError::InsideGrant(frame)),
            Frame::Granted(_) if its != owner => Err(FreeError::NotTheOwner(frame)),
            Frame::Granted(_) => match self.grants[&start] {
                granted if granted != count => Err(FreeError::WrongCount { frame, count, granted }),
                _ => Ok(()),
            },
        }
    }

    /// Returns the node's free frames, each counted in the largest aligned free chunk of up to 2^18 frames that contains it.
    pub fn free_by_order(&self, node: NodeId) -> [u64; ORDERS] {
        let mut by_order = [0; ORDERS];
        for (span, frames) in self.spans.iter().filter(|(span, _)| span.node == node) {
            let start = span.frames.start.0;
            let is_free =
                |number: u64| number >= start && frames.get((number - start) as usize) == Some(&Frame::Free);
            let mut number = start;
            while number < span.frames.end.0 {
                let order = (0..ORDERS as u32)
                    .take_while(|&order| {
                        number.is_multiple_of(1 << order) && (number..number + (1 << order)).all(is_free)
                    })
                    .last();
                let Some(order) = order else {
                    number += 1;
                    continue;
                };
                by_order[order as usize] += 1 << order;
                number += 1 << order;
            }
        }
        by_order
    }
}

/// Returns the alignment of a request. A count that is a power of two up to 2^18 is aligned to itself.
fn alignment(request: &Request) -> u64 {
    let natural = request.count.is_power_of_two() && request.count <= 1 << 18;
    request.alignment.max(if natural { request.count } else { 1 })
}

fn below_limit(end: u64, highest: Option<PhysAddr>) -> bool {
    highest.is_none_or(|highest| end * FRAME_SIZE - 1 <= highest.0)
}
