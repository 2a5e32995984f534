//! A stress test, run by the parameter `stress-pages=COUNT`. A thread on each CPU allocates and frees pages at random, of all orders
//! up to 10 and by all policies. No page may have two owners at a time or come from a node that the policy forbids, and in the end
//! all pages are free again.
use super::pages::{free_grant, state};
use super::{Outcome, ensure, on_each_cpu};
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::{cpu_memory, frames};
use crate::platform::numa_topology;
use crate::threads::scheduler;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use page_alloc::Grant;
use page_alloc::Policy;
use spin::Once;
use units::{CpuId, FRAME_SIZE, MAX_NODES, NodeId, NodeSet};

/// The number of orders: 0 to 10.
const ORDERS: u32 = 11;
/// The number of operations after which a CPU changes from taking more than it frees to the reverse.
const TIDE: u64 = 8192;
/// The number of grants that a CPU holds at a time, at most.
const MOST_HELD: usize = TIDE as usize;
/// The number of operations of each CPU before pages are counted. By then, all memory that the threads themselves need is allocated.
const FIRST_OPERATIONS: u64 = 64;

/// The owner of each page, by its frame number: 0 for none, or else a CPU's number plus 1.
static OWNERS: Once<Vec<AtomicU32>> = Once::new();
/// The number of operations of each CPU.
static OPERATIONS: AtomicU64 = AtomicU64::new(0);
/// The number of threads that have all the memory they need.
static READY: AtomicU64 = AtomicU64::new(0);
/// The number of operations, and of those that found no pages.
static DONE: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Does so many operations, and checks the free pages.
pub fn loses_nothing(operations: u64) -> Outcome {
    let memory = numa_topology::get().ranges();
    let frames =
        memory.iter().map(|range| range.range.end.0.div_ceil(FRAME_SIZE)).max().unwrap_or(0) as usize;
    let mut owners = Vec::new();
    owners.try_reserve_exact(frames).map_err(|_| "no memory to note the owner of each page")?;
    owners.resize_with(frames, || AtomicU32::new(0));
    OWNERS.call_once(|| owners);
    let nodes = numa_topology::get().nodes();
    run_all(FIRST_OPERATIONS)?;
    let before: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
    let cpus = cpu::online().count() as u64;
    run_all(operations.div_ceil(cpus))?;
    let after: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
    ensure!(after == before, "free pages before {before:?}, after {after:?}");
    let (done, refused) = (DONE.load(Relaxed), REFUSED.load(Relaxed));
    log::info!(
        target: "selftest",
        "{cpus} CPUs did {done} operations on pages, {refused} of which found none; no page was lost or had two owners"
    );
    Ok(())
}

fn run_all(operations_each: u64) -> Outcome {
    OPERATIONS.store(operations_each, Relaxed);
    [&READY, &DONE, &REFUSED].iter().for_each(|counter| counter.store(0, Relaxed));
    on_each_cpu::test_on_each_cpu(stress)
}

/// Runs the test on one CPU. Returns 0 if nothing is wrong.
unsafe extern "C" fn stress(cpu: *mut c_void) -> i32 {
    on_each_cpu::test_on_cpu(cpu, |cpu, moved| {
        // The other threads wait for all, so one that could not be moved counts itself, too.
        moved.inspect_err(|_| _ = READY.fetch_add(1, Relaxed))?;
        Stress::new(cpu).run(OPERATIONS.load(Relaxed))
    })
}

/// The state of one CPU's test.
struct Stress {
    me: u32,
    random: u64,
    held: Vec<Grant>,
}

impl Stress {
    fn new(cpu: CpuId) -> Self {
        let random = 0x9e37_79b9_7f4a_7c15_u64.rotate_left(cpu.0 * 7 + 1);
        Self { me: cpu.0 + 1, random, held: Vec::with_capacity(MOST_HELD) }
    }

    /// Returns a number that looks random (xorshift). Any sequence will do, as long as CPUs differ.
    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % sides
    }

    fn run(mut self, operations: u64) -> Outcome {
        // All threads start together, so that the first round allocates as much for stacks and heaps as any other.
        READY.fetch_add(1, Relaxed);
        while READY.load(Relaxed) < cpu::online().count() as u64 {
            scheduler::yield_now();
        }
        for operation in 0..operations {
            let takes = if (operation / TIDE).is_multiple_of(2) { 5 } else { 3 };
            if self.held.len() < MOST_HELD && (self.held.is_empty() || self.roll(8) < takes) {
                self.allocate()?;
            } else {
                let which = self.roll(self.held.len() as u64) as usize;
                let grant = self.held.swap_remove(which);
                self.free(grant)?;
            }
        }
        DONE.fetch_add(operations, Relaxed);
        while let Some(grant) = self.held.pop() {
            self.free(grant)?;
        }
        cpu_memory::drain_cache();
        Ok(())
    }

    fn allocate(&mut self) -> Outcome {
        // Each order is half as frequent as the one before it.
        let order = (self.roll(1 << (ORDERS - 1)) | 1 << (ORDERS - 1)).trailing_zeros();
        let (policy, allowed) = self.policy();
        let request = ThreadRequest { zeroed: Zeroed::No, policy, ..ThreadRequest::new(1 << order) };
        let Ok(grant) = allocate::allocate_for_thread(request) else {
            REFUSED.fetch_add(1, Relaxed);
            return Ok(());
        };
        let Grant { frame, count, node, .. } = grant;
        ensure!(count == 1 << order && frame.0 % count == 0, "{grant:?} for order {order}");
        ensure!(allowed.contains(node), "{grant:?}, which {policy:?} forbids");
        ensure!(frames::node_of(frame) == Some(node), "{grant:?} is not of that node");
        self.pass(&grant, 0, self.me)?;
        self.held.push(grant);
        Ok(())
    }

    fn free(&mut self, grant: Grant) -> Outcome {
        self.pass(&grant, self.me, 0)?;
        free_grant(grant.frame, grant.count)
    }

    /// Returns a random policy, and the nodes that it allows.
    fn policy(&mut self) -> (Option<Policy<'static>>, NodeSet) {
        let nodes = numa_topology::get().node_count() as u64;
        let node = NodeId::new(self.roll(nodes) as usize).unwrap_or(NodeId::ZERO);
        match self.roll(8) {
            0..3 => (None, NodeSet::ALL),
            3 => (Some(Policy::Local), NodeSet::ALL),
            4 => (Some(Policy::Preferred(node)), NodeSet::ALL),
            5 => (Some(Policy::Strict(node)), NodeSet::from_iter([node])),
            6 => {
                let other = NodeId::new(self.roll(nodes) as usize).unwrap_or(node);
                let set = NodeSet::from_iter([node, other]);
                (Some(Policy::Set(set)), set)
            }
            _ => (Some(Policy::Interleave(frames::nodes_with_memory())), NodeSet::ALL),
        }
    }

    /// Changes the owner of each of the grant's pages.
    fn pass(&self, grant: &Grant, from: u32, to: u32) -> Outcome {
        let owners = OWNERS.get().ok_or("the owners are not set up")?;
        let first = grant.frame.0 as usize;
        let pages = owners.get(first..first + grant.count as usize);
        for (owner, frame) in pages.ok_or("a page above all memory")?.iter().zip(first..) {
            let before = owner.swap(to, Relaxed);
            ensure!(before == from, "page {frame:#x} of {grant:?} is {before}'s and not {from}'s");
        }
        Ok(())
    }
}
