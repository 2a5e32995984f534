// hostages: has one thing of each kind, and tells the driver `fuzz_exports` which, so that that one tries to get hold of them.
//
// A soak builds it with -DSEED=…, -DCALLS=… for a round, -DLEAVE=…: so many pages it leaves free, taking all others, and
// -DKEEPS_MEMORY=….
#include "hostages.h"

#include <proxima_freestanding.h>

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define PAGES 5

#ifndef SEED
#define SEED 1
#define CALLS 20000
#define LEAVE 2000
#define KEEPS_MEMORY 0
#endif

static Hostages table = {.seed = SEED, .calls = CALLS, .page_count = PAGES, .keeps_memory = KEEPS_MEMORY};

static void expired(void *context) {
    (void)context;
}

static int submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context, (void)queue, (void)requests, (void)count;
    return 0;
}

static int poll(void *context, int queue) {
    (void)context, (void)queue;
    return 0;
}

static int take_device(void) {
    DeviceMatch match = {.Size = sizeof match, .Vendor = EDU_VENDOR, .Device = EDU_DEVICE, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&match, 0);
    DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = 5000};
    DmaGrant grant = {.Size = sizeof grant};
    if (device <= 0 || !Kernel_ClaimDevice(device) || !Kernel_AllocateDma(&request, &grant)) {
        return -1;
    }
    table.device = device;
    table.dma = grant.DeviceAddress;
    return 0;
}

// Takes all pages but so many.
static void take_pages(uint64_t leave) {
    PageRequest request = {.Size = sizeof request, .Count = 1};
    PageGrant grant = {.Size = sizeof grant};
    uint64_t last = 0;
    while (Kernel_AllocatePages(&request, &grant)) {
        *(uint64_t *)Kernel_PhysToVirt(grant.Address) = last;
        last = grant.Address;
    }
    for (uint64_t page = 0; page < leave && last != 0; page++) {
        uint64_t next = *(uint64_t *)Kernel_PhysToVirt(last);
        Kernel_FreePage(last);
        last = next;
    }
}

int Driver_Init(void) {
    table.page = Kernel_AllocatePage();
    table.pages = Kernel_AllocatePagesFromNode(PAGES, 0);
    table.block = Kernel_AllocateMemory(sizeof *table.block, 0);
    table.timer = Kernel_CreateTimer(expired, NULL, -1);
    BlockDriver disk = {.Size = sizeof disk, .BlockSize = 512, .Blocks = 8, .MaxBytes = 512, .MaxSegments = 1, .Queues = 1, .Depth = 1, .Name = "hostage", .Submit = submit, .Poll = poll};
    table.disk = Kernel_RegisterBlock(&disk);
    if (table.page == 0 || table.pages == 0 || table.block == NULL || table.timer <= 0 || table.disk <= 0 || take_device() != 0) {
        return -1;
    }
    *table.block = HOSTAGES_MARK;
    take_pages(LEAVE);
    return Kernel_PublishInterface(HOSTAGES_NAME, HOSTAGES_VERSION, &table, sizeof table) ? 0 : -2;
}
