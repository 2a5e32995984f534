//! CPUs.
use super::pointer;
use crate::platform::cpu_topology;
use crate::threading::per_cpu;
use abi::CpuInfo;
use core::ffi::c_int;
use units::CpuId;

fn cpu_from(index: c_int) -> Option<CpuId> {
    let id = CpuId(u32::try_from(index).ok()?);
    cpu_topology::cpu(id).map(|cpu| cpu.id)
}

pub extern "C" fn get_cpu_count() -> c_int {
    cpu_topology::cpus().len() as c_int
}

pub extern "C" fn get_current_cpu() -> c_int {
    per_cpu::current().id.0 as c_int
}

pub unsafe extern "C" fn get_cpu_info(cpu: c_int, info: *mut CpuInfo) -> bool {
    let value = cpu_from(cpu).and_then(cpu_topology::info);
    value.and_then(|value| pointer::write(info, value)).is_some()
}

pub extern "C" fn is_cpu_online(cpu: c_int) -> bool {
    cpu_from(cpu).is_some_and(cpu_topology::is_online)
}

pub extern "C" fn get_bsp_index() -> c_int {
    cpu_topology::boot_cpu().id.0 as c_int
}
