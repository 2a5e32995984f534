// disk_lost: takes the disks of the machine away while they are used. It submits requests to each disk, switches the power of the slot off
// in which its device is, as a hand that pulls the device out, and submits more. Each request must end once, those behind the loss as
// gone; then the block device and the device must be gone. The other disks go on.
//
// A driver cannot reach the bridge above a device through the kernel, which owns it. So this one uses the ports of configuration space: the
// test boots machines with ECAM, where the kernel does not use them.
//
// It logs each thing that does not hold, and refuses to start with their number as its code.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define TIMEOUT 30000000000ull
#define PAUSE 10000000ull
#define COUNT 8 // requests to each queue before the loss, and so many behind it
#define MOST_QUEUES 4

// Slot control (PCI Express 6.0, section 7.5.3.10): the power indicator off, and the power off.
#define CAPABILITY_EXPRESS 0x10
#define SLOT_CONTROL 0x18
#define POWER_OFF 0x700

#define LOG(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

typedef struct {
    _Alignas(64) BlockRequest request;
    DmaSegment segment;
    Completion completion;
    uint32_t ends; // how often it has ended
    bool is_behind; // it was submitted behind the loss
} Request;

// ---- Configuration space ----

static void out32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value) {
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void select_register(const DeviceInfo *at, uint32_t offset) {
    out32(0xcf8, 1u << 31 | (uint32_t)at->Bus << 16 | (uint32_t)at->Slot << 11 | (uint32_t)at->Function << 8 | (offset & 0xfc));
}

static uint32_t read_register(const DeviceInfo *at, uint32_t offset) {
    select_register(at, offset);
    return in32(0xcfc);
}

// Finds the bridge that leads to the bus of a device.
static bool find_bridge(const DeviceInfo *device, DeviceInfo *bridge) {
    DeviceMatch bridges = {.Size = sizeof bridges,
        .Vendor = 0xffff, .Device = 0xffff, .SubVendor = 0xffff, .SubDevice = 0xffff, .Class = 0x060400, .ClassMask = 0xffff00};
    for (int id = 0; (id = Kernel_FindDevice(&bridges, id)) > 0;) {
        bridge->Size = sizeof *bridge;
        if (Kernel_GetDeviceInfo(id, bridge) && (read_register(bridge, 0x18) >> 8 & 0xff) == device->Bus) {
            return true;
        }
    }
    return false;
}

// Switches the power of the bridge's slot off. Returns false if it has no slot.
static bool power_off(const DeviceInfo *bridge) {
    for (uint32_t at = read_register(bridge, 0x34) & 0xfc, steps = 0; at != 0 && steps < 48; steps++) {
        uint32_t header = read_register(bridge, at);
        if ((header & 0xff) == CAPABILITY_EXPRESS) {
            select_register(bridge, at + SLOT_CONTROL);
            out16(0xcfc, POWER_OFF);
            return true;
        }
        at = header >> 8 & 0xfc;
    }
    return false;
}

// ---- Requests ----

static void done(BlockRequest *request) {
    Request *own = request->Context;
    __atomic_fetch_add(&own->ends, 1, __ATOMIC_RELAXED);
    Completion_Complete(&own->completion, request->Status);
}

static void prepare(Request *own, const BlockInfo *info, uint64_t page, int queue, uint16_t flags) {
    memset(own, 0, sizeof *own);
    own->segment = (DmaSegment){.Address = page, .Bytes = info->BlockSize};
    own->request = (BlockRequest){
        .Size = sizeof own->request,
        .Operation = BLOCK_READ,
        .Flags = flags,
        .Count = 1,
        .SegmentCount = 1,
        .Segments = &own->segment,
        .Done = done,
        .Context = own,
        .Queue = queue,
    };
}

// Submits requests to each queue, polled and asleep in turn. Nobody polls. Returns how many there are now.
static int submit(int block, const BlockInfo *info, uint64_t page, Request *requests, int count, bool is_behind) {
    uint32_t queues = info->Queues < MOST_QUEUES ? info->Queues : MOST_QUEUES;
    for (uint32_t queue = 0; queue < queues; queue++) {
        for (int i = 0; i < COUNT; i++) {
            Request *own = &requests[count];
            prepare(own, info, page, (int)queue, i % 2 ? BLOCK_POLLED : 0);
            own->is_behind = is_behind;
            BlockRequest *request = &own->request;
            int accepted = Kernel_SubmitBlock(block, &request, 1);
            // The disk may be gone already.
            CHECK(accepted == 1 || is_behind);
            count += accepted == 1;
        }
    }
    return count;
}

static void check(Request *requests, int count) {
    for (int i = 0; i < count; i++) {
        int32_t status = 1;
        CHECK(Completion_WaitFor(&requests[i].completion, TIMEOUT, &status));
        CHECK(requests[i].is_behind ? status == BLOCK_GONE : status == BLOCK_GONE || status == BLOCK_OK);
    }
    Kernel_SleepThread(PAUSE);
    for (int i = 0; i < count; i++) {
        CHECK(__atomic_load_n(&requests[i].ends, __ATOMIC_RELAXED) == 1);
    }
}

// ---- The test ----

// Waits until the device is nobody's any more.
static bool is_gone(int device) {
    DeviceInfo info = {.Size = sizeof info};
    for (uint64_t end = Kernel_GetTime() + TIMEOUT; Kernel_GetTime() < end; Kernel_SleepThread(PAUSE)) {
        if (!Kernel_GetDeviceInfo(device, &info)) {
            return true;
        }
    }
    return false;
}

static void lose(int block, const BlockInfo *info, int device, const DeviceInfo *device_info, uint64_t page) {
    static Request requests[2 * COUNT * MOST_QUEUES];
    DeviceInfo bridge;
    DeviceMatch all = {.Size = sizeof all,
        .Vendor = device_info->VendorId, .Device = device_info->DeviceId, .SubVendor = 0xffff, .SubDevice = 0xffff};
    if (!find_bridge(device_info, &bridge)) {
        CHECK(!"a bridge leads to the disk");
        return;
    }
    int count = submit(block, info, page, requests, 0, false);
    CHECK(power_off(&bridge));
    CHECK(read_register(device_info, 0) == UINT32_MAX);
    count = submit(block, info, page, requests, count, true);
    check(requests, count);
    CHECK(is_gone(device));
    CHECK(Kernel_OpenBlock(info->Name, 0) == -1);
    CHECK(!Kernel_GetBlockInfo(block, &(BlockInfo){.Size = sizeof(BlockInfo)}));
    CHECK(!Kernel_ClaimDevice(device));
    for (int id = 0; (id = Kernel_FindDevice(&all, id)) > 0;) {
        CHECK(id != device);
    }
    LOG("a disk is gone, its requests know, and its device is nobody's");
}

// A disk that is left serves its requests.
static void read_one(int block, const BlockInfo *info, uint64_t page) {
    static Request request;
    BlockRequest *submitted = &request.request;
    int32_t status = 1;
    prepare(&request, info, page, 0, 0);
    CHECK(Kernel_SubmitBlock(block, &submitted, 1) == 1);
    CHECK(Completion_WaitFor(&request.completion, TIMEOUT, &status) && status == BLOCK_OK);
}

int Driver_Init(void) {
    uint64_t page = Kernel_AllocatePage();
    BlockInfo info = {.Size = sizeof info};
    DeviceInfo device_info = {.Size = sizeof device_info};
    // The id of a disk that is gone still leads to the next one.
    for (int block = 0; (block = Kernel_OpenBlock(NULL, block)) > 0;) {
        CHECK(Kernel_GetBlockInfo(block, &info) && Kernel_GetDeviceInfo(info.Device, &device_info));
        if (device_info.Bus != 0) {
            lose(block, &info, info.Device, &device_info, page);
        }
    }
    for (int block = 0; (block = Kernel_OpenBlock(NULL, block)) > 0;) {
        CHECK(Kernel_GetBlockInfo(block, &info));
        read_one(block, &info, page);
    }
    Kernel_FreePage(page);
    LOG("the disks that are left go on");
    return -errors;
}
