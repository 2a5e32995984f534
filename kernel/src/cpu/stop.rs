//! Stopping the other CPUs when one has come to its end.
use crate::arch;
use core::sync::atomic::{AtomicU32, Ordering};

/// The APIC id of the CPU that stopped the others.
static STOPPED_BY: AtomicU32 = AtomicU32::new(NOBODY);
const NOBODY: u32 = u32::MAX;

/// Stops every other CPU where it is, for good. The first CPU to call it goes on; one that calls it later stops, too.
pub fn stop_other_cpus() {
    let this = arch::this_apic_id();
    match STOPPED_BY.compare_exchange(NOBODY, this.0, Ordering::SeqCst, Ordering::SeqCst) {
        // Not to all: one that was never started would take it in the firmware's real mode, and reset the machine.
        Ok(_) => super::online().filter(|cpu| cpu.apic != this).for_each(|cpu| arch::stop_cpu(cpu.apic)),
        Err(other) if other != this.0 => arch::halt_forever(),
        Err(_) => {}
    }
}

/// Whether a non-maskable interrupt on this CPU is another CPU's order to stop.
pub(super) fn is_order() -> bool {
    let by = STOPPED_BY.load(Ordering::SeqCst);
    by != NOBODY && by != arch::this_apic_id().0
}
