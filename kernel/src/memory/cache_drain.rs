//! Draining page caches: when a node runs out of free pages, the allocator asks the CPUs that cache pages of the node to return
//! them. The protocol is that of `cpu-requests`; this file adds the interrupts, the caches and the clock.
//!
//! The request interrupts a CPU, which drains its cache at the end of the interrupt or, if preemption is off, once it is on again.
//! At that point the CPU neither uses its cache nor holds a lock of the page allocator. It returns some pages at a time, and lets
//! interrupts in between. A CPU that waits for another CPU also answers requests, so two CPUs that ask each other both get their
//! answer.
//!
//! - A CPU whose cache is empty is not asked. A CPU that halts has an empty cache, so a second request for an exhausted node
//!   interrupts no CPU.
//! - A CPU that asks waits for a second at most, with interrupts and preemption on ([`MayWait`]).
use super::cpu_memory;
use super::drain_wait;
use super::heap_drain;
use crate::arch::{InterruptsOff, vectors};
use crate::cpu::{self, DeferredWork, MayWait, PreemptionOff};
use units::NodeId;

/// Has the caches of a node's pages drained: the running CPU's, and the other CPUs' if `others` says that these hold some.
///
/// Where the running thread may wait, the function returns when the other CPUs have returned their pages. Elsewhere it only asks for
/// them: whoever holds a spin lock or has interrupts off goes on without these pages.
pub fn drain(node: NodeId, others: bool) {
    cpu_memory::drain_cache_of(node);
    if others {
        drain_others(node);
    }
}

/// Asks all other CPUs that cache pages of `node` for these pages, and waits as [`drain`] does.
fn drain_others(node: NodeId) {
    let this = cpu::current();
    let caches_of_node = || {
        let others = cpu_memory::all().filter(|(cpu, _)| cpu.id != this.id);
        others.filter_map(|(cpu, memory)| {
            Some((cpu, memory, memory.page_cache_view.filter(|cache| cache.node() == Some(node))?))
        })
    };
    for (cpu, memory, _) in caches_of_node().filter(|(_, _, cache)| !cache.is_empty()) {
        drain_wait::ask(cpu, &memory.cache_drain);
    }
    let Some(may_wait) = MayWait::now() else { return };
    for (_, memory, cache) in caches_of_node() {
        drain_wait::wait_for(&memory.cache_drain, drain_wait::patience(), || cache.is_empty(), &may_wait);
    }
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

/// Returns some pages of this CPU's cache if another CPU has asked for them, and defers the rest. The caller does not use the cache,
/// and holds no lock that an interrupt handler takes.
#[inline]
fn answer() {
    let memory = cpu_memory::current();
    if memory.cache_drain.is_open() {
        drain_some();
    }
    if heap_drain::answer(memory) {
        cpu::defer(cpu::current(), DeferredWork::Drain);
    }
}

#[cold]
fn drain_some() {
    let off = PreemptionOff::new();
    if cpu_memory::cache(&off).drain_some() {
        cpu::defer(cpu::current(), DeferredWork::Drain);
    } else {
        cpu_memory::current().cache_drain.answer(|| ());
    }
}
