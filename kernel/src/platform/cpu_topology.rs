//! The CPUs that firmware lists.
use super::numa_topology;
use topology::Cpu;
use units::{ApicId, CpuId};

/// Returns the CPUs that firmware lists as enabled, by index.
pub fn cpus() -> &'static [Cpu] {
    numa_topology::get().cpus()
}

/// Returns the CPU with this index.
pub fn cpu(id: CpuId) -> Option<&'static Cpu> {
    cpus().get(id.index())
}

/// Returns the boot CPU. The boot CPU itself makes the first call: see [`boot_apic`].
///
/// # Panics
/// Never: the topology always has the boot CPU.
pub fn boot_cpu() -> &'static Cpu {
    let apic = boot_apic();
    cpus().iter().find(|cpu| cpu.apic_id == apic).expect("the topology has the boot CPU")
}

/// Returns the id of the boot CPU's APIC. The first call stores the running CPU's, so the boot CPU makes that call.
pub fn boot_apic() -> ApicId {
    static BOOT_APIC: spin::Once<ApicId> = spin::Once::new();
    *BOOT_APIC.call_once(crate::arch::this_apic_id)
}
