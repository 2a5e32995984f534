//! Recalling page caches: who finds a node without free pages asks the CPUs that run and keep some of them to give those back.
//!
//! A cache is its CPU's alone, so the CPU itself gives it back. It is interrupted, and answers at the end of the interrupt, or,
//! where preemption is off, at the end of that stretch, just where it would let go of a thread whose turn is over: there it
//! neither uses its cache nor holds a lock of the page allocator. CPUs that wait for others answer meanwhile: those that wait
//! for an answer of this kind, for a shootdown, or for a lock that only threads take. So two that ask each other both get their
//! answer.
//!
//! - A CPU whose cache is empty is not asked. That of one that halts is, so an exhausted node's second request interrupts nobody.
//! - Who asks waits for [`PATIENCE_MS`] at most, and not at all once that has passed since the CPU was first asked: one that
//!   cannot answer, because it waits for a lock that the asking CPU holds with interrupts off, is waited for once and not
//!   again at each request.
use crate::arch;
use crate::cpu::{self, Cpu};
use crate::cpu::{DeferredWork, PreemptionOff};
use crate::memory::cpu_memory::{self, CpuMemory};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use page_alloc::CacheView;
use units::NodeId;

/// How long an answer is waited for. Far longer than it takes: a machine may be an emulator's.
const PATIENCE_MS: u64 = 1000;

/// What a CPU knows of being asked.
pub struct CpuState {
    /// Since when it is asked, in ticks; [`NOT_ASKED`].
    asked_since: AtomicU64,
    /// How often it was interrupted for it.
    interrupts: AtomicU64,
}

const NOT_ASKED: u64 = 0;

impl CpuState {
    /// That of a CPU that nobody has asked.
    pub const fn new() -> Self {
        Self { asked_since: AtomicU64::new(NOT_ASKED), interrupts: AtomicU64::new(0) }
    }

    /// How often the CPU was asked for its cache.
    pub fn interrupts(&self) -> u64 {
        self.interrupts.load(Relaxed)
    }
}

/// Asks all other CPUs that keep pages of the node for them, and waits until they have given them back. Preemption is off, and
/// the caller does not use its cache; it may hold locks.
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
    caches_of_node().for_each(|(_, memory, cache)| wait_for(memory, cache));
}

fn ask(cpu: &Cpu, memory: &CpuMemory) {
    let drain = &memory.cache_drain;
    if drain.asked_since.compare_exchange(NOT_ASKED, arch::ticks().max(1), SeqCst, SeqCst).is_ok() {
        drain.interrupts.fetch_add(1, Relaxed);
        arch::request_drain(cpu.apic);
    }
}

/// Waits for the CPU's answer if it is asked, by whomever, and its cache holds anything; not for ever.
fn wait_for(cpu: &CpuMemory, cache: CacheView<'_>) {
    let patience = PATIENCE_MS * arch::ticks_per_ms();
    let start = arch::ticks();
    loop {
        let since = cpu.cache_drain.asked_since.load(SeqCst);
        // One that is about to halt may have given its pages back and not said so yet.
        if since == NOT_ASKED || cache.is_empty() {
            return;
        }
        let now = arch::ticks();
        // Whoever asked first may have another clock, ahead of this one.
        if now.saturating_sub(since).max(now.saturating_sub(start)) > patience {
            return;
        }
        // With interrupts off, nobody else would.
        cpu::serve_requests();
        core::hint::spin_loop();
    }
}

/// The interrupt by which a CPU is asked; interrupts are off.
fn interrupted(_: u8) {
    cpu::defer(cpu::current(), DeferredWork::Drain);
}

/// Takes over the interrupt, and what it puts off.
pub fn init() {
    cpu::interrupts::register(arch::vectors::DRAIN, interrupted);
    cpu::register_deferred(DeferredWork::Drain, answer);
}

/// Gives this CPU's cache back if another CPU has asked for it. Called by threads that do not use the cache just now, with no
/// lock held that an interrupt handler takes.
#[inline]
pub fn answer() {
    if cpu_memory::current().cache_drain.asked_since.load(Relaxed) != NOT_ASKED {
        give_back();
    }
}

#[cold]
fn give_back() {
    let _off = PreemptionOff::new();
    cpu_memory::drain_cache();
    // Only now: who sees this looks at the node again. Whoever asks from here on asks anew.
    cpu_memory::current().cache_drain.asked_since.store(NOT_ASKED, SeqCst);
}
