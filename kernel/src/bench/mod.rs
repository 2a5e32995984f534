//! Benchmarks, run by the parameter `bench`. Each one sends a `bench` event and logs a line. If the emulator counts instructions,
//! a tick is one instruction, and every run has equal counts.
mod block;
mod devices;
mod heap;
mod interrupts;
mod memory;
mod threads;

use crate::arch;
use crate::cpu;
use crate::devices::{functions, scan_ticks};
use crate::memory::allocate;
use crate::memory::memory_context::MemoryContext;
use crate::memory::stack::Stack;
use crate::platform::{numa_topology, pci_tables};
use crate::report::event_stream;
use crate::report::phases;
use events::Event;
use page_alloc::PageOwner;
use units::{FrameNumber, NodeId};

/// The number of pairs in each benchmark, after as many to warm up.
const PAIRS: u64 = 1000;
/// The number of pages in a row.
const BATCH: usize = 8192;

/// Runs all benchmarks.
pub fn run() {
    boot();
    let local = cpu::current().node;
    single_pairs("page.pair.order0.local", allocate::allocate_page);
    for (name, order) in [("page.pair.order3", 3), ("page.pair.order9", 9)] {
        pairs(name, 1 << order);
    }
    if let Some(&remote) = numa_topology::get().fallback(local).get(1) {
        let before = MemoryContext::current().set_preferred_node(Some(remote));
        single_pairs("page.pair.order0.remote", allocate::allocate_page);
        MemoryContext::current().set_preferred_node(before);
    }
    single_pairs("page.pair.order0.zeroed", allocate::allocate_zeroed_page);
    batch();
    memory::exhausted(local);
    memory::setup();
    heap::run(local);
    devices::run();
    stacks(local);
    block::run();
    threads::run();
}

/// Reports what boot took, from the kernel's first instruction until boot was complete: all of the work, each phase of it, and the
/// waits that the hardware requires.
fn boot() {
    let phases = phases::all();
    report("boot.kernel", phases.iter().map(|(_, ticks)| ticks).sum(), 1);
    for (name, ticks) in phases {
        report(&alloc::format!("boot.kernel.{}", name.replace(' ', "_")), ticks, 1);
    }
    report("boot.waits", arch::waited_ticks(), 1);
    if let Some(ticks) = pci_tables::aml_ticks() {
        report("boot.aml", ticks, 1);
    }
    if !functions().is_empty() {
        report("pci.scan", scan_ticks(), 1);
    }
}

/// Measures allocating and freeing a page by the thread's policy, as drivers do.
fn single_pairs(name: &str, allocate: impl Fn() -> Option<FrameNumber>) {
    measure(name, || {
        if let Some(frame) = allocate() {
            allocate::free_page(frame);
        }
    });
}

/// Measures allocating and freeing contiguous pages by the thread's policy.
fn pairs(name: &str, count: u64) {
    measure(name, || {
        if let Some(frame) = allocate::allocate_pages(count) {
            allocate::free_pages(frame, count, PageOwner::NOBODY);
        }
    });
}

fn measure(name: &str, pair: impl Fn()) {
    (0..PAIRS).for_each(|_| pair());
    let start = arch::ticks();
    (0..PAIRS).for_each(|_| pair());
    report(name, arch::ticks() - start, PAIRS);
}

fn batch() {
    let mut frames = alloc::vec![FrameNumber(0); BATCH];
    let start = arch::ticks();
    for frame in &mut frames {
        *frame = allocate::allocate_page().unwrap_or(FrameNumber(0));
    }
    let allocated = arch::ticks();
    for frame in &frames {
        allocate::free_page(*frame);
    }
    let freed = arch::ticks();
    report("page.batch8192.alloc", allocated - start, BATCH as u64);
    report("page.batch8192.free", freed - allocated, BATCH as u64);
}

/// Measures allocating and freeing a thread's stack. The other CPUs idle, so none of them is interrupted.
fn stacks(node: NodeId) {
    let pair = || {
        if let Some(stack) = Stack::allocate(node) {
            // SAFETY: the line above has allocated the stack, and no thread has run on it.
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
