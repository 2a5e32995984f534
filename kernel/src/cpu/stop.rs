//! Stopping the other CPUs, by non-maskable interrupt, before the machine stops.
use super::registry;
use crate::arch;
use core::sync::atomic::{AtomicU32, Ordering};

/// The APIC id of the CPU that stopped the others, or [`NO_CPU`].
static STOPPED_BY: AtomicU32 = AtomicU32::new(NO_CPU);
const NO_CPU: u32 = u32::MAX;

/// Stops every other CPU where it is, for good. The first CPU that calls this goes on; a CPU that calls it later stops, too.
pub fn stop_other_cpus() {
    let this = arch::this_apic_id();
    match STOPPED_BY.compare_exchange(NO_CPU, this.0, Ordering::SeqCst, Ordering::SeqCst) {
        // Only online CPUs: in a CPU that was never started, the interrupt would run the firmware's handler in real mode, and
        // reset the machine.
        Ok(_) => registry::online().filter(|cpu| cpu.apic != this).for_each(|cpu| arch::stop_cpu(cpu.apic)),
        Err(other) if other != this.0 => arch::halt_forever(),
        Err(_) => {}
    }
}

/// Returns true if a non-maskable interrupt on this CPU is another CPU's order to stop.
#[cold]
pub(super) fn is_ordered() -> bool {
    let by = STOPPED_BY.load(Ordering::SeqCst);
    by != NO_CPU && by != arch::this_apic_id().0
}
