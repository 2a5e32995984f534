//! The functions that drivers call, by the names and with the types of the crate `abi`.
mod about_driver;
mod block;
mod devices;
mod dma;
mod interrupts;
mod life;
mod memory;
mod numa;
mod threads;
mod waiting;

pub use block::unregister;

macro_rules! exports {
    ($($module:ident: $($name:ident)+;)+) => {
        /// The names of all exports.
        #[cfg(test)]
        const NAMES: &[&str] = &[$($(stringify!($name),)+)+];

        // Each function has the type that the crate `abi` declares: an array has elements of one type.
        const _: () = { $($(let _ = [abi::$name, $module::$name];)+)+ };
    };
}

exports! {
    numa: Kernel_GetNumaNodeCount Kernel_GetNumaNodeInfo Kernel_GetNumaNodeForCpu Kernel_GetCurrentNumaNode Kernel_GetNumaDistance
        Kernel_GetNumaNodeForAddress Kernel_GetPageNumaNode Kernel_IsNumaAvailable Kernel_HasNumaDistanceMatrix
        Kernel_SetPreferredNumaNode Kernel_GetPreferredNumaNode Kernel_SetNumaPolicy Kernel_GetNumaPolicy
        Kernel_GetNumaNodeStatistics;
    memory: Kernel_AllocatePage Kernel_AllocatePageLocal Kernel_AllocatePageFromNode Kernel_AllocatePagesFromNode Kernel_AllocatePages
        Kernel_FreePage Kernel_FreePages Kernel_PhysToVirt Kernel_VirtToPhys Kernel_AllocateMemory Kernel_AllocateMemoryFromNode
        Kernel_FreeMemory Kernel_AllocatePerCpu;
    numa: Kernel_GetCpuCount Kernel_GetCurrentCpu Kernel_GetCpuInfo Kernel_IsCpuOnline Kernel_GetBspIndex;
    threads: Kernel_CreateThread Kernel_GetCurrentThread Kernel_ExitThread Kernel_JoinThread Kernel_YieldThread Kernel_SleepThread
        Kernel_SetThreadAffinity Kernel_GetThreadAffinity;
    devices: Kernel_FindDevice Kernel_GetDeviceInfo Kernel_ClaimDevice Kernel_ReleaseDevice Kernel_EnableDevice Kernel_ResetDevice
        Kernel_ReadDeviceConfig Kernel_WriteDeviceConfig Kernel_FindDeviceCapability Kernel_MapDeviceMemory Kernel_UnmapDeviceMemory;
    dma: Kernel_AllocateDma Kernel_FreeDma Kernel_MapDma Kernel_UnmapDma;
    interrupts: Kernel_AllocateInterrupts Kernel_AttachInterrupt Kernel_GetInterruptInfo Kernel_SetInterruptCpu Kernel_MaskInterrupt
        Kernel_DetachInterrupt;
    waiting: Kernel_WaitAddress Kernel_WakeAddress Kernel_GetTime Kernel_Delay Kernel_CreateTimer Kernel_SetTimer Kernel_DestroyTimer
        Kernel_Log;
    block: Kernel_RegisterBlock Kernel_UnregisterBlock Kernel_CompleteBlock Kernel_OpenBlock Kernel_GetBlockInfo Kernel_SubmitBlock
        Kernel_CountDown Kernel_PollBlock;
    life: Kernel_LoadDriver Kernel_UnloadDriver Kernel_IsStopping Kernel_PublishInterface Kernel_UseInterface Kernel_ReleaseInterface;
    about_driver: Kernel_GetParameter Kernel_PublishCounter Kernel_GetDriverStatistics;
    life: Kernel_GetVersion;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mock_has_every_function_of_the_abi() {
        assert_eq!(super::NAMES, abi::EXPORTS);
    }
}
