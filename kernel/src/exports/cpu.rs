//! The exports about CPUs.
use super::pointer::DriverPointer;
use crate::cpu;
use crate::platform::cpu_topology;
use abi::{CPU_ACPI_PROCESSOR_ID_NONE, CpuInfo};
use core::ffi::c_int;
use topology::Cpu;
use units::CpuId;

/// Returns the CPU that a driver's index names.
pub fn cpu_from(index: c_int) -> Option<&'static Cpu> {
    cpu_topology::cpu(CpuId(u32::try_from(index).ok()?))
}

fn info_of(cpu: &Cpu) -> CpuInfo {
    let processor_id = cpu.acpi_processor_uid.and_then(|uid| u8::try_from(uid).ok());
    CpuInfo {
        CpuIndex: cpu.id.0,
        ApicId: cpu.apic_id.0,
        AcpiProcessorId: processor_id.unwrap_or(CPU_ACPI_PROCESSOR_ID_NONE),
        NumaNode: cpu.node.index() as u32,
        IsBsp: cpu.apic_id == cpu_topology::boot_apic(),
        IsOnline: cpu::is_online(cpu.id),
        IsEnabled: true,
    }
}

pub extern "C" fn get_cpu_count() -> c_int {
    cpu_topology::cpus().len() as c_int
}

pub extern "C" fn get_current_cpu() -> c_int {
    cpu::current().id.0 as c_int
}

pub unsafe extern "C" fn get_cpu_info(index: c_int, info: *mut CpuInfo) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let info = unsafe { DriverPointer::new(info) };
    cpu_from(index).and_then(|cpu| info.write(info_of(cpu))).is_some()
}

pub extern "C" fn is_cpu_online(index: c_int) -> bool {
    cpu_from(index).is_some_and(|cpu| cpu::is_online(cpu.id))
}

pub extern "C" fn get_bsp_index() -> c_int {
    cpu_topology::boot_cpu().id.0 as c_int
}
