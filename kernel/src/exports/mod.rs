//! The exports: the functions that drivers call, a file for each family of `proxima.h`, and the table of their names.
//!
//! `ddk/abi` declares each function and says what it does. The table compiles only if the kernel's functions have the
//! declared types.
//!
//! An export that follows pointers is an `unsafe fn`, under the condition that the ABI puts on drivers (docs/driver-abi.md):
//! the memory that a driver passes is its own, and none of its threads accesses it until the export returns. The export
//! checks everything else about its arguments.

mod about_driver;
mod block;
mod caller;
mod cpu;
mod device;
mod dma;
mod interrupt;
mod life;
mod log;
mod memory;
mod numa;
mod one_page;
mod pages;
mod per_cpu;
mod pointer;
mod protected;
mod thread;
mod thread_only;
mod time;
mod wait;

use crate::memory::protection;

/// One exported function.
struct Export {
    /// The name in the C header.
    name: &'static str,
    /// The function's address.
    function: *const (),
    /// The address of the gate that drivers call where keys protect memory.
    gate: *const (),
}

// SAFETY: nothing reads or writes through the pointers. They are the addresses of functions, which every CPU may call.
unsafe impl Sync for Export {}

/// Defines the gate of an export: to the second function if there is one.
macro_rules! gate_to {
    ($function:path) => {
        crate::arch::export_gate!($function)
    };
    ($function:path, $protected:path) => {
        crate::arch::export_gate!($protected)
    };
}

/// Lists exports. A second function takes the place of the first where keys protect memory. Each stands in an array with its declaration, which compiles only if both have the same type.
macro_rules! exports {
    ($($name:ident($($argument:tt),*) = $function:path $(, $protected:path)?;)*) => {
        /// All exports, in the order of the C header.
        static EXPORTS: &[Export] = &[$(Export {
            name: stringify!($name),
            function: {
                let _same_type: &[unsafe extern "C" fn($($argument),*) -> _] =
                    &[abi::$name, $function $(, $protected)?];
                $function as *const ()
            },
            gate: gate_to!($function $(, $protected)?),
        }),*];
    };
}

exports! {
    Kernel_GetNumaNodeCount() = numa::get_numa_node_count;
    Kernel_GetNumaNodeInfo(_, _) = numa::get_numa_node_info;
    Kernel_GetNumaNodeForCpu(_) = numa::get_numa_node_for_cpu;
    Kernel_GetCurrentNumaNode() = numa::get_current_numa_node;
    Kernel_GetNumaDistance(_, _) = numa::get_numa_distance;
    Kernel_GetNumaNodeForAddress(_) = numa::get_numa_node_for_address;
    Kernel_GetPageNumaNode(_) = numa::get_page_numa_node;
    Kernel_IsNumaAvailable() = numa::is_numa_available;
    Kernel_HasNumaDistanceMatrix() = numa::has_numa_distance_matrix;
    Kernel_SetPreferredNumaNode(_) = numa::set_preferred_numa_node;
    Kernel_GetPreferredNumaNode() = numa::get_preferred_numa_node;
    Kernel_SetNumaPolicy(_) = numa::set_numa_policy;
    Kernel_GetNumaPolicy(_) = numa::get_numa_policy;
    Kernel_GetNumaNodeStatistics(_, _) = numa::get_numa_node_statistics;
    Kernel_AllocatePage() = pages::allocate_page, protected::allocate_page;
    Kernel_AllocatePageLocal() = pages::allocate_page_local, protected::allocate_page_local;
    Kernel_AllocatePageFromNode(_) = pages::allocate_page_from_node, protected::allocate_page_from_node;
    Kernel_AllocatePagesFromNode(_, _) = pages::allocate_pages_from_node, protected::allocate_pages_from_node;
    Kernel_AllocatePages(_, _) = pages::allocate_pages, protected::allocate_pages;
    Kernel_FreePage(_) = pages::free_page, protected::free_page;
    Kernel_FreePages(_, _) = pages::free_pages, protected::free_pages;
    Kernel_PhysToVirt(_) = memory::phys_to_virt;
    Kernel_VirtToPhys(_) = memory::virt_to_phys;
    Kernel_AllocateMemory(_, _) = memory::allocate_memory, protected::allocate_memory;
    Kernel_AllocateMemoryFromNode(_, _, _) = memory::allocate_memory_from_node, protected::allocate_memory_from_node;
    Kernel_FreeMemory(_) = memory::free_memory;
    Kernel_AllocatePerCpu(_, _) = per_cpu::allocate_per_cpu;
    Kernel_GetCpuCount() = cpu::get_cpu_count;
    Kernel_GetCurrentCpu() = cpu::get_current_cpu;
    Kernel_GetCpuInfo(_, _) = cpu::get_cpu_info;
    Kernel_IsCpuOnline(_) = cpu::is_cpu_online;
    Kernel_GetBspIndex() = cpu::get_bsp_index;
    Kernel_CreateThread(_, _, _, _) = thread::create_thread;
    Kernel_GetCurrentThread() = thread::get_current_thread;
    Kernel_ExitThread(_) = thread::exit_thread;
    Kernel_JoinThread(_, _) = thread::join_thread;
    Kernel_YieldThread() = thread::yield_thread;
    Kernel_SleepThread(_) = thread::sleep_thread;
    Kernel_SetThreadAffinity(_, _, _) = thread::set_thread_affinity;
    Kernel_GetThreadAffinity(_, _, _) = thread::get_thread_affinity;
    Kernel_FindDevice(_, _) = device::find_device;
    Kernel_GetDeviceInfo(_, _) = device::get_device_info;
    Kernel_ClaimDevice(_) = device::claim_device;
    Kernel_ReleaseDevice(_) = device::release_device;
    Kernel_EnableDevice(_, _) = device::enable_device;
    Kernel_ResetDevice(_) = device::reset_device;
    Kernel_ReadDeviceConfig(_, _, _) = device::read_device_config;
    Kernel_WriteDeviceConfig(_, _, _, _) = device::write_device_config;
    Kernel_FindDeviceCapability(_, _, _) = device::find_device_capability;
    Kernel_MapDeviceMemory(_, _, _, _, _) = device::map_device_memory;
    Kernel_UnmapDeviceMemory(_) = device::unmap_device_memory;
    Kernel_AllocateDma(_, _) = dma::allocate_dma, protected::allocate_dma;
    Kernel_FreeDma(_) = dma::free_dma;
    Kernel_MapDma(_, _, _, _, _, _) = dma::map_dma;
    Kernel_UnmapDma(_, _, _) = dma::unmap_dma;
    Kernel_AllocateInterrupts(_, _, _, _) = interrupt::allocate_interrupts;
    Kernel_AttachInterrupt(_, _, _) = interrupt::attach_interrupt;
    Kernel_GetInterruptInfo(_, _, _) = interrupt::get_interrupt_info;
    Kernel_SetInterruptCpu(_, _, _) = interrupt::set_interrupt_cpu;
    Kernel_MaskInterrupt(_, _, _) = interrupt::mask_interrupt;
    Kernel_DetachInterrupt(_, _) = interrupt::detach_interrupt;
    Kernel_WaitAddress(_, _, _) = wait::wait_address;
    Kernel_WakeAddress(_, _) = wait::wake_address;
    Kernel_GetTime() = time::get_time;
    Kernel_Delay(_) = time::delay;
    Kernel_CreateTimer(_, _, _) = time::create_timer;
    Kernel_SetTimer(_, _, _) = time::set_timer;
    Kernel_DestroyTimer(_) = time::destroy_timer;
    Kernel_Log(_, _, _) = log::log;
    Kernel_RegisterBlock(_) = block::register_block;
    Kernel_UnregisterBlock(_) = block::unregister_block;
    Kernel_CompleteBlock(_, _) = block::complete_block;
    Kernel_OpenBlock(_, _) = block::open_block;
    Kernel_GetBlockInfo(_, _) = block::get_block_info;
    Kernel_SubmitBlock(_, _, _) = block::submit_block;
    Kernel_CountDown(_) = crate::block::kernel_count_down;
    Kernel_PollBlock(_, _) = block::poll_block;
    Kernel_LoadDriver(_) = life::load_driver;
    Kernel_UnloadDriver(_) = life::unload_driver;
    Kernel_IsStopping() = life::is_stopping;
    Kernel_PublishInterface(_, _, _, _) = life::publish_interface;
    Kernel_UseInterface(_, _, _) = life::use_interface;
    Kernel_ReleaseInterface(_) = life::release_interface;
    Kernel_GetParameter(_, _, _) = about_driver::get_parameter;
    Kernel_PublishCounter(_, _) = about_driver::publish_counter;
    Kernel_GetDriverStatistics(_, _) = about_driver::get_driver_statistics;
    Kernel_GetVersion() = life::get_version;
}

/// Returns the address by which drivers call the export with this name.
pub fn resolve(name: &str) -> Option<u64> {
    let export = EXPORTS.iter().find(|export| export.name == name)?;
    Some(if protection::is_on() { export.gate } else { export.function } as u64)
}

const _: () = assert!(EXPORTS_MATCH_ABI, "the export table and the ABI's list differ");
/// Whether the table has exactly the names that `abi` lists, in the same order.
const EXPORTS_MATCH_ABI: bool = {
    let mut same = EXPORTS.len() == abi::EXPORTS.len();
    let mut index = 0;
    while same && index < EXPORTS.len() {
        same = bytes_equal(EXPORTS[index].name.as_bytes(), abi::EXPORTS[index].as_bytes());
        index += 1;
    }
    same
};

const fn bytes_equal(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}
