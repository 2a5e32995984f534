//! Random machines under random use: each call's outcome is what the plain model allows.
mod machine;
mod model;

use machine::{Machine, node, span};
use model::Model;
use model::policies::{self, Turns, Wish};
use page_alloc::{
    AllocateError, CpuCache, Cursor, NodeFrames, NodeStats, PageAllocator, RemoveError, Request,
};
use proptest::prelude::*;
use proptest::sample::Index;
use units::{FrameNumber, FrameRange, NodeId, PhysAddr};

/// The last runs of a machine's memory begin here: 1 TiB.
const HIGH: u64 = 1 << 28;

#[derive(Clone, Debug)]
struct Plan {
    spans: Vec<NodeFrames>,
    fallback: Vec<Vec<NodeId>>,
    taken_at_boot: Vec<(Index, u64)>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        request: Request,
    },
    /// By a policy, for one of the threads, on a CPU of this node.
    AllocateBy {
        policy: policies::Plan,
        count: u64,
        thread: usize,
        cpu_node: NodeId,
        times: u8,
    },
    /// On this CPU, through its cache, as all frees are.
    Free {
        which: Index,
        cpu: Index,
    },
    /// So many grants of single frames.
    FreeSingles {
        first: Index,
        cpu: Index,
        times: u16,
    },
    /// Another count than was granted, or another first frame.
    FreeOther {
        which: Index,
        ahead: u64,
        back: u64,
        count: u64,
    },
    FreeAnywhere {
        frame: u64,
        count: u64,
    },
    Add {
        start: u64,
        len: u64,
    },
    /// A new span, of which so many frames at both ends are withheld, behind what is known or anywhere.
    AddMemory {
        node: NodeId,
        start: u64,
        len: u64,
        withheld: (u64, u64),
        behind: bool,
    },
    Remove {
        start: u64,
        len: u64,
    },
    /// Part of a run of free frames, or all of it.
    RemoveFree {
        which: Index,
        skip: u64,
        len: u64,
    },
    /// What one of the steps before has removed.
    AddBack {
        which: Index,
    },
    /// So many single frames, from one CPU's cache.
    AllocateCached {
        cpu: Index,
        times: u16,
    },
    Drain {
        cpu: Index,
    },
}

/// How many single frames a CPU takes or gives back in a row: seldom more than its cache has room for.
fn singles() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1..400u16, 1 => 500..1200u16]
}

fn plans() -> impl Strategy<Value = Plan> {
    (2..=8usize).prop_flat_map(|nodes| {
        let order = Just((0..nodes).map(node).collect::<Vec<_>>()).prop_shuffle();
        let order = (order, 1..=nodes).prop_map(|(mut order, len)| {
            order.truncate(len);
            order
        });
        (
            spans(nodes),
            prop::collection::vec(order, nodes),
            prop::collection::vec((any::<Index>(), 1..900u64), 0..6),
            prop::collection::vec(step(nodes), 0..150),
        )
            .prop_map(|(spans, fallback, taken_at_boot, steps)| Plan {
                spans,
                fallback,
                taken_at_boot,
                steps,
            })
    })
}

/// Runs with odd borders: some touch, some leave holes, the last ones begin far above the others.
fn spans(nodes: usize) -> impl Strategy<Value = Vec<NodeFrames>> {
    let len = prop_oneof![1..40u64, 1..3000u64, (1..6u64).prop_map(|blocks| blocks * 512)];
    let gap = prop_oneof![Just(0), Just(0), 1..700u64];
    let runs = prop::collection::vec((0..nodes, gap, len), 1..10);
    (runs, any::<Index>()).prop_map(|(runs, first_high)| {
        let first_high = first_high.index(runs.len() + 1);
        let mut end = 0;
        let place = |(index, (node, gap, len)): (usize, (usize, u64, u64))| {
            let start = if index == first_high { HIGH + gap } else { end + gap };
            end = start + len;
            span(node, start, end)
        };
        runs.into_iter().enumerate().map(place).collect()
    })
}

fn step(nodes: usize) -> impl Strategy<Value = Step> {
    let frame = || prop_oneof![0..9000u64, HIGH..HIGH + 5000, any::<u64>()];
    prop_oneof![
        5 => request(nodes).prop_map(|request| Step::Allocate { request }),
        3 => by_policy(nodes),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(which, cpu)| Step::Free { which, cpu }),
        2 => (any::<Index>(), any::<Index>(), singles())
            .prop_map(|(first, cpu, times)| Step::FreeSingles { first, cpu, times }),
        3 => (any::<Index>(), singles()).prop_map(|(cpu, times)| Step::AllocateCached { cpu, times }),
        1 => any::<Index>().prop_map(|cpu| Step::Drain { cpu }),
        1 => (any::<Index>(), 0..3u64, 0..3u64, 0..1100u64)
            .prop_map(|(which, ahead, back, count)| Step::FreeOther { which, ahead, back, count }),
        1 => (frame(), prop_oneof![0..5u64, any::<u64>()])
            .prop_map(|(frame, count)| Step::FreeAnywhere { frame, count }),
        1 => (prop_oneof![0..9000u64, HIGH..HIGH + 5000], 0..1500u64).prop_map(|(start, len)| Step::Add { start, len }),
        1 => (
            (0..nodes).prop_map(node),
            prop_oneof![0..9000u64, HIGH..HIGH + 5000],
            prop_oneof![0..40u64, 1..3000u64, (1..6u64).prop_map(|blocks| blocks * 512)],
            prop_oneof![Just((0, 0)), (0..300u64, 0..300u64)],
            any::<bool>(),
        )
            .prop_map(|(node, start, len, withheld, behind)| Step::AddMemory { node, start, len, withheld, behind }),
        1 => (prop_oneof![0..9000u64, HIGH..HIGH + 5000], 0..1500u64)
            .prop_map(|(start, len)| Step::Remove { start, len }),
        1 => (any::<Index>(), prop_oneof![Just(0), 0..600u64], prop_oneof![Just(u64::MAX), 1..1500u64])
            .prop_map(|(which, skip, len)| Step::RemoveFree { which, skip, len }),
        1 => any::<Index>().prop_map(|which| Step::AddBack { which }),
    ]
}

fn request(nodes: usize) -> impl Strategy<Value = Request> {
    let count = prop_oneof![
        (0..12u32).prop_map(|order| 1 << order),
        1..20u64,
        1..3000u64,
        prop_oneof![Just(0), Just(1 << 19), any::<u64>()],
    ];
    let alignment = prop_oneof![4 => Just(1), 2 => (0..13u32).prop_map(|order| 1 << order), 1 => 0..70u64];
    let highest =
        prop_oneof![3 => Just(None), 1 => (0..9000u64 * 4096).prop_map(|last| Some(PhysAddr(last)))];
    let node_id = || (0..nodes).prop_map(node);
    let choice = (node_id(), any::<bool>(), policies::sets(nodes), any::<bool>(), node_id());
    (count, alignment, highest, choice).prop_map(
        |(count, alignment, highest, (preferred, strict, nodes, interleaved, cpu_node))| Request {
            count,
            alignment,
            highest,
            preferred,
            strict,
            nodes,
            interleaved,
            cpu_node,
        },
    )
}

fn by_policy(nodes: usize) -> impl Strategy<Value = Step> {
    let count = prop_oneof![3 => Just(1), 1 => 1..20u64, 1 => 1..3000u64];
    let of_what = (policies::policies(nodes), count);
    (of_what, 0..THREADS, (0..nodes).prop_map(node), 1..40u8).prop_map(
        |((policy, count), thread, cpu_node, times)| Step::AllocateBy {
            policy,
            count,
            thread,
            cpu_node,
            times,
        },
    )
}

/// Threads that each interleave by themselves.
const THREADS: usize = 2;

/// Both allocators, which must agree.
struct Pair<'p> {
    pages: &'p PageAllocator<'p>,
    model: Model,
    fallback: &'p [Vec<NodeId>],
    /// Two for each node.
    caches: Vec<CpuCache<'p>>,
    /// Ranges that were removed; some may have been added again since.
    removed: Vec<FrameRange>,
    /// For each thread, where its interleaving stands.
    turns: [(Cursor, Turns); THREADS],
    /// Whether this step is looked at closely. Not each is, for looking makes the allocator put its memory in order.
    look: bool,
}

impl Pair<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Allocate { request } => self.allocate(request, &Wish::of(request, self.fallback)),
            &Step::AllocateBy { ref policy, count, thread, cpu_node, times } => {
                for _ in 0..times {
                    let (cursor, turns) = &mut self.turns[thread];
                    let wish = policy.wish(cpu_node, turns, self.fallback);
                    let request = policy.with(|policy| policy.request(count, cpu_node, cursor));
                    self.allocate(&request, &wish);
                }
            }
            Step::Free { which, cpu } => {
                if let Some((start, count)) = self.some_grant(which) {
                    self.free_on(cpu.index(self.caches.len()), start, count);
                }
            }
            Step::FreeSingles { first, cpu, times } => self.free_singles(first, cpu, *times),
            Step::AllocateCached { cpu, times } => {
                (0..*times).for_each(|_| self.allocate_cached(cpu.index(self.caches.len())));
            }
            Step::Drain { cpu } => {
                let cache = cpu.index(self.caches.len());
                self.pages.drain(&mut self.caches[cache]);
                assert!(self.caches[cache].is_empty());
            }
            &Step::FreeOther { ref which, ahead, back, count } => {
                if let Some((start, granted)) = self.some_grant(which) {
                    self.free((start + ahead).saturating_sub(back), count);
                    self.free(start + ahead, granted + back - ahead.min(granted + back));
                }
            }
            &Step::FreeAnywhere { frame, count } => self.free(frame, count),
            &Step::Add { start, len } => self.add_free(FrameRange::new(start, start + len)),
            &Step::AddMemory { node, start, len, withheld, behind } => {
                let next = self.model.borders().into_iter().max().unwrap_or_default();
                let start = if behind { next + start % 700 * (start % 3) } else { start };
                let free = FrameRange::new(start + withheld.0, start + len.saturating_sub(withheld.1));
                self.add_memory(NodeFrames { node, frames: FrameRange::new(start, start + len) }, free);
            }
            &Step::Remove { start, len } => self.remove_free(FrameRange::new(start, start + len)),
            &Step::RemoveFree { ref which, skip, len } => {
                let runs = self.model.free_runs();
                if let Some(run) = runs.get(which.index(runs.len().max(1))) {
                    let start = (run.start + skip).min(run.end - 1);
                    self.remove_free(FrameRange::new(start, start.saturating_add(len).min(run.end)));
                }
            }
            Step::AddBack { which } => {
                if !self.removed.is_empty() {
                    let range = self.removed.swap_remove(which.index(self.removed.len()));
                    self.add_free(range);
                }
            }
        }
        if self.look {
            self.compare_counts();
        }
    }

    fn some_grant(&self, which: &Index) -> Option<(u64, u64)> {
        let grants = &self.model.grants;
        let (&start, &count) = grants.iter().nth(which.index(grants.len().max(1)))?;
        Some((start, count))
    }

    fn allocate(&mut self, request: &Request, wish: &Wish) {
        let order = &wish.order;
        let (pages, caches) = (self.pages, &mut self.caches);
        let give_back = |node, cached| {
            let mut of_node: Vec<_> =
                caches.iter_mut().filter(|cache| cache.node().unwrap() == node).collect();
            assert_eq!(of_node.iter().map(|cache| cache.len() as u64).sum::<u64>(), cached);
            of_node.iter_mut().for_each(|cache| pages.drain(cache));
            true
        };
        match pages.allocate_or(request, give_back) {
            Ok(grant) => {
                let nearer = order.iter().take_while(|&&node| node != grant.node);
                assert!(order.contains(&grant.node), "{grant:?} is from a node that {request:?} forbids");
                for &node in nearer {
                    assert!(!self.model.fits(node, request), "{request:?} fits on {node}, got {grant:?}");
                }
                assert_eq!(grant.count, request.count);
                assert_eq!(grant.fell_back, Some(grant.node) != wish.wanted);
                self.model.grant(request, wish, grant.frame.0, grant.node);
            }
            Err(AllocateError::NoFrames) => assert_eq!(request.count, 0),
            Err(AllocateError::BadAlignment(alignment)) => {
                assert!(alignment == request.alignment && !alignment.is_power_of_two());
            }
            Err(error) => {
                assert_eq!(
                    error,
                    AllocateError::NoFit { preferred: request.preferred, count: request.count }
                );
                for &node in order {
                    let small = request.count < HIGH && self.model.fits(node, request);
                    assert!(!small, "{request:?} fits on {node} and was refused");
                }
            }
        }
    }

    /// A frame of the CPU's node, if one is free that no other CPU has in its cache.
    fn allocate_cached(&mut self, cpu: usize) {
        let node = self.caches[cpu].node().unwrap();
        match self.pages.allocate_cached(&mut self.caches[cpu]) {
            Some(frame) => {
                let wish = Wish::new(node, vec![node]);
                self.model.grant(&Request::new(1, node), &wish, frame.0, node);
            }
            None => {
                let stats = self.pages.node_stats(node).unwrap();
                assert!(self.caches[cpu].is_empty() && stats.free == stats.cached);
            }
        }
    }

    fn free_singles(&mut self, first: &Index, cpu: &Index, times: u16) {
        let grants = &self.model.grants;
        let first = first.index(grants.len().max(1));
        let singles = grants.iter().skip(first).filter(|(_, count)| **count == 1);
        let singles: Vec<u64> = singles.map(|(start, _)| *start).take(times.into()).collect();
        let cpu = cpu.index(self.caches.len());
        for start in singles {
            self.free_on(cpu, start, 1);
            // The other CPU of the node knows that it is free, too.
            self.free_on(cpu ^ 1, start, 1);
        }
    }

    fn free(&mut self, start: u64, count: u64) {
        self.free_on(start as usize % self.caches.len(), start, count);
    }

    /// Frees with both, and compares the errors. A refusal changes no free chunk.
    fn free_on(&mut self, cpu: usize, start: u64, count: u64) {
        let before = self.look.then(|| self.free_by_order());
        let result = self.pages.free_cached(&mut self.caches[cpu], FrameNumber(start), count);
        assert_eq!(result, self.model.free(start, count));
        assert!(result.is_ok() || before.is_none_or(|before| self.free_by_order() == before));
        if result.is_err() {
            assert_eq!(self.pages.free(FrameNumber(start), count), result);
            assert_eq!(self.model.free(start, count), result);
        }
    }

    fn add_free(&mut self, range: FrameRange) {
        assert_eq!(self.pages.add_free(range), self.model.add_free(range));
    }

    fn add_memory(&mut self, memory: NodeFrames, free: FrameRange) {
        let (pages, expected) = (self.pages, self.model.add_memory(memory, free));
        match pages.growth_layout(memory) {
            Ok(layout) => assert_eq!(pages.add_memory(memory, free, machine::leak(layout)), expected),
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    /// A frame in a cache stands in the way, until it is drained; it and those before it are free for all that.
    fn remove_free(&mut self, range: FrameRange) {
        let mut removed = self.pages.remove_free(range);
        if let Err(RemoveError::Cached(frame)) = removed {
            assert!(self.model.all_free(range.start.0.max(1)..frame.0 + 1));
            self.caches.iter_mut().for_each(|cache| self.pages.drain(cache));
            removed = self.pages.remove_free(range);
        }
        assert_eq!(removed, self.model.remove_free(range));
        if removed.is_ok_and(|count| count > 0) {
            self.removed.push(range);
        }
    }

    fn free_by_order(&self) -> Vec<[u64; page_alloc::ORDERS]> {
        (0..self.fallback.len()).map(|index| self.pages.free_by_order(node(index)).unwrap()).collect()
    }

    /// The model's chunks are the largest there can be: equal ones mean that all that could merge has.
    fn compare_chunks(&mut self) {
        self.caches.iter_mut().for_each(|cache| self.pages.drain(cache));
        for index in 0..self.fallback.len() {
            let by_order = self.model.free_by_order(node(index));
            assert_eq!(self.pages.free_by_order(node(index)), Some(by_order));
            let largest =
                (0..).zip(&by_order).filter(|(_, frames)| **frames > 0).map(|(order, _)| order).last();
            assert_eq!(self.pages.node_stats(node(index)).unwrap().largest_free_order, largest);
        }
    }

    fn compare_counts(&self) {
        for index in 0..self.fallback.len() {
            let stats = self.pages.node_stats(node(index)).unwrap();
            let of_node = self.caches.iter().filter(|cache| cache.node().unwrap() == node(index));
            let cached = of_node.map(|cache| cache.len() as u64).sum();
            assert_eq!(stats.cached, cached);
            assert_eq!(self.pages.free_by_order(node(index)).unwrap().iter().sum::<u64>(), stats.free);
            assert_eq!(NodeStats { largest_free_order: None, cached: 0, ..stats }, self.model.stats[index]);
        }
        assert_eq!(self.pages.refused_outside(), self.model.refused_outside);
        let sum = |count: fn(&NodeStats) -> u64| self.model.stats.iter().map(count).sum::<u64>();
        assert_eq!(sum(|stats| stats.miss), sum(|stats| stats.foreign));
        assert_eq!(sum(|stats| stats.hit + stats.miss), sum(|stats| stats.local + stats.other));
    }

    /// Adds all but what was taken at boot.
    fn boot(&mut self, spans: &[NodeFrames], taken: &[(Index, u64)]) {
        for span in spans {
            let mut start = span.frames.start.0;
            let mut taken: Vec<(u64, u64)> = taken
                .iter()
                .map(|(at, len)| (start + at.index(span.frames.len_frames() as usize) as u64, *len))
                .collect();
            taken.sort_unstable();
            for (at, len) in taken {
                self.add_free(FrameRange::new(start, at.max(start)));
                start = start.max(at + len).min(span.frames.end.0);
            }
            self.add_free(FrameRange::new(start, span.frames.end.0));
        }
        self.compare_chunks();
    }
}

proptest! {
    #[test]
    fn every_outcome_is_what_the_model_allows_and_all_comes_together_again(plan in plans()) {
        let mut machine = Machine::with_nodes(plan.spans.clone(), plan.fallback.clone());
        let cpus: Vec<NodeId> = (0..2 * plan.fallback.len()).map(|cpu| node(cpu / 2)).collect();
        let (pages, caches) = machine.pages_and_caches(&cpus);
        let model = Model::new(&plan.spans, plan.fallback.len());
        let turns = [(Cursor::START, Turns::default()), (Cursor::START, Turns::default())];
        let removed = Vec::new();
        let mut pair = Pair { pages: &pages, model, fallback: &plan.fallback, caches, removed, turns, look: true };
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
