//! The CPUs: what firmware says of each, and what became of it (the plan, phase 3).
use super::numa_topology;
use crate::threading::per_cpu::PerCpu;
use core::sync::atomic::{AtomicPtr, Ordering};
use topology::{Cpu, MAX_CPUS};
use units::{ApicId, CpuId};

/// Each CPU's block, by index; null for a CPU that was not started.
static BLOCKS: [AtomicPtr<PerCpu>; MAX_CPUS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];

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

fn boot_apic() -> ApicId {
    static BOOT_APIC: spin::Once<ApicId> = spin::Once::new();
    *BOOT_APIC.call_once(crate::arch::this_apic_id)
}

/// Keeps a CPU's block.
pub fn set_block(block: &'static PerCpu) {
    if let Some(place) = BLOCKS.get(block.id.index()) {
        place.store(core::ptr::from_ref(block).cast_mut(), Ordering::Release);
    }
}

/// The CPU's block, if it was given one.
pub fn block(id: CpuId) -> Option<&'static PerCpu> {
    // SAFETY: only `set_block` stores here, and blocks live for good.
    unsafe { BLOCKS.get(id.index())?.load(Ordering::Acquire).as_ref() }
}

/// Whether the CPU runs.
pub fn is_online(id: CpuId) -> bool {
    block(id).is_some_and(PerCpu::is_online)
}

/// The blocks of all CPUs that have one, whether they run or not.
pub fn blocks() -> impl Iterator<Item = &'static PerCpu> {
    cpus().iter().filter_map(|cpu| block(cpu.id))
}

/// The blocks of the CPUs that run.
pub fn online() -> impl Iterator<Item = &'static PerCpu> {
    blocks().filter(|block| block.is_online())
}

/// What a driver learns of a CPU; `None`: no such CPU.
pub fn info(id: CpuId) -> Option<abi::CpuInfo> {
    let cpu = cpu(id)?;
    Some(abi::CpuInfo {
        CpuIndex: cpu.id.0,
        ApicId: cpu.apic_id.0,
        AcpiProcessorId: cpu.acpi_processor_uid.and_then(|uid| u8::try_from(uid).ok()).unwrap_or(u8::MAX),
        NumaNode: cpu.node.index() as u32,
        IsBsp: cpu.apic_id == boot_apic(),
        IsOnline: is_online(id),
        IsEnabled: true,
    })
}
