//! The export that allocates memory for each CPU.
use super::pointer::{Access, DriverPointer};
use super::thread_only;
use crate::drivers::per_cpu_memory;
use abi::{KERNEL_LARGEST_PER_CPU, PerCpuGrant};

pub unsafe extern "C" fn allocate_per_cpu(size: usize, grant: *mut PerCpuGrant) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let grant = unsafe { DriverPointer::new(grant) };
    let allocate = || {
        if size == 0 || size > KERNEL_LARGEST_PER_CPU {
            return None;
        }
        let structure = grant.check_sized(Access::Write)?;
        let (memory, stride) = per_cpu_memory::allocate(size)?;
        let memory = core::ptr::with_exposed_provenance_mut(memory.0 as usize);
        grant.write(PerCpuGrant { Size: structure, Reserved: 0, Memory: memory, Stride: stride })
    };
    thread_only::may_wait("Kernel_AllocatePerCpu") && allocate().is_some()
}
