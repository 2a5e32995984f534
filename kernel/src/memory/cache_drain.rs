//! Draining page caches: when a node runs out of free pages, the allocator asks the CPUs that cache pages of the node to return
//! them. The protocol is that of `cpu-requests`; this file adds the interrupts, the caches and the clock.
//!
//! The request interrupts a CPU, which drains its cache at the end of the interrupt or, if preemption is off, once it is on again.
//! At that point the CPU neither uses its cache nor holds a lock of the page allocator. A CPU that waits for another CPU also
//! answers requests, so two CPUs that ask each other both get their answer.
//!
//! - A CPU whose cache is empty is not asked. A CPU that halts has an empty cache, so a second request for an exhausted node
//!   interrupts no CPU.
//! - A CPU that asks waits for [`PATIENCE_MS`] at most.
use crate::arch::{self, InterruptsOff, vectors};
use crate::cpu::{self, Cpu, DeferredWork, PreemptionOff};
use crate::memory::cpu_memory::{self, CpuMemory};
use cpu_requests::Patience;
use units::NodeId;

/// How long the allocator waits for answers. An answer takes far less time, but the machine may be an emulator's.
const PATIENCE_MS: u64 = 1000;

/// Asks all other CPUs that cache pages of `node` for these pages, and waits until the CPUs have returned them.
///
/// Preemption is off, and the caller does not use its cache. It may hold locks.
pub fn drain_others(node: NodeId) {
    let this = cpu::current();
    let caches_of_node = || {
        let others = cpu_memory::all().filter(|(cpu, _)| cpu.id != this.id);
        others.filter_map(|(cpu, memory)| {
            Some((cpu, memory, memory.page_cache_view.filter(|cache| cache.node() == Some(node))?))
        })
    };
    for (cpu, memory, _) in caches_of_node().filter(|(_, _, cache)| !cache.is_empty()) {
        ask(cpu, memory);
    }
    let limit = PATIENCE_MS * arch::ticks_per_ms();
    for (_, memory, cache) in caches_of_node() {
        let patience = Patience { start: arch::ticks(), limit };
        memory.cache_drain.wait(patience, arch::ticks, || cache.is_empty(), pause);
    }
}

fn ask(cpu: &Cpu, memory: &CpuMemory) {
    if memory.cache_drain.ask(arch::ticks()) {
        arch::request_drain(cpu.apic);
    }
}

/// Answers other CPUs' requests. Interrupts may be off, and then no interrupt handler answers them.
fn pause() {
    cpu::serve_requests();
    core::hint::spin_loop();
}

/// Handles the interrupt by which another CPU asks.
fn interrupted(_: &InterruptsOff) {
    cpu::defer(cpu::current(), DeferredWork::Drain);
}

/// Registers the interrupt, and the work that it defers.
pub fn register() {
    cpu::interrupts::register(vectors::DRAIN, interrupted);
    cpu::register_deferred(DeferredWork::Drain, answer);
}

/// Drains this CPU's cache if another CPU has asked for that. The caller does not use the cache, and holds no lock that an interrupt
/// handler takes.
#[inline]
fn answer() {
    if cpu_memory::current().cache_drain.is_open() {
        drain();
    }
}

#[cold]
fn drain() {
    let _off = PreemptionOff::new();
    cpu_memory::current().cache_drain.answer(cpu_memory::drain_cache);
}
