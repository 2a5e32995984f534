//! The CPUs that firmware lists.
use super::numa_topology;
use topology::Cpu;
use units::{ApicId, CpuId};

/// The CPUs that firmware lists as enabled, by index.
pub fn cpus() -> &'static [Cpu] {
    numa_topology::get().cpus()
}

/// The CPU with this index.
pub fn cpu(id: CpuId) -> Option<&'static Cpu> {
    cpus().get(id.index())
}

/// The CPU that the machine booted on; it runs this.
///
/// # Panics
/// Never: the topology always has the boot CPU.
pub fn boot_cpu() -> &'static Cpu {
    let apic = boot_apic();
    cpus().iter().find(|cpu| cpu.apic_id == apic).expect("the topology has the boot CPU")
}

pub fn boot_apic() -> ApicId {
    static BOOT_APIC: spin::Once<ApicId> = spin::Once::new();
    *BOOT_APIC.call_once(crate::arch::this_apic_id)
}
