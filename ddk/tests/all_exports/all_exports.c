// all_exports: refers to every function that proxima.h declares, so it loads only if the kernel exports all of them.
#include <proxima.h>

// A test compares this list with the header.
static void *const exports[] = {
    (void *)Kernel_GetNumaNodeCount,
    (void *)Kernel_GetNumaNodeInfo,
    (void *)Kernel_GetNumaNodeForCpu,
    (void *)Kernel_GetCurrentNumaNode,
    (void *)Kernel_GetNumaDistance,
    (void *)Kernel_GetNumaNodeForAddress,
    (void *)Kernel_GetPageNumaNode,
    (void *)Kernel_IsNumaAvailable,
    (void *)Kernel_HasNumaDistanceMatrix,
    (void *)Kernel_SetPreferredNumaNode,
    (void *)Kernel_GetPreferredNumaNode,
    (void *)Kernel_SetNumaPolicy,
    (void *)Kernel_GetNumaPolicy,
    (void *)Kernel_AllocatePage,
    (void *)Kernel_AllocatePageLocal,
    (void *)Kernel_AllocatePageFromNode,
    (void *)Kernel_AllocatePagesFromNode,
    (void *)Kernel_AllocatePages,
    (void *)Kernel_FreePage,
    (void *)Kernel_FreePages,
    (void *)Kernel_PhysToVirt,
    (void *)Kernel_VirtToPhys,
    (void *)Kernel_AllocateMemory,
    (void *)Kernel_AllocateMemoryFromNode,
    (void *)Kernel_FreeMemory,
    (void *)Kernel_GetCpuCount,
    (void *)Kernel_GetCurrentCpu,
    (void *)Kernel_GetCpuInfo,
    (void *)Kernel_IsCpuOnline,
    (void *)Kernel_GetBspIndex,
    (void *)Kernel_CreateThread,
    (void *)Kernel_GetCurrentThread,
    (void *)Kernel_ExitThread,
    (void *)Kernel_JoinThread,
    (void *)Kernel_YieldThread,
    (void *)Kernel_SleepThread,
    (void *)Kernel_SetThreadAffinity,
    (void *)Kernel_GetThreadAffinity,
    (void *)Kernel_Log,
    (void *)Kernel_RegisterBlock,
    (void *)Kernel_UnregisterBlock,
    (void *)Kernel_CompleteBlock,
    (void *)Kernel_OpenBlock,
    (void *)Kernel_GetBlockInfo,
    (void *)Kernel_SubmitBlock,
    (void *)Kernel_PollBlock,
};

int Driver_Init(void) {
    for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) {
        if (*(void *const volatile *)&exports[i] == NULL) {
            return -1;
        }
    }
    return 0;
}
