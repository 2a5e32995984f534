//! Tests that CPUs have their own memory on their node, and can all use the page allocator at once.
use super::on_each_cpu;
use super::pages::state;
use super::{Outcome, ensure};
use crate::arch;
use crate::cpu;
use crate::cpu::Cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::memory::frames;
use crate::memory::page_tables;
use crate::platform::numa_topology;
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FrameNumber, MAX_NODES, NodeId, VirtAddr};

/// Checks in the page tables that each CPU's area and first stack are on its node, or on the nearest node with memory if its own
/// has none.
pub fn have_their_memory_on_their_node() -> Outcome {
    for cpu in cpu::online() {
        let expected = numa_topology::get().fallback(cpu.node).first().copied();
        let area = node_at(core::ptr::from_ref(cpu).addr());
        ensure!(area == expected, "CPU {}'s area is on {area:?}, not on {expected:?}", cpu.id);
        let stack = node_at(cpu.stack_seen());
        ensure!(stack == expected, "CPU {}'s stack is on {stack:?}, not on {expected:?}", cpu.id);
    }
    Ok(())
}

fn node_at(address: usize) -> Option<NodeId> {
    frames::node_of(FrameNumber::containing(page_tables::translate(VirtAddr(address as u64))?))
}

/// How often each CPU allocates and frees.
const ROUNDS: u64 = 200;
/// Grants that a CPU holds at a time.
const HELD: usize = 16;

/// Grants of any CPU from a node other than its own.
static FOREIGN: AtomicU64 = AtomicU64::new(0);
/// Grants of any CPU that another CPU wrote to, or that could not be freed.
static SHARED: AtomicU64 = AtomicU64::new(0);

/// Checks that all CPUs at once can allocate pages, mark them, find their marks unchanged, and free them, and that each node is then
/// in its former state.
pub fn allocate_and_free_at_once() -> Outcome {
    let nodes = numa_topology::get().nodes();
    let before: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id)).collect();
    FOREIGN.store(0, Ordering::Relaxed);
    SHARED.store(0, Ordering::Relaxed);
    on_each_cpu::run_on_each_cpu(allocate_mark_and_free);
    let (foreign, shared) = (FOREIGN.load(Ordering::Relaxed), SHARED.load(Ordering::Relaxed));
    ensure!(foreign == 0, "{foreign} pages came from a node other than the CPU's own");
    ensure!(shared == 0, "{shared} pages were held by two CPUs at once");
    for (node, was) in nodes.iter().zip(before) {
        let is = state(node.id);
        ensure!(is == was, "node {} had (free pages, largest order) {was:?}, and now has {is:?}", node.id);
    }
    Ok(())
}

fn allocate_mark_and_free(cpu: &Cpu) {
    let home = numa_topology::get().fallback(cpu.node).first().copied();
    for round in 0..ROUNDS {
        let mut held = ArrayVec::<_, HELD>::new();
        for _ in 0..HELD {
            let request = ThreadRequest { zeroed: Zeroed::No, ..ThreadRequest::new(1 + round % 4) };
            let Ok(grant) = allocate::allocate_for_thread(request) else { break };
            FOREIGN.fetch_add(u64::from(Some(grant.node) != home), Ordering::Relaxed);
            let mark = u64::from(cpu.id.0) << 32 | round;
            // SAFETY: the call above has granted the frames, so nothing else uses them. They are RAM, which `physical_memory` maps.
            unsafe { arch::physical_memory(grant.frame.address()).cast::<u64>().write_volatile(mark) };
            held.push((grant, mark));
        }
        for (grant, mark) in held {
            // SAFETY: the frames are granted until the next line frees them.
            let found = unsafe { arch::physical_memory(grant.frame.address()).cast::<u64>().read_volatile() };
            let freed = allocate::free(grant.frame, grant.count);
            SHARED.fetch_add(u64::from(found != mark || freed.is_err()), Ordering::Relaxed);
        }
    }
}
