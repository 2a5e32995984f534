//! Random machines, and what random users do with them.
use page_alloc::{NodeFrames, PageOwner, Request};
use proptest::prelude::*;
use proptest::sample::Index;
use units::{NodeId, PhysAddr};

use super::policies;
use crate::machine::{node, span};

/// The last runs of a machine's memory start here: 1 TiB.
pub const HIGH: u64 = 1 << 28;

/// The number of threads, each with an interleaving of its own.
pub const THREADS: usize = 2;

/// A machine, and the steps of its users.
#[derive(Clone, Debug)]
pub struct Plan {
    pub spans: Vec<NodeFrames>,
    pub fallback: Vec<Vec<NodeId>>,
    pub taken_at_boot: Vec<(Index, u64)>,
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    Allocate {
        request: Request,
        cpu: Index,
    },
    /// Allocates by a policy, for one of the threads, on this CPU.
    AllocateBy {
        owner: PageOwner,
        policy: policies::Plan,
        count: u64,
        thread: usize,
        cpu: Index,
        times: u8,
    },
    /// Frees a grant on this CPU.
    Free {
        which: Index,
        cpu: Index,
    },
    /// Frees so many grants of single frames.
    FreeSingles {
        first: Index,
        cpu: Index,
        times: u16,
    },
    /// Frees another count than was granted, or another first frame.
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
    /// Adds a new span, so many frames of which are reserved at both ends, behind the known ones or anywhere.
    AddMemory {
        node: NodeId,
        start: u64,
        len: u64,
        withheld: (u64, u64),
        behind: bool,
    },
    Isolate {
        start: u64,
        len: u64,
    },
    /// Isolates a part of a run of free frames, or all of it.
    IsolateFree {
        which: Index,
        skip: u64,
        len: u64,
    },
    /// Adds a range again that an earlier step has isolated.
    AddBack {
        which: Index,
    },
    /// Takes so many single frames of the CPU's node.
    TakePages {
        owner: PageOwner,
        cpu: Index,
        times: u16,
    },
    Drain {
        cpu: Index,
    },
    /// Takes back all grants of an owner, or nothing if that is nobody.
    TakeBack {
        owner: PageOwner,
    },
}

/// Returns how many single frames a CPU takes or frees in a row: rarely more than its cache has room for.
fn singles() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1..400u16, 1 => 500..1200u16]
}

/// Returns nobody, or one of a few owners, the last one among them.
fn owner() -> impl Strategy<Value = PageOwner> {
    let numbers = prop_oneof![Just(0), Just(1), Just(2), Just(127)];
    numbers.prop_map(|number| PageOwner::new(number).unwrap())
}

/// Returns random plans.
pub fn plans() -> impl Strategy<Value = Plan> {
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

/// Returns runs with odd borders: some touch, some leave holes, and the last ones start far above the others.
fn spans(nodes: usize) -> impl Strategy<Value = Vec<NodeFrames>> {
    let len = prop_oneof![1..40u64, 1..3000u64, (1..6u64).prop_map(|blocks| blocks * 512)];
    let gap = prop_oneof![Just(0), Just(0), 1..700u64];
    let runs = prop::collection::vec((0..nodes, gap, len), 1..10);
    (runs, any::<Index>()).prop_map(|(runs, first_high)| {
        let first_high = first_high.index(runs.len() + 1);
        let mut end = 0;
        let run = |(index, (node, gap, len)): (usize, (usize, u64, u64))| {
            let start = if index == first_high { HIGH + gap } else { end + gap };
            end = start + len;
            span(node, start, end)
        };
        runs.into_iter().enumerate().map(run).collect()
    })
}

fn step(nodes: usize) -> impl Strategy<Value = Step> {
    let frame = || prop_oneof![0..9000u64, HIGH..HIGH + 5000, any::<u64>()];
    prop_oneof![
        5 => (request(nodes), any::<Index>()).prop_map(|(request, cpu)| Step::Allocate { request, cpu }),
        3 => by_policy(nodes),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(which, cpu)| Step::Free { which, cpu }),
        2 => (any::<Index>(), any::<Index>(), singles())
            .prop_map(|(first, cpu, times)| Step::FreeSingles { first, cpu, times }),
        3 => (owner(), any::<Index>(), singles())
            .prop_map(|(owner, cpu, times)| Step::TakePages { owner, cpu, times }),
        1 => owner().prop_map(|owner| Step::TakeBack { owner }),
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
            .prop_map(|(start, len)| Step::Isolate { start, len }),
        1 => (any::<Index>(), prop_oneof![Just(0), 0..600u64], prop_oneof![Just(u64::MAX), 1..1500u64])
            .prop_map(|(which, skip, len)| Step::IsolateFree { which, skip, len }),
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
    let preferred = prop::option::of((0..nodes).prop_map(node));
    let choice = (preferred, any::<bool>(), policies::sets(nodes), any::<bool>(), owner());
    (count, alignment, highest, choice).prop_map(
        |(count, alignment, highest, (preferred, strict, nodes, interleaved, owner))| Request {
            count,
            alignment,
            highest,
            preferred,
            strict,
            nodes,
            interleaved,
            owner,
        },
    )
}

fn by_policy(nodes: usize) -> impl Strategy<Value = Step> {
    let count = prop_oneof![3 => Just(1), 1 => 1..20u64, 1 => 1..3000u64];
    let of_what = (policies::policies(nodes), count);
    (owner(), of_what, 0..THREADS, any::<Index>(), 1..40u8).prop_map(
        |(owner, (policy, count), thread, cpu, times)| Step::AllocateBy {
            owner,
            policy,
            count,
            thread,
            cpu,
            times,
        },
    )
}
