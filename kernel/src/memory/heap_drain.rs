//! Draining magazines: when a node's heap cannot grow, the CPUs return the blocks in their magazines.
//!
//! The protocol is that of the page caches ([`cache_drain`](super::cache_drain)), with requests of its own: a CPU answers at the end of
//! the interrupt or, if preemption is off, once it is on again. Where the running thread may not wait, it only asks.
use super::cpu_memory::{self, CpuMemory};
use crate::arch;
use crate::cpu::{self, MayWait, PreemptionOff};
use cpu_requests::Patience;

/// How long a CPU waits for answers. An answer takes far less time, but the machine may be an emulator's.
const PATIENCE_MS: u64 = 1000;

/// Returns the blocks of one magazine of the running CPU to their node. Returns false if there is none.
#[inline]
pub fn drain_one() -> bool {
    cpu_memory::heap(&PreemptionOff::new()).drain_one()
}

/// Has all CPUs return the blocks in their magazines.
pub fn drain_all() {
    while drain_one() {}
    let this = cpu::current();
    let others =
        || cpu_memory::all().filter(|(cpu, memory)| cpu.id != this.id && cpu_memory::has_magazines(memory));
    for (cpu, memory) in others() {
        if memory.heap_drain.ask(arch::ticks()) {
            arch::request_drain(cpu.apic);
        }
    }
    let Some(_may_wait) = MayWait::now() else { return };
    let patience = Patience { start: arch::ticks(), limit: PATIENCE_MS * arch::ticks_per_ms() };
    for (_, memory) in others() {
        let is_empty = || !cpu_memory::has_magazines(memory);
        memory.heap_drain.wait(patience, arch::ticks, is_empty, || {
            cpu::serve_requests();
            core::hint::spin_loop();
        });
    }
}

/// Returns the blocks of one magazine if another CPU has asked for them. Returns true if there are more, for which the caller calls
/// again. The caller uses no heap, and holds no lock that an interrupt handler takes.
#[inline]
pub fn answer(memory: &CpuMemory) -> bool {
    memory.heap_drain.is_open() && drain_and_answer()
}

#[cold]
fn drain_and_answer() -> bool {
    let off = PreemptionOff::new();
    let has_more = cpu_memory::heap(&off).drain_one();
    if !has_more {
        cpu_memory::current().heap_drain.answer(|| ());
    }
    has_more
}
