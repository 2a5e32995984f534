//! Random machines under random use: each call's outcome is what the plain model allows.
mod machine;
mod model;

use std::collections::BTreeMap;

use machine::{Machine, cpus, node, take_for, uncached};
use model::Model;
use model::plans::{HIGH, Step, THREADS, plans};
use model::policies::{Turns, Wish};
use page_alloc::{
    AllocateError, CpuCache, Cursor, IsolateError, NodeFrames, NodeStats, PageAllocator, PageOwner, Request,
};
use proptest::prelude::*;
use proptest::sample::Index;
use units::{FrameNumber, FrameRange, NodeId};

/// The allocator and the model, which must agree.
struct Pair<'p> {
    pages: &'p PageAllocator<'p>,
    model: Model,
    fallback: &'p [Vec<NodeId>],
    /// Two for each node.
    cpus: Vec<CpuCache<'p>>,
    /// Ranges that were isolated; some may have been added again since.
    isolated: Vec<FrameRange>,
    /// The state of each thread's interleaving.
    turns: [(Cursor, Turns); THREADS],
    /// Whether this step is checked closely. Not each step is: a check releases the hot chunks.
    look: bool,
}

impl Pair<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Allocate { request, cpu } => {
                let cpu = cpu.index(self.cpus.len());
                let wish = Wish::of(request, self.cpus[cpu].node(), self.fallback);
                self.allocate(cpu, request, &wish);
            }
            &Step::AllocateBy { owner, ref policy, count, thread, cpu, times } => {
                let cpu = cpu.index(self.cpus.len());
                for _ in 0..times {
                    let (cursor, turns) = &mut self.turns[thread];
                    let wish = policy.wish(self.cpus[cpu].node(), turns, self.fallback);
                    let mut request = Request { owner, ..Request::local(count) };
                    policy.with(|policy| policy.apply(&mut request, cursor));
                    self.allocate(cpu, &request, &wish);
                }
            }
            Step::Free { which, cpu } => {
                if let Some((start, count)) = self.some_grant(which) {
                    self.free_on(cpu.index(self.cpus.len()), start, count);
                }
            }
            Step::FreeSingles { first, cpu, times } => self.free_singles(first, cpu, *times),
            Step::TakePages { owner, cpu, times } => {
                (0..*times).for_each(|_| self.take_page(cpu.index(self.cpus.len()), *owner));
            }
            Step::TakeBack { owner } => self.take_back(*owner),
            Step::Drain { cpu } => {
                let cpu = &self.cpus[cpu.index(self.cpus.len())];
                cpu.drain();
                assert!(cpu.is_empty());
            }
            &Step::FreeOther { ref which, ahead, back, count } => {
                if let Some((start, granted)) = self.some_grant(which) {
                    self.free((start + ahead).saturating_sub(back), count);
                    self.free(start + ahead, granted + back - ahead.min(granted + back));
                }
            }
            &Step::FreeAnywhere { frame, count } => self.free(frame, count),
            _ => self.change_memory(step),
        }
        if self.look {
            self.compare_counts();
        }
    }

    /// Does a step that adds memory or takes it offline.
    fn change_memory(&mut self, step: &Step) {
        match step {
            &Step::Add { start, len } => self.add(FrameRange::new(start, start + len)),
            &Step::AddMemory { node, start, len, withheld, behind } => {
                let next = self.model.borders().into_iter().max().unwrap_or_default();
                let start = if behind { next + start % 700 * (start % 3) } else { start };
                let free = FrameRange::new(start + withheld.0, start + len.saturating_sub(withheld.1));
                self.add_memory(NodeFrames { node, frames: FrameRange::new(start, start + len) }, free);
            }
            &Step::Isolate { start, len } => self.isolate(FrameRange::new(start, start + len)),
            &Step::IsolateFree { ref which, skip, len } => {
                let runs = self.model.free_runs();
                if let Some(run) = runs.get(which.index(runs.len().max(1))) {
                    let start = (run.start + skip).min(run.end - 1);
                    self.isolate(FrameRange::new(start, start.saturating_add(len).min(run.end)));
                }
            }
            Step::AddBack { which } => {
                if !self.isolated.is_empty() {
                    let range = self.isolated.swap_remove(which.index(self.isolated.len()));
                    self.add(range);
                }
            }
            _ => unreachable!("{step:?} changes no memory"),
        }
    }

    fn some_grant(&self, which: &Index) -> Option<(u64, u64)> {
        let grants = &self.model.grants;
        let (&start, &count) = grants.iter().nth(which.index(grants.len().max(1)))?;
        Some((start, count))
    }

    fn allocate(&mut self, cpu: usize, request: &Request, wish: &Wish) {
        let (order, cpus) = (&wish.order, &self.cpus);
        let drain_others = |dry| {
            let others = cpus.iter().enumerate().filter(|(other, _)| *other != cpu);
            let of_node = others.map(|(_, other)| other).filter(|other| other.node() == dry);
            assert!(of_node.clone().any(|other| !other.is_empty()), "no other cache has a frame of {dry}");
            of_node.for_each(CpuCache::drain);
        };
        match cpus[cpu].allocate(request, drain_others) {
            Ok(grant) => {
                let nearer = order.iter().take_while(|&&node| node != grant.node);
                assert!(order.contains(&grant.node), "{grant:?} is from a node that {request:?} forbids");
                for &node in nearer {
                    assert!(!self.model.fits(node, request), "{request:?} fits on {node}, got {grant:?}");
                }
                assert_eq!(grant.count, request.count);
                assert_eq!(grant.fell_back, Some(grant.node) != wish.wanted);
                self.model.grant(request, wish, cpus[cpu].node(), grant.frame.0, grant.node);
            }
            Err(AllocateError::NoFrames) => assert_eq!(request.count, 0),
            Err(AllocateError::BadAlignment(alignment)) => {
                assert!(alignment == request.alignment && !alignment.is_power_of_two());
            }
            Err(error) => {
                let preferred = request.preferred.unwrap_or(cpus[cpu].node());
                assert_eq!(error, AllocateError::NoFit { preferred, count: request.count });
                for &node in order {
                    let small = request.count < HIGH && self.model.fits(node, request);
                    assert!(!small, "{request:?} fits on {node} and was refused");
                }
            }
        }
    }

    /// Takes a frame of the CPU's node, if one is free that no other CPU has in its cache.
    fn take_page(&mut self, cpu: usize, owner: PageOwner) {
        let node = self.cpus[cpu].node();
        match take_for(&self.cpus[cpu], owner) {
            Some(frame) => {
                let wish = Wish::new(node, vec![node]);
                self.model.grant(&Request { owner, ..Request::page() }, &wish, node, frame.0, node);
            }
            None => {
                let stats = self.pages.stats(node).unwrap();
                assert!(self.cpus[cpu].is_empty() && stats.free == stats.cached);
            }
        }
    }

    fn free_singles(&mut self, first: &Index, cpu: &Index, times: u16) {
        let grants = &self.model.grants;
        let first = first.index(grants.len().max(1));
        let singles = grants.iter().skip(first).filter(|(_, count)| **count == 1);
        let singles: Vec<u64> = singles.map(|(start, _)| *start).take(times.into()).collect();
        let cpu = cpu.index(self.cpus.len());
        for start in singles {
            self.free_on(cpu, start, 1);
            // The node's other CPU finds it free, too.
            self.free_on(cpu ^ 1, start, 1);
        }
    }

    fn free(&mut self, start: u64, count: u64) {
        self.free_on(start as usize % self.cpus.len(), start, count);
    }

    /// Frees for the owner, after another one has tried to.
    fn free_on(&mut self, cpu: usize, start: u64, count: u64) {
        let owner = self.model.owner_of(start);
        let other = PageOwner::new(owner.number() ^ 1).unwrap();
        self.free_for(other, cpu, start, count);
        self.free_for(owner, cpu, start, count);
    }

    /// Frees in both, and compares the errors. A refusal changes no free chunk.
    fn free_for(&mut self, owner: PageOwner, cpu: usize, start: u64, count: u64) {
        let before = self.look.then(|| self.free_by_order());
        let result = self.cpus[cpu].free_of(FrameNumber(start), count, owner);
        assert_eq!(result, self.model.free(owner, start, count));
        assert!(result.is_ok() || before.is_none_or(|before| self.free_by_order() == before));
        if result.is_err() {
            assert_eq!(uncached(self.pages, 0).free_of(FrameNumber(start), count, owner), result);
            assert_eq!(self.model.free(owner, start, count), result);
        }
    }

    /// Takes back in both what an owner has.
    fn take_back(&mut self, owner: PageOwner) {
        let mut counted = BTreeMap::new();
        for (node, frames) in self.pages.count_grants(owner).filter(|(_, frames)| *frames > 0) {
            *counted.entry(node).or_insert(0) += frames;
        }
        assert_eq!(counted, self.model.granted_to(owner));
        let expected = if owner == PageOwner::NOBODY { 0 } else { self.model.take_back(owner) };
        assert_eq!(self.pages.take_back(owner).sum::<u64>(), expected);
    }

    fn add(&mut self, range: FrameRange) {
        assert_eq!(self.pages.add(range), self.model.add(range));
    }

    fn add_memory(&mut self, memory: NodeFrames, free: FrameRange) {
        let (pages, expected) = (self.pages, self.model.add_memory(memory, free));
        match pages.growth_layout(memory) {
            Ok(layout) => assert_eq!(pages.add_memory(memory, free, machine::leak(layout)), expected),
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    /// Isolates in both. A frame in a cache stands in the way until it is drained; it and those before it are free all the same.
    fn isolate(&mut self, range: FrameRange) {
        let mut isolated = self.pages.isolate(range);
        if let Err(IsolateError::Cached(frame)) = isolated {
            assert!(self.model.all_free(range.start.0.max(1)..frame.0 + 1));
            self.cpus.iter().for_each(CpuCache::drain);
            isolated = self.pages.isolate(range);
        }
        assert_eq!(isolated, self.model.isolate(range));
        if isolated.is_ok_and(|count| count > 0) {
            self.isolated.push(range);
        }
    }

    fn free_by_order(&self) -> Vec<[u64; page_alloc::ORDERS]> {
        (0..self.fallback.len()).map(|index| self.pages.free_by_order(node(index)).unwrap()).collect()
    }

    /// Compares the free chunks. The model's are the largest possible: if the allocator's are equal, all that can merge has merged.
    fn compare_chunks(&mut self) {
        self.cpus.iter().for_each(CpuCache::drain);
        for index in 0..self.fallback.len() {
            let by_order = self.model.free_by_order(node(index));
            assert_eq!(self.pages.free_by_order(node(index)), Some(by_order));
            let largest =
                (0..).zip(&by_order).filter(|(_, frames)| **frames > 0).map(|(order, _)| order).last();
            assert_eq!(self.pages.stats(node(index)).unwrap().largest_free_order, largest);
        }
    }

    fn compare_counts(&self) {
        for index in 0..self.fallback.len() {
            let stats = self.pages.stats(node(index)).unwrap();
            let of_node = self.cpus.iter().filter(|cpu| cpu.node() == node(index));
            let cached = of_node.map(|cpu| cpu.len() as u64).sum();
            assert_eq!(stats.cached, cached);
            assert_eq!(self.pages.free_by_order(node(index)).unwrap().iter().sum::<u64>(), stats.free);
            assert_eq!(NodeStats { largest_free_order: None, cached: 0, ..stats }, self.model.stats[index]);
        }
        assert_eq!(self.pages.refused_outside(), self.model.refused_outside);
        let sum = |count: fn(&NodeStats) -> u64| self.model.stats.iter().map(count).sum::<u64>();
        assert_eq!(sum(|stats| stats.miss), sum(|stats| stats.foreign));
        assert_eq!(sum(|stats| stats.hit + stats.miss), sum(|stats| stats.local + stats.other));
    }

    /// Adds all frames except those that are in use since boot.
    fn boot(&mut self, spans: &[NodeFrames], taken: &[(Index, u64)]) {
        for span in spans {
            let mut start = span.frames.start.0;
            let mut taken: Vec<(u64, u64)> = taken
                .iter()
                .map(|(at, len)| (start + at.index(span.frames.len_frames() as usize) as u64, *len))
                .collect();
            taken.sort_unstable();
            for (at, len) in taken {
                self.add(FrameRange::new(start, at.max(start)));
                start = start.max(at + len).min(span.frames.end.0);
            }
            self.add(FrameRange::new(start, span.frames.end.0));
        }
        self.compare_chunks();
    }
}

proptest! {
    #[test]
    fn every_outcome_is_what_the_model_allows_and_all_comes_together_again(plan in plans()) {
        let mut machine = Machine::with_nodes(plan.spans.clone(), plan.fallback.clone());
        let nodes: Vec<NodeId> = (0..2 * plan.fallback.len()).map(|cpu| node(cpu / 2)).collect();
        let (pages, memory) = machine.pages_and_memory(nodes.len());
        let cpus = cpus(&pages, &nodes, memory);
        let model = Model::new(&plan.spans, plan.fallback.len());
        let turns = [(Cursor::START, Turns::default()), (Cursor::START, Turns::default())];
        let isolated = Vec::new();
        let mut pair = Pair { pages: &pages, model, fallback: &plan.fallback, cpus, isolated, turns, look: true };
        pair.boot(&plan.spans, &plan.taken_at_boot);
        for (number, step) in plan.steps.iter().enumerate() {
            pair.look = number.is_multiple_of(5);
            pair.step(step);
            if number.is_multiple_of(8) {
                pair.compare_chunks();
            }
        }
        for frame in pair.model.borders() {
            prop_assert_eq!(pages.node_of(FrameNumber(frame)), pair.model.node_of(frame));
        }
        while let Some((&start, &count)) = pair.model.grants.first_key_value() {
            pair.free(start, count);
        }
        pair.compare_counts();
        pair.compare_chunks();
    }
}
