//! Work that runs on the first CPU, as at boot: benchmarks and self-tests compare what one CPU has.
use crate::cpu;
use crate::threads::{cpu_threads, lifecycle};
use scheduling::CpuSet;

/// Does `work` while the running thread stays on the first CPU that is online.
pub fn run_there<T>(work: impl FnOnce() -> T) -> T {
    let thread = cpu_threads::current_thread().id;
    let before = lifecycle::affinity(thread);
    let first: CpuSet = cpu::online().take(1).map(|cpu| cpu.id).collect();
    // The thread is in the table, and the CPU is online, so neither call fails.
    let _ = lifecycle::set_affinity(thread, &first);
    let result = work();
    if let Ok(before) = before {
        let _ = lifecycle::set_affinity(thread, &before);
    }
    result
}
