// uses_disks: reads, writes and flushes the disks that there are, unloads some drivers, and waits for the end of them and of all requests.
//
// It always refuses to start, and its code says what it has found: see `enum` below. The soak `faults` loads a copy of it after each driver with
// a fault, and after sound ones. Each copy has the names of the drivers that it unloads in its file.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define MS 1000000ull
#define REQUESTS 12
#define DISKS 2
#define BLOCK_WAIT_MS 300
#define END_WAIT_MS 60000

// The soak finds the names by what stands before them.
static volatile struct {
    char mark[16];
    char names[2][32];
} own = {"to be unloaded:", {"", ""}};

enum {
    WELL = 10, // and the number of disks: each request has ended well
    NOT_WELL = 20, // and the number of disks: a request was refused, has failed, or has not ended in time
    LOST = 30, // a request has not ended, though its disk's driver has
};

typedef struct {
    BlockRequest request;
    DmaSegment segment;
    bool is_accepted;
    uint32_t has_ended;
} Use;

static Use uses[DISKS][REQUESTS];
static uint32_t failures;

static void done(BlockRequest *request) {
    Use *use = request->Context;
    if (request->Status != BLOCK_OK) {
        __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    }
    // A driver with a fault may have completed one that it has refused.
    __atomic_store_n(&use->has_ended, 1, __ATOMIC_RELEASE);
}

// Returns true if each request that a disk's driver has accepted has ended.
static bool have_ended(int disk) {
    for (int i = 0; i < REQUESTS; i++) {
        if (uses[disk][i].is_accepted && !__atomic_load_n(&uses[disk][i].has_ended, __ATOMIC_ACQUIRE)) {
            return false;
        }
    }
    return true;
}

// Submits requests of all kinds to a disk, the later ones polled, and waits for their end.
static void use_disk(int block, int disk, uint64_t pages) {
    for (int i = 0; i < REQUESTS; i++) {
        bool is_polled = i >= REQUESTS / 2, is_flush = i % 6 == 5;
        int operation = is_flush ? BLOCK_FLUSH : i % 6 == 4 ? BLOCK_WRITE : BLOCK_READ;
        Use *use = &uses[disk][i];
        BlockRequest *request = &use->request;
        use->segment = (DmaSegment){.Address = pages + (uint64_t)i * 4096, .Bytes = 4096};
        *request = (BlockRequest){.Size = sizeof *request, .Operation = (uint16_t)operation, .Flags = is_polled ? BLOCK_POLLED : 0,
                                  .Block = is_flush ? 0 : (uint64_t)i * 64, .Count = is_flush ? 0 : 8,
                                  .SegmentCount = is_flush ? 0 : 1, .Segments = is_flush ? NULL : &use->segment,
                                  .Done = done, .Context = use, .Queue = -1};
        use->is_accepted = Kernel_SubmitBlock(block, &request, 1) == 1;
        if (!use->is_accepted) {
            __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
        }
    }
    for (int tries = 0; tries < BLOCK_WAIT_MS && !have_ended(disk); tries++) {
        Kernel_PollBlock(block, -1);
        if (!have_ended(disk)) {
            Kernel_SleepThread(MS);
        }
    }
}

// Returns true if the driver of this name owns a device.
static bool owns_device(const char *name) {
    DeviceMatch any = {.Size = sizeof any, .Vendor = DEVICE_ANY, .Device = DEVICE_ANY, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    DeviceInfo info = {.Size = sizeof info};
    for (int device = 0; (device = Kernel_FindDevice(&any, device)) > 0;) {
        int length = 0;
        CHECK(Kernel_GetDeviceInfo(device, &info));
        while (info.Owner[length] != 0 && info.Owner[length] == name[length]) {
            length++;
        }
        if (info.Owner[0] != 0 && info.Owner[length] == name[length]) {
            return true;
        }
    }
    return false;
}

// Unloads a driver. If it has failed, the kernel is about to do that: then waits for the end.
static void unload(const char *name) {
    Kernel_UnloadDriver(name);
    for (int tries = 0; tries < END_WAIT_MS && owns_device(name); tries++) {
        Kernel_SleepThread(MS);
    }
}

int Driver_Init(void) {
    static const char *const disk_names[DISKS] = {"nvme0", "vblk0"};
    PageRequest request = {.Size = sizeof request, .Count = REQUESTS};
    PageGrant grant = {.Size = sizeof grant};
    CHECK(Kernel_AllocatePages(&request, &grant));
    int disks = 0;
    for (int i = 0; i < DISKS && errors == 0; i++) {
        int block = Kernel_OpenBlock(disk_names[i], 0);
        if (block > 0) {
            disks++;
            use_disk(block, i, grant.Address);
        }
    }
    bool is_well = have_ended(0) && have_ended(1) && __atomic_load_n(&failures, __ATOMIC_RELAXED) == 0;
    for (int i = 0; i < 2 && own.names[i][0] != 0; i++) {
        unload((const char *)own.names[i]);
    }
    // The end of a disk's driver ends its requests.
    return !have_ended(0) || !have_ended(1) ? LOST : (is_well ? WELL : NOT_WELL) + disks;
}
