//! Draining magazines: when a node's heap cannot grow, the CPUs return the blocks in their magazines.
//!
//! The protocol is that of the page caches ([`cache_drain`](super::cache_drain)), with requests of its own: a CPU answers at the end of
//! the interrupt or, if preemption is off, once it is on again. Where the running thread may not wait, it only asks.
use super::cpu_memory::{self, CpuMemory};
use super::drain_wait;
use crate::cpu::{self, MayWait, PreemptionOff};

/// Returns true if the running CPU may have magazines.
#[inline]
pub fn has_magazines() -> bool {
    cpu_memory::has_magazines(cpu_memory::current())
}

/// Returns some blocks in the running CPU's magazines to their node. Returns false if there is no magazine.
#[inline]
pub fn drain_some() -> bool {
    cpu_memory::heap(&PreemptionOff::new()).drain_some()
}

/// Has all CPUs return the blocks in their magazines.
pub fn drain_all() {
    while drain_some() {}
    let this = cpu::current();
    let others =
        || cpu_memory::all().filter(|(cpu, memory)| cpu.id != this.id && cpu_memory::has_magazines(memory));
    for (cpu, memory) in others() {
        drain_wait::ask(cpu, &memory.heap_drain);
    }
    let Some(may_wait) = MayWait::now() else { return };
    let patience = drain_wait::patience();
    for (_, memory) in others() {
        let is_empty = || !cpu_memory::has_magazines(memory);
        drain_wait::wait_for(&memory.heap_drain, patience, is_empty, &may_wait);
    }
}

/// Returns some blocks in magazines if another CPU has asked for them. Returns true if there are more, for which the caller calls
/// again. The caller uses no heap, and holds no lock that an interrupt handler takes.
#[inline]
pub fn answer(memory: &CpuMemory) -> bool {
    memory.heap_drain.is_open() && drain_and_answer()
}

#[cold]
fn drain_and_answer() -> bool {
    let off = PreemptionOff::new();
    let has_more = cpu_memory::heap(&off).drain_some();
    if !has_more {
        cpu_memory::current().heap_drain.answer(|| ());
    }
    has_more
}
