//! Random machines under random use: each call's outcome is what the plain model allows.
mod machine;
mod model;

use machine::{Machine, node, span};
use model::Model;
use page_alloc::{AllocateError, NodeFrames, NodeStats, PageAllocator, Request};
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
    Free {
        which: Index,
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
        3 => any::<Index>().prop_map(|which| Step::Free { which }),
        1 => (any::<Index>(), 0..3u64, 0..3u64, 0..1100u64)
            .prop_map(|(which, ahead, back, count)| Step::FreeOther { which, ahead, back, count }),
        1 => (frame(), prop_oneof![0..5u64, any::<u64>()])
            .prop_map(|(frame, count)| Step::FreeAnywhere { frame, count }),
        1 => (prop_oneof![0..9000u64, HIGH..HIGH + 5000], 0..1500u64).prop_map(|(start, len)| Step::Add { start, len }),
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
    (count, alignment, highest, node_id(), any::<bool>(), node_id()).prop_map(
        |(count, alignment, highest, preferred, strict, cpu_node)| Request {
            count,
            alignment,
            highest,
            preferred,
            strict,
            cpu_node,
        },
    )
}

/// Both allocators, which must agree.
struct Pair<'p> {
    pages: &'p PageAllocator<'p>,
    model: Model,
    fallback: &'p [Vec<NodeId>],
}

impl Pair<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Allocate { request } => self.allocate(request),
            Step::Free { which } => {
                if let Some((start, count)) = self.some_grant(which) {
                    self.free(start, count);
                }
            }
            &Step::FreeOther { ref which, ahead, back, count } => {
                if let Some((start, granted)) = self.some_grant(which) {
                    self.free((start + ahead).saturating_sub(back), count);
                    self.free(start + ahead, granted + back - ahead.min(granted + back));
                }
            }
            &Step::FreeAnywhere { frame, count } => self.free(frame, count),
            &Step::Add { start, len } => self.add_free(FrameRange::new(start, start + len)),
        }
        self.compare_counts();
    }

    fn some_grant(&self, which: &Index) -> Option<(u64, u64)> {
        let grants = &self.model.grants;
        let (&start, &count) = grants.iter().nth(which.index(grants.len().max(1)))?;
        Some((start, count))
    }

    fn allocate(&mut self, request: &Request) {
        let strict = [request.preferred];
        let order = if request.strict { &strict[..] } else { &self.fallback[request.preferred.index()][..] };
        match self.pages.allocate(request) {
            Ok(grant) => {
                let nearer = order.iter().take_while(|&&node| node != grant.node);
                assert!(order.contains(&grant.node), "{grant:?} is from a node that {request:?} forbids");
                for &node in nearer {
                    assert!(!self.model.fits(node, request), "{request:?} fits on {node}, got {grant:?}");
                }
                assert_eq!(grant.count, request.count);
                assert_eq!(grant.fell_back, grant.node != request.preferred);
                self.model.grant(request, grant.frame.0, grant.node);
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

    /// Frees with both, and compares the errors. A refusal changes no free chunk.
    fn free(&mut self, start: u64, count: u64) {
        let before = self.free_by_order();
        let result = self.pages.free(FrameNumber(start), count);
        assert_eq!(result, self.model.free(start, count));
        assert!(result.is_ok() || self.free_by_order() == before);
    }

    fn add_free(&mut self, range: FrameRange) {
        assert_eq!(self.pages.add_free(range), self.model.add_free(range));
    }

    fn free_by_order(&self) -> Vec<[u64; page_alloc::ORDERS]> {
        (0..self.fallback.len()).map(|index| self.pages.free_by_order(node(index)).unwrap()).collect()
    }

    /// The model's chunks are the largest there can be: equal ones mean that all that could merge has.
    fn compare_chunks(&self) {
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
            assert_eq!(NodeStats { largest_free_order: None, ..stats }, self.model.stats[index]);
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
        let pages = machine.pages();
        let mut pair = Pair { pages: &pages, model: Model::new(&plan.spans, plan.fallback.len()), fallback: &plan.fallback };
        pair.boot(&plan.spans, &plan.taken_at_boot);
        for (number, step) in plan.steps.iter().enumerate() {
            pair.step(step);
            if number.is_multiple_of(8) {
                pair.compare_chunks();
            }
        }
        for frame in plan.spans.iter().flat_map(|s| [s.frames.start.0, s.frames.end.0, s.frames.end.0 - 1]) {
            prop_assert_eq!(pages.node_of(FrameNumber(frame)), pair.model.node_of(frame));
        }
        while let Some((&start, &count)) = pair.model.grants.first_key_value() {
            pair.free(start, count);
        }
        pair.compare_counts();
        pair.compare_chunks();
    }
}
