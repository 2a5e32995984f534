//! Stopping the other CPUs when the machine comes to its end.
use super::registry;
use crate::arch;
use core::sync::atomic::{AtomicU32, Ordering};

/// The APIC id of the CPU that stopped the others, or [`NOBODY`].
static STOPPED_BY: AtomicU32 = AtomicU32::new(NOBODY);
const NOBODY: u32 = u32::MAX;

/// Stops every other CPU where it is, for good. The first CPU that calls this goes on; a CPU that calls it later stops, too.
pub fn stop_other_cpus() {
    let this = arch::this_apic_id();
    match STOPPED_BY.compare_exchange(NOBODY, this.0, Ordering::SeqCst, Ordering::SeqCst) {
        // CPUs that were never started are spared: the interrupt would find them in the firmware's real mode, and reset the
        // machine.
        Ok(_) => registry::online().filter(|cpu| cpu.apic != this).for_each(|cpu| arch::stop_cpu(cpu.apic)),
        Err(other) if other != this.0 => arch::halt_forever(),
        Err(_) => {}
    }
}

/// Returns true if a non-maskable interrupt on this CPU is another CPU's order to stop.
#[cold]
pub(super) fn is_ordered() -> bool {
    let by = STOPPED_BY.load(Ordering::SeqCst);
    by != NOBODY && by != arch::this_apic_id().0
}
