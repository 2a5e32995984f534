//! Asking a CPU for what it keeps, and waiting for its answer: what the drains of page caches and of magazines share.
use crate::arch;
use crate::cpu::{self, Cpu, MayWait};
use cpu_requests::{DrainRequest, Patience};

/// How long a CPU waits for answers. An answer takes far less time, but the machine may be an emulator's.
const PATIENCE_MS: u64 = 1000;

/// Returns the patience of a wait that begins now.
pub fn patience() -> Patience {
    Patience { start: arch::ticks(), limit: PATIENCE_MS * arch::ticks_per_ms() }
}

/// Asks `cpu` by its `request`, and interrupts it unless another CPU has done so already.
pub fn ask(cpu: &Cpu, request: &DrainRequest) {
    if request.ask(arch::ticks()) {
        arch::request_drain(cpu.apic);
    }
}

/// Waits until the CPU that `request` belongs to has answered, or `is_done` returns true, or the patience is over. Answers what other
/// CPUs ask meanwhile.
pub fn wait_for(request: &DrainRequest, patience: Patience, is_done: impl Fn() -> bool, _: &MayWait) {
    request.wait(patience, arch::ticks, is_done, || {
        cpu::serve_requests();
        core::hint::spin_loop();
    });
}
