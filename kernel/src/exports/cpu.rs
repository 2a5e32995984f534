//! CPUs.
use super::pointer;
use crate::cpu;
use crate::platform::cpu_topology;
use abi::CpuInfo;
use core::ffi::c_int;
use units::CpuId;

fn cpu_from(index: c_int) -> Option<CpuId> {
    let id = CpuId(u32::try_from(index).ok()?);
    cpu_topology::cpu(id).map(|cpu| cpu.id)
}

fn describe(id: CpuId) -> Option<CpuInfo> {
    let cpu = cpu_topology::cpu(id)?;
    Some(CpuInfo {
        CpuIndex: cpu.id.0,
        ApicId: cpu.apic_id.0,
        AcpiProcessorId: cpu.acpi_processor_uid.and_then(|uid| u8::try_from(uid).ok()).unwrap_or(u8::MAX),
        NumaNode: cpu.node.index() as u32,
        IsBsp: cpu.apic_id == cpu_topology::boot_apic(),
        IsOnline: cpu::is_online(id),
        IsEnabled: true,
    })
}

pub extern "C" fn get_cpu_count() -> c_int {
    cpu_topology::cpus().len() as c_int
}

pub extern "C" fn get_current_cpu() -> c_int {
    cpu::current().id.0 as c_int
}

pub unsafe extern "C" fn get_cpu_info(index: c_int, info: *mut CpuInfo) -> bool {
    let value = cpu_from(index).and_then(describe);
    value.and_then(|value| pointer::write(info, value)).is_some()
}

pub extern "C" fn is_cpu_online(index: c_int) -> bool {
    cpu_from(index).is_some_and(cpu::is_online)
}

pub extern "C" fn get_bsp_index() -> c_int {
    cpu_topology::boot_cpu().id.0 as c_int
}
