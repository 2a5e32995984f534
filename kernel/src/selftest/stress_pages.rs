//! A thread on each CPU allocates and frees pages at random, of all orders up to 10 and by all policies: no page has two owners
//! at a time, none comes from a node that the policy forbids, and in the end all are free again. Run by the parameter
//! `stress-pages=COUNT`.
use super::pages::{give_back, state};
use super::{Outcome, ensure};
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::{cpu_memory, frames};
use crate::platform::numa_topology;
use crate::threads::thread::{Policy, Start};
use crate::threads::{lifecycle, scheduler};
use alloc::string::String;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use page_alloc::Grant;
use scheduling::CpuSet;
use spin::Once;
use units::{CpuId, FRAME_SIZE, MAX_NODES, NodeId, NodeSet};

/// Orders asked for: 0 to 10.
const ORDERS: u32 = 11;
/// Operations after which a CPU changes from taking more than it gives to the reverse.
const TIDE: u64 = 8192;
/// Grants that a CPU has at a time, at most.
const MOST_HELD: usize = TIDE as usize;
/// Operations of each CPU before pages are counted: what the threads themselves need is there from then on.
const FIRST_OPERATIONS: u64 = 64;

/// Who has each page, by its frame number: 0 for nobody, else a CPU's number and 1.
static OWNERS: Once<Vec<AtomicU32>> = Once::new();
/// Operations that each CPU is to do.
static OPERATIONS: AtomicU64 = AtomicU64::new(0);
/// Threads that have all that they need.
static READY: AtomicU64 = AtomicU64::new(0);
/// Operations that were done, and those of them that found no pages.
static DONE: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Does so many operations, and looks at what is left.
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
    let mut threads = Vec::new();
    for cpu in cpu::online() {
        let start = Start { entry: stress, argument: core::ptr::without_provenance_mut(cpu.id.index()) };
        let thread = lifecycle::create("stress", start, Some(cpu.node));
        threads.push(thread.map_err(|error| alloc::format!("no thread for CPU {}: {error:?}", cpu.id))?);
    }
    let mut failed = 0;
    for thread in threads {
        let code = lifecycle::join(thread).map_err(|error| alloc::format!("a thread was lost: {error:?}"))?;
        failed += u32::from(code != 0);
    }
    ensure!(failed == 0, "{failed} CPUs found something wrong");
    Ok(())
}

/// What the thread of one CPU does; 0 when all was well.
unsafe extern "C" fn stress(cpu: *mut c_void) -> i32 {
    let cpu = CpuId(cpu.addr() as u32);
    let this = crate::threads::cpu_threads::current_thread().id;
    let outcome = match lifecycle::set_affinity(this, &CpuSet::from_iter([cpu])) {
        Ok(()) => Stress::new(cpu).run(OPERATIONS.load(Relaxed)),
        // The others wait for each, so this one counts itself, too.
        Err(_) => {
            READY.fetch_add(1, Relaxed);
            Err(String::from("the thread could not be moved there"))
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(what) => {
            log::error!(target: "selftest", "CPU {cpu}: {what}");
            1
        }
    }
}

/// One CPU's part.
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

    /// Xorshift: any sequence will do, as long as CPUs differ.
    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % sides
    }

    fn run(mut self, operations: u64) -> Outcome {
        // All at once, so that the first round takes as much for stacks and heaps as any other.
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
        // Each order half as often as the one before it.
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
        give_back(grant.frame, grant.count)
    }

    /// Some policy, and the nodes that pages may come from by it.
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

    /// Notes for each of the grant's pages that it has passed from one to the other.
    fn pass(&self, grant: &Grant, from: u32, to: u32) -> Outcome {
        let owners = OWNERS.get().ok_or("nobody notes owners")?;
        let first = grant.frame.0 as usize;
        let pages = owners.get(first..first + grant.count as usize);
        for (owner, frame) in pages.ok_or("a page behind all memory")?.iter().zip(first..) {
            let before = owner.swap(to, Relaxed);
            ensure!(before == from, "page {frame:#x} of {grant:?} is {before}'s and not {from}'s");
        }
        Ok(())
    }
}
