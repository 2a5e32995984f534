// reloads: unloads the drivers of the disks and loads them again, with requests outstanding, and reads the disks each time. No page is lost.
// The soak `reloads` boots many copies of it.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"
#include "../free_pages.h"

#define ROUNDS 5
#define FEW_PAGES 16 // what the heaps may hold more or less
#define OUTSTANDING 8

static uint32_t done, gone, wrong;
static uint64_t page;

static void ended(BlockRequest *request) {
    uint32_t *count = request->Status == BLOCK_OK ? &done : request->Status == BLOCK_GONE ? &gone : &wrong;
    __atomic_fetch_add(count, 1, __ATOMIC_RELEASE);
}

static uint32_t total(void) {
    return __atomic_load_n(&done, __ATOMIC_ACQUIRE) + __atomic_load_n(&gone, __ATOMIC_ACQUIRE) + __atomic_load_n(&wrong, __ATOMIC_ACQUIRE);
}

static BlockRequest requests[OUTSTANDING];
static DmaSegment segment;

// Submits reads that sleep, and does not wait for them. Returns how many were accepted.
static int submit(int block) {
    BlockRequest *all[OUTSTANDING];
    segment = (DmaSegment){.Address = page, .Bytes = 4096};
    for (int i = 0; i < OUTSTANDING; i++) {
        requests[i] = (BlockRequest){
            .Size = sizeof requests[i], .Operation = BLOCK_READ, .Count = 8, .SegmentCount = 1, .Segments = &segment,
            .Done = ended, .Queue = -1};
        all[i] = &requests[i];
    }
    return Kernel_SubmitBlock(block, all, OUTSTANDING);
}

static void wait_for(uint32_t count) {
    for (int tries = 0; tries < 5000 && total() < count; tries++) {
        Kernel_SleepThread(1000000);
    }
    CHECK(total() == count);
}

static void reload(const char *driver, const char *disk, int rounds) {
    for (int round = 0; round < rounds; round++) {
        int block = Kernel_OpenBlock(disk, 0);
        CHECK(block > 0);
        uint32_t before = total();
        int accepted = submit(block);
        CHECK(accepted == OUTSTANDING);
        wait_for(before + (uint32_t)accepted);
        CHECK(gone == 0 && wrong == 0);
        // These end with their data, or as gone.
        accepted = submit(block);
        CHECK(Kernel_UnloadDriver(driver) == 0);
        CHECK(total() == before + OUTSTANDING + (uint32_t)accepted && wrong == 0);
        CHECK(Kernel_OpenBlock(disk, 0) == -1);
        CHECK(submit(block) == -1);
        CHECK(Kernel_LoadDriver(driver) == 0);
        gone = 0;
        done = 0;
    }
}

int Driver_Init(void) {
    page = Kernel_AllocatePage();
    CHECK(page != 0);
    // The first round brings page tables and lists that the kernel keeps for ever.
    reload("nvme", "nvme0", 1);
    reload("virtio_blk", "vblk0", 1);
    uint64_t before = free_pages();
    reload("nvme", "nvme0", ROUNDS - 1);
    reload("virtio_blk", "vblk0", ROUNDS - 1);
    CHECK(free_pages() + FEW_PAGES >= before);
    Kernel_FreePage(page);
    return -errors;
}
