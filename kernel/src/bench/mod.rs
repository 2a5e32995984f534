//! Benchmarks, run by the parameter `bench`: each a `bench` event and a line. Ticks are instructions when the emulator counts
//! those, and then the same in every run.
mod threads;

use crate::arch;
use crate::event_stream;
use crate::memory::heap;
use crate::memory::page_allocator::{self, Zeroed};
use crate::memory::stack::Stack;
use crate::phases;
use crate::platform::numa_topology;
use crate::threading::per_cpu;
use core::alloc::Layout;
use events::Event;
use page_alloc::Request;
use units::{FrameNumber, NodeId};

/// Pairs of each benchmark, after as many to warm up.
const PAIRS: u64 = 1000;
/// Pages in a row.
const BATCH: usize = 8192;

/// Runs all benchmarks.
pub fn run() {
    boot();
    let local = per_cpu::current().preferred_node;
    for (name, order) in [("page.pair.order0.local", 0), ("page.pair.order3", 3), ("page.pair.order9", 9)] {
        pairs(name, Request::new(1 << order, local), Zeroed::No);
    }
    if let Some(&remote) = numa_topology::get().fallback(local).get(1) {
        let request = Request { cpu_node: local, ..Request::new(1, remote) };
        pairs("page.pair.order0.remote", request, Zeroed::No);
    }
    pairs("page.pair.order0.zeroed", Request::new(1, local), Zeroed::Yes);
    batch(local);
    heap_pair(local);
    stacks(local);
    threads::run();
}

/// What boot took, from the kernel's first instructions until it was complete: all of the work, each phase of it, and what was
/// waited because hardware asks for it.
fn boot() {
    let phases = phases::all();
    report("boot.kernel", phases.iter().map(|(_, ticks)| ticks).sum(), 1);
    for (name, ticks) in phases {
        report(&alloc::format!("boot.kernel.{}", name.replace(' ', "_")), ticks, 1);
    }
    report("boot.waits", arch::waited_ticks(), 1);
}

/// A block of 64 bytes from a node's heap, and back.
fn heap_pair(node: NodeId) {
    let Ok(layout) = Layout::from_size_align(64, 8) else { return };
    let pair = || {
        if let Some(block) = heap::allocate(node, layout) {
            // SAFETY: it was allocated just now, with this layout.
            unsafe { heap::free(block, layout) };
        }
    };
    (0..PAIRS).for_each(|_| pair());
    let start = arch::ticks();
    (0..PAIRS).for_each(|_| pair());
    report("heap.pair.64", arch::ticks() - start, PAIRS);
}

fn pairs(name: &str, request: Request, zeroed: Zeroed) {
    let pair = || {
        if let Ok(grant) = page_allocator::allocate(&request, zeroed) {
            // What was just granted can be given back.
            let _ = page_allocator::free(grant.frame, grant.count);
        }
    };
    (0..PAIRS).for_each(|_| pair());
    let start = arch::ticks();
    (0..PAIRS).for_each(|_| pair());
    report(name, arch::ticks() - start, PAIRS);
}

fn batch(node: NodeId) {
    let request = Request::new(1, node);
    let mut frames = alloc::vec![FrameNumber(0); BATCH];
    let start = arch::ticks();
    for frame in &mut frames {
        *frame = page_allocator::allocate(&request, Zeroed::No).map_or(FrameNumber(0), |grant| grant.frame);
    }
    let allocated = arch::ticks();
    for frame in &frames {
        let _ = page_allocator::free(*frame, 1);
    }
    let freed = arch::ticks();
    report("page.batch8192.alloc", allocated - start, BATCH as u64);
    report("page.batch8192.free", freed - allocated, BATCH as u64);
}

/// A thread's stack made and freed; the other CPUs idle, so nobody is interrupted for it.
fn stacks(node: NodeId) {
    let pair = || {
        if let Some(stack) = Stack::allocate(node) {
            // SAFETY: nobody has run on it.
            unsafe { stack.free() };
        }
    };
    pair();
    let start = arch::ticks();
    (0..PAIRS).for_each(|_| pair());
    report("stack.pair", arch::ticks() - start, PAIRS);
}

fn report(name: &str, ticks: u64, ops: u64) {
    log::info!(target: "bench", "{name}: {} ticks each, {ops} times", ticks / ops);
    event_stream::send(&Event::Bench { name: name.into(), ticks, ops });
}
