//! Draining magazines: when a node's heap cannot grow, the CPUs return the blocks in their magazines.
//!
//! The protocol is that of the page caches ([`cache_drain`](super::cache_drain)), with requests of its own: a CPU answers at the end of
//! the interrupt or, if preemption is off, once it is on again. Where the running thread may not wait, it only asks.
use super::cpu_memory::{self, CpuMemory};
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, PreemptionOff};
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
    // A CPU with preemption or interrupts off may hold what the others wait for.
    if cpu::is_preemption_off() || InterruptsOff::are_off() {
        return;
    }
    let patience = Patience { start: arch::ticks(), limit: PATIENCE_MS * arch::ticks_per_ms() };
    for (_, memory) in others() {
        memory.heap_drain.wait(
            patience,
            arch::ticks,
            || !cpu_memory::has_magazines(memory),
            || {
                cpu::serve_requests();
                core::hint::spin_loop();
            },
        );
    }
}

/// Answers another CPU's request, if there is one. The caller uses no heap, and holds no lock that an interrupt handler takes.
#[inline]
pub fn answer(memory: &CpuMemory) {
    if memory.heap_drain.is_open() {
        drain_and_answer();
    }
}

#[cold]
fn drain_and_answer() {
    let off = PreemptionOff::new();
    let heap = cpu_memory::heap(&off);
    cpu_memory::current().heap_drain.answer(|| while heap.drain_one() {});
}
