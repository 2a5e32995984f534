// bad_devices: calls every function about devices and DMA with invalid arguments, on devices of its own and of others, and from
// several threads at once.
//
// The machine has an NVMe disk that no driver owns. The driver logs each check that fails, and then refuses to start with the number of
// failures as its code.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define PAGE KERNEL_PAGE_SIZE
#define NOT_MAPPED ((void *)8)
#define NOT_CANONICAL ((void *)0x8000000000000000ull)
#define MISALIGNED(object) ((void *)((char *)&(object) + 1))
#define ALL_ONES UINT32_MAX

static DeviceMatch any(void) {
    return (DeviceMatch){.Size = sizeof(DeviceMatch), .Vendor = DEVICE_ANY, .Device = DEVICE_ANY,
                         .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
}

static int first_of_class(uint32_t class) {
    DeviceMatch match = any();
    match.Class = class;
    match.ClassMask = 0xffff00;
    return Kernel_FindDevice(&match, 0);
}

static void searches(void) {
    DeviceMatch match[2] = {any(), any()};
    // Each device once, in ascending order.
    int count = 0, last = 0;
    for (int device = Kernel_FindDevice(match, 0); device > 0; device = Kernel_FindDevice(match, device)) {
        CHECK(device > last);
        last = device;
        count++;
    }
    CHECK(count >= 5);
    CHECK(Kernel_FindDevice(match, last) == -1);
    CHECK(Kernel_FindDevice(match, -1) == -1);
    CHECK(Kernel_FindDevice(match, 1) == -1);
    CHECK(Kernel_FindDevice(match, INT32_MAX) == -1);
    CHECK(Kernel_FindDevice(match, last + 1) == -1);
    CHECK(Kernel_FindDevice(NULL, 0) == -1);
    CHECK(Kernel_FindDevice(NOT_MAPPED, 0) == -1);
    CHECK(Kernel_FindDevice(NOT_CANONICAL, 0) == -1);
    CHECK(Kernel_FindDevice(MISALIGNED(match), 0) == -1);
    match->Size = sizeof *match - 1;
    CHECK(Kernel_FindDevice(match, 0) == -1);
    match->Size = sizeof match; // the tail is not zero
    CHECK(Kernel_FindDevice(match, 0) == -1);
    *match = any();
    match->Flags = 1;
    CHECK(Kernel_FindDevice(match, 0) == -1);
    *match = any();
    match->Vendor = 0;
    CHECK(Kernel_FindDevice(match, 0) == -1);
}

static void infos(int device) {
    DeviceInfo info[2] = {{.Size = sizeof *info}, {.Size = 0}};
    CHECK(Kernel_GetDeviceInfo(device, info));
    CHECK(info->Class >> 8 == 0x0108 && info->Owner[0] == 0 && info->MsixVectors > 0);
    CHECK(info->Bars[0].Flags & DEVICE_BAR_PRESENT && info->Bars[0].Size >= 0x2000);
    CHECK(!Kernel_GetDeviceInfo(0, info));
    CHECK(!Kernel_GetDeviceInfo(-1, info));
    CHECK(!Kernel_GetDeviceInfo(1, info));
    CHECK(!Kernel_GetDeviceInfo(INT32_MAX, info));
    CHECK(!Kernel_GetDeviceInfo(device, NULL));
    CHECK(!Kernel_GetDeviceInfo(device, NOT_MAPPED));
    CHECK(!Kernel_GetDeviceInfo(device, NOT_CANONICAL));
    CHECK(!Kernel_GetDeviceInfo(device, MISALIGNED(info)));
    info->Size = sizeof *info - 1;
    CHECK(!Kernel_GetDeviceInfo(device, info));
    info->Size = sizeof info;
    info[1].Size = 1;
    CHECK(!Kernel_GetDeviceInfo(device, info));
}

// What must not work on a device of another, of the kernel, of nobody, or on no device.
static void foreign(int device) {
    DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = 1};
    DmaGrant grant = {.Size = sizeof grant};
    DmaSegment segment;
    Kernel_ReleaseDevice(device);
    CHECK(!Kernel_EnableDevice(device, 0));
    CHECK(!Kernel_ResetDevice(device));
    CHECK(Kernel_ReadDeviceConfig(device, 0, 4) == ALL_ONES);
    CHECK(!Kernel_WriteDeviceConfig(device, 0x0c, 1, 16));
    CHECK(Kernel_MapDeviceMemory(device, 0, 0, 4, DEVICE_UNCACHED) == NULL);
    CHECK(!Kernel_AllocateDma(&request, &grant));
    CHECK(Kernel_MapDma(device, &grant, 4, DMA_TO_DEVICE, &segment, 1) == -1);
    CHECK(!Kernel_UnmapDma(device, &segment, 1));
}

static void no_devices(int device) {
    // The last two: another generation, and another slot.
    const int ids[] = {0, -1, 1, 4096, 8191, INT32_MIN, INT32_MAX, device + 8192, device + 4000};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        foreign(ids[i]);
        CHECK(!Kernel_ClaimDevice(ids[i]));
        CHECK(Kernel_FindDeviceCapability(ids[i], 0x10, 0) == -1);
    }
}

static void configuration(int device) {
    CHECK(Kernel_ReadDeviceConfig(device, 8, 4) >> 8 == 0x010802);
    CHECK(Kernel_ReadDeviceConfig(device, 11, 1) == 1 && Kernel_ReadDeviceConfig(device, 10, 2) == 0x0108);
    const uint32_t wrong[][2] = {{0, 0}, {0, 3}, {0, 8}, {1, 2}, {2, 4}, {4096, 4}, {4095, 2}, {UINT32_MAX, 1}, {0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(Kernel_ReadDeviceConfig(device, wrong[i][0], wrong[i][1]) == ALL_ONES);
        CHECK(!Kernel_WriteDeviceConfig(device, wrong[i][0], wrong[i][1], 0));
    }
    // The kernel's registers: ids, command, BARs, ROM, interrupt, MSI-X, and the reset in PCI Express.
    uint32_t bar = Kernel_ReadDeviceConfig(device, 0x10, 4), command = Kernel_ReadDeviceConfig(device, 4, 2);
    int msix = Kernel_FindDeviceCapability(device, 0x11, 0), express = Kernel_FindDeviceCapability(device, 0x10, 0);
    CHECK(msix >= 0x40 && express >= 0x40);
    const uint32_t kernels[] = {0, 4, 0x10, 0x14, 0x24, 0x30, 0x3c, (uint32_t)msix, (uint32_t)msix + 4, (uint32_t)msix + 8};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        CHECK(!Kernel_WriteDeviceConfig(device, kernels[i], 4, ALL_ONES));
        CHECK(!Kernel_WriteDeviceConfig(device, kernels[i], 1, 0xff));
    }
    CHECK(!Kernel_WriteDeviceConfig(device, (uint32_t)express + 8, 2, 0x8000));
    CHECK(Kernel_ReadDeviceConfig(device, 0x10, 4) == bar && Kernel_ReadDeviceConfig(device, 4, 2) == command);
    CHECK(Kernel_WriteDeviceConfig(device, 0x0c, 1, 16));
    CHECK(Kernel_FindDeviceCapability(device, 0x11, msix) == -1);
    CHECK(Kernel_FindDeviceCapability(device, 0x11, 2) == -1);
    CHECK(Kernel_FindDeviceCapability(device, 0x11, -1) == -1);
    CHECK(Kernel_FindDeviceCapability(device, 0x11, INT32_MAX) == -1);
    CHECK(Kernel_FindDeviceCapability(device, 0x100, 0) == -1);
    CHECK(Kernel_FindDeviceCapability(device, 0x20000, 0) == -1);
    CHECK(Kernel_FindDeviceCapability(device, UINT32_MAX, 0) == -1);
}

static void mappings(int device) {
    CHECK(!Kernel_EnableDevice(device, 8));
    CHECK(!Kernel_EnableDevice(device, UINT32_MAX));
    CHECK(Kernel_EnableDevice(device, DEVICE_MEMORY));
    DeviceInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetDeviceInfo(device, &info));
    uint64_t size = info.Bars[0].Size;
    const struct { int bar; uint64_t offset, size; uint32_t caching; } wrong[] = {
        {-1, 0, 4, 0}, {1, 0, 4, 0}, {6, 0, 4, 0}, {INT32_MIN, 0, 4, 0}, {0, 0, 0, 0}, {0, size, 1, 0}, {0, 0, size + 1, 0},
        {0, 8, UINT64_MAX, 0}, {0, UINT64_MAX, 8, 0}, {0, 0, 4, 2}, {0, 0, 4, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(Kernel_MapDeviceMemory(device, wrong[i].bar, wrong[i].offset, wrong[i].size, wrong[i].caching) == NULL);
    }
    char *all = Kernel_MapDeviceMemory(device, 0, 0, size, DEVICE_UNCACHED);
    CHECK(all != NULL);
    CHECK(*(volatile uint32_t *)(all + 8) != 0); // the version
    CHECK(Kernel_MapDeviceMemory(device, 0, 0, 8, DEVICE_WRITE_COMBINED) == NULL); // mapped with other caching
    char *again = Kernel_MapDeviceMemory(device, 0, 9, 1, DEVICE_UNCACHED);
    CHECK(again != NULL && again != all + 9 && (uintptr_t)again % PAGE == 9);
    CHECK(!Kernel_UnmapDeviceMemory(all + 1));
    CHECK(!Kernel_UnmapDeviceMemory(NULL));
    CHECK(!Kernel_UnmapDeviceMemory(NOT_CANONICAL));
    CHECK(!Kernel_UnmapDeviceMemory(&info));
    CHECK(Kernel_UnmapDeviceMemory(all));
    CHECK(!Kernel_UnmapDeviceMemory(all));
    CHECK(Kernel_VirtToPhys(all) == 0 && Kernel_VirtToPhys(again) == info.Bars[0].Address + 9);
    CHECK(Kernel_UnmapDeviceMemory(again));
    char *combined = Kernel_MapDeviceMemory(device, 0, 0, 8, DEVICE_WRITE_COMBINED);
    CHECK(combined != NULL && Kernel_UnmapDeviceMemory(combined));
    // Addresses are used again, so there is no end to mapping.
    for (int i = 0; i < 300; i++) {
        char *memory = Kernel_MapDeviceMemory(device, 0, 0, size, DEVICE_UNCACHED);
        CHECK(memory != NULL && Kernel_UnmapDeviceMemory(memory));
    }
}

static void requests(int device) {
    NumaPolicy nowhere = {.Size = sizeof nowhere, .Kind = NUMA_POLICY_STRICT, .Node = Kernel_GetNumaNodeCount()};
    const DmaRequest good = {.Size = sizeof good, .Device = device, .Bytes = 5000};
    DmaGrant grant[2] = {{.Size = sizeof *grant}, {.Size = sizeof *grant}};
    DmaRequest bad[13];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i] = good;
    }
    bad[0].Size = sizeof good - 1;
    bad[1].Flags = 2;
    bad[2].Reserved = 1;
    bad[3].Bytes = 0;
    bad[4].Alignment = 3;
    bad[5].Boundary = 3;
    bad[6].Boundary = 4096;
    bad[7].HighestAddress = PAGE - 1;
    bad[8].Policy = &nowhere;
    bad[9].Policy = NOT_MAPPED;
    bad[10].Bytes = UINT64_MAX;
    bad[11].Alignment = 1ull << 63;
    bad[12].Bytes = 1ull << 60, bad[12].Boundary = 1ull << 63;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!Kernel_AllocateDma(&bad[i], grant));
    }
    CHECK(!Kernel_AllocateDma(NULL, grant));
    CHECK(!Kernel_AllocateDma(NOT_MAPPED, grant));
    CHECK(!Kernel_AllocateDma(MISALIGNED(bad), grant));
    CHECK(!Kernel_AllocateDma(&good, NULL));
    CHECK(!Kernel_AllocateDma(&good, NOT_CANONICAL));
    CHECK(!Kernel_AllocateDma(&good, MISALIGNED(grant)));
    CHECK(memcmp(&grant[0], &grant[1], sizeof *grant) == 0); // not written
    // By default the memory is on the device's node.
    DeviceInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetDeviceInfo(device, &info));
    CHECK(Kernel_AllocateDma(&good, grant));
    CHECK(info.Node < 0 || (grant->Node == info.Node && grant->Distance == 10 && grant->FellBack == 0));
    CHECK(grant->Bytes >= good.Bytes && Kernel_GetNumaNodeForAddress(grant->DeviceAddress) == grant->Node);
    // Another node may be asked for, and the distance is the device's.
    for (int node = 0; node < Kernel_GetNumaNodeCount(); node++) {
        NumaPolicy strict = {.Size = sizeof strict, .Kind = NUMA_POLICY_STRICT, .Node = node};
        DmaRequest request = good;
        request.Policy = &strict;
        DmaGrant there = {.Size = sizeof there};
        CHECK(Kernel_AllocateDma(&request, &there) && there.Node == node && there.FellBack == 0);
        CHECK(info.Node < 0 || there.Distance == (uint32_t)Kernel_GetNumaDistance(info.Node, node));
        CHECK(Kernel_FreeDma(there.DeviceAddress));
    }
    // A boundary is kept, and only the first address frees.
    DmaRequest bounded = good;
    bounded.Boundary = 8192;
    for (int i = 0; i < 50; i++) {
        DmaGrant part = {.Size = sizeof part};
        CHECK(Kernel_AllocateDma(&bounded, &part));
        CHECK(part.DeviceAddress / 8192 == (part.DeviceAddress + part.Bytes - 1) / 8192);
        CHECK(!Kernel_FreeDma(part.DeviceAddress + 1) && !Kernel_FreeDma(part.DeviceAddress + PAGE));
        CHECK(Kernel_FreeDma(part.DeviceAddress));
        CHECK(!Kernel_FreeDma(part.DeviceAddress));
    }
    CHECK(!Kernel_FreeDma(0) && !Kernel_FreeDma(UINT64_MAX) && !Kernel_FreeDma(1ull << 52));
    CHECK(!Kernel_FreePages(grant->DeviceAddress, 2)); // DMA memory is not pages
    CHECK(Kernel_FreeDma(grant->DeviceAddress));
}

static const uint32_t constant[4] = {1, 2, 3, 4};

static int timed_device;
static void *timed_memory;
static int timed[2] = {-2, -2};

static void map_in_handler(void *context) {
    (void)context;
    DmaSegment segment;
    timed[0] = Kernel_MapDma(timed_device, timed_memory, KERNEL_DMA_HANDLER_BYTES, DMA_TO_DEVICE, &segment, 1);
    int larger = Kernel_MapDma(timed_device, timed_memory, KERNEL_DMA_HANDLER_BYTES + 1, DMA_TO_DEVICE, &segment, 1);
    __atomic_store_n(&timed[1], larger, __ATOMIC_RELEASE);
}

// A handler maps no more than what takes a short time.
static void maps_in_handler(int device) {
    enum { COUNT = KERNEL_DMA_HANDLER_BYTES / PAGE + 1 };
    DmaSegment segment;
    uint64_t pages = Kernel_AllocatePagesFromNode(COUNT, 0);
    timed_device = device;
    timed_memory = Kernel_PhysToVirt(pages);
    CHECK(Kernel_MapDma(device, timed_memory, COUNT * PAGE, DMA_TO_DEVICE, &segment, 1) == 1);
    int timer = Kernel_CreateTimer(map_in_handler, NULL, -1);
    CHECK(Kernel_SetTimer(timer, 1, 0));
    for (int i = 0; i < 5000 && __atomic_load_n(&timed[1], __ATOMIC_ACQUIRE) == -2; i++) {
        Kernel_SleepThread(1000000);
    }
    CHECK(timed[0] == 1 && timed[1] == -1);
    CHECK(Kernel_DestroyTimer(timer));
    CHECK(Kernel_FreePages(pages, COUNT));
}

// Memory of each CPU is not contiguous.
static void maps_memory_of_cpus(int device) {
    PerCpuGrant grant = {.Size = sizeof grant};
    DmaSegment segments[2];
    CHECK(Kernel_AllocatePerCpu(2 * PAGE, &grant));
    int used = Kernel_MapDma(device, grant.Memory, 2 * PAGE, DMA_FROM_DEVICE, segments, 2);
    CHECK(used == 1 || used == 2);
    CHECK(segments[0].Address == Kernel_VirtToPhys(grant.Memory));
    // The page behind the last part is not mapped.
    char *end = (char *)grant.Memory + (uint64_t)Kernel_GetCpuCount() * grant.Stride;
    CHECK(Kernel_MapDma(device, end - 1, 2, DMA_FROM_DEVICE, segments, 2) == -1);
}

static void maps(int device) {
    enum { PAGES = 8 };
    DmaSegment segments[PAGES + 1];
    uint64_t pages = Kernel_AllocatePagesFromNode(PAGES, 0);
    char *memory = Kernel_PhysToVirt(pages);
    CHECK(Kernel_MapDma(device, memory + 5, PAGES * PAGE - 10, DMA_TO_DEVICE, segments, 1) == 1);
    CHECK(segments->Address == pages + 5 && segments->Bytes == PAGES * PAGE - 10);
    CHECK(Kernel_UnmapDma(device, segments, 1) && Kernel_UnmapDma(device, segments, 0));
    CHECK(!Kernel_UnmapDma(device, segments, -1));
    CHECK(!Kernel_UnmapDma(device, NULL, 1) && !Kernel_UnmapDma(device, NOT_MAPPED, 1));
    CHECK(!Kernel_UnmapDma(device, MISALIGNED(segments), 1));
    CHECK(!Kernel_UnmapDma(device, segments, INT32_MAX));
    // The stack, the heap, and the driver's own data; the sum of the parts is the whole.
    char *block = Kernel_AllocateMemory(3 * PAGE, 0);
    CHECK(Kernel_MapDma(device, block, 3 * PAGE, DMA_FROM_DEVICE, segments, PAGES) >= 1);
    int used = Kernel_MapDma(device, block + 1, 3 * PAGE - 1, DMA_FROM_DEVICE | DMA_TO_DEVICE, segments, PAGES);
    uint64_t sum = 0;
    for (int i = 0; i < used; i++) {
        sum += segments[i].Bytes;
    }
    CHECK(sum == 3 * PAGE - 1 && segments->Address == Kernel_VirtToPhys(block + 1));
    Kernel_FreeMemory(block);
    CHECK(Kernel_MapDma(device, &used, sizeof used, DMA_FROM_DEVICE, segments, 1) == 1);
    CHECK(Kernel_MapDma(device, &errors, sizeof errors, DMA_FROM_DEVICE, segments, 1) == 1);
    CHECK(Kernel_MapDma(device, (void *)constant, sizeof constant, DMA_TO_DEVICE, segments, 1) == 1);
    memset(segments, 0, sizeof segments);
    // What is refused, and writes nothing.
    CHECK(Kernel_MapDma(device, (void *)constant, sizeof constant, DMA_FROM_DEVICE, segments, 1) == -1); // read-only
    CHECK(Kernel_MapDma(device, memory, 0, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, SIZE_MAX, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1ull << 40, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, 0, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, 4, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, segments, 0) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, segments, -1) == -1);
    CHECK(Kernel_MapDma(device, NULL, 1, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, NOT_MAPPED, 1, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, NOT_CANONICAL, 1, DMA_TO_DEVICE, segments, 1) == -1);
    CHECK(Kernel_MapDma(device, (void *)Kernel_Log, 1, DMA_TO_DEVICE, segments, 1) == -1); // the kernel's
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, NULL, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, NOT_CANONICAL, 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, MISALIGNED(segments), 1) == -1);
    CHECK(Kernel_MapDma(device, memory, 1, DMA_TO_DEVICE, (void *)constant, 1) == -1);
    void *registers = Kernel_MapDeviceMemory(device, 0, 0, 8, DEVICE_UNCACHED);
    CHECK(Kernel_MapDma(device, registers, 8, DMA_TO_DEVICE, segments, 1) == -1); // no RAM
    CHECK(Kernel_UnmapDeviceMemory(registers));
    CHECK(segments->Address == 0 && segments->Bytes == 0);
    CHECK(Kernel_FreePages(pages, PAGES));
}

static int shared;

static int rounds(void *argument) {
    (void)argument;
    for (int i = 0; i < 200; i++) {
        DmaRequest request = {.Size = sizeof request, .Device = shared, .Bytes = PAGE, .Flags = DMA_NOT_ZEROED};
        DmaGrant grant = {.Size = sizeof grant};
        Kernel_ClaimDevice(shared);
        if (Kernel_AllocateDma(&request, &grant) && i % 2) {
            Kernel_FreeDma(grant.DeviceAddress); // unless another thread's release has
        }
        void *memory = Kernel_MapDeviceMemory(shared, 0, 0, 16, DEVICE_UNCACHED);
        Kernel_ReadDeviceConfig(shared, 0, 4);
        if (i % 3 == 0) {
            Kernel_UnmapDeviceMemory(memory);
        }
        if (i % 8 == 0) {
            Kernel_ReleaseDevice(shared);
        }
    }
    return 0;
}

static void at_once(int device) {
    int threads[4];
    shared = device;
    for (int i = 0; i < 4; i++) {
        threads[i] = Kernel_CreateThread("rounds", rounds, NULL, i % Kernel_GetNumaNodeCount());
        CHECK(threads[i] > 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(Kernel_JoinThread(threads[i], NULL) == 0);
    }
}

int Driver_Init(void) {
    int device = first_of_class(0x010800), bridge = first_of_class(0x060000);
    CHECK(device > 0 && bridge > 0);
    searches();
    infos(device);
    no_devices(device);
    foreign(device); // nobody's
    foreign(bridge); // the kernel's
    CHECK(!Kernel_ClaimDevice(bridge));
    CHECK(Kernel_ClaimDevice(device) && Kernel_ClaimDevice(device));
    // Whatever owned the device before, it does not master the bus. It was refused, and had enabled the device's memory: the device was
    // reset.
    CHECK((Kernel_ReadDeviceConfig(device, 4, 2) & 7) == 0);
    configuration(device);
    mappings(device);
    requests(device);
    maps(device);
    maps_in_handler(device);
    maps_memory_of_cpus(device);
    CHECK(Kernel_ResetDevice(device));
    CHECK((Kernel_ReadDeviceConfig(device, 4, 2) & 7) == 0 && Kernel_ReadDeviceConfig(device, 0x10, 4) != 0);
    mappings(device);
    Kernel_ReleaseDevice(device);
    Kernel_ReleaseDevice(device); // twice
    foreign(device);
    at_once(device);
    Kernel_ReleaseDevice(device);
    // A device of another driver, if there is one.
    int edu = first_of_class(0x00ff00);
    DeviceInfo info = {.Size = sizeof info};
    if (edu > 0 && Kernel_GetDeviceInfo(edu, &info) && info.Owner[0] != 0) {
        CHECK(!Kernel_ClaimDevice(edu));
        foreign(edu);
        CHECK(Kernel_GetDeviceInfo(edu, &info) && info.Owner[0] != 0);
        Kernel_Log(KERNEL_LOG_INFO, "another driver's device stays its own", 37);
    }
    return -errors;
}
