// disk_silent: reads disks that do not answer in time. The test lets the disks pass a number of bytes a second: the long request before is
// served at once, and the next one waits for so long that its driver gives up. It must end with an error, and the one after it is served.
//
// A thread runs the test, so that the boot does not wait for it. It logs each thing that does not hold, and at the end that it is done.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define SECOND 1000000000ull
#define TIMEOUT (60 * SECOND)
#define LONG (256u << 10)
#define MOST_DISKS 4
#define WAITING 3 // requests at a time

#define LOG(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

typedef struct {
    _Alignas(64) BlockRequest request;
    DmaSegment segment;
    Completion completion;
} Request;

typedef struct {
    int block;
    BlockInfo info;
    uint64_t memory;
    Request requests[WAITING];
} Disk;

static Disk disks[MOST_DISKS];
static int count;

static void done(BlockRequest *request) {
    Completion_Complete(request->Context, request->Status);
}

static void submit(Disk *disk, Request *own, uint32_t bytes, bool is_polled) {
    uint32_t state = own->request.State;
    memset(&own->completion, 0, sizeof own->completion);
    own->segment = (DmaSegment){.Address = disk->memory, .Bytes = bytes};
    own->request = (BlockRequest){
        .Size = sizeof own->request,
        .Operation = BLOCK_READ,
        .Flags = is_polled ? BLOCK_POLLED : 0,
        .Count = bytes / disk->info.BlockSize,
        .SegmentCount = 1,
        .Segments = &own->segment,
        .Done = done,
        .Context = &own->completion,
        .State = state,
    };
    BlockRequest *request = &own->request;
    CHECK(Kernel_SubmitBlock(disk->block, &request, 1) == 1);
}

// Waits for a request, and polls in case it is one that needs that. Returns its status.
static int32_t wait(Disk *disk, Request *own) {
    int32_t status = 98;
    for (uint64_t end = Kernel_GetTime() + TIMEOUT; Kernel_GetTime() < end;) {
        if (Completion_WaitFor(&own->completion, SECOND / 100, &status)) {
            return status;
        }
        if (own->request.Flags & BLOCK_POLLED) {
            Kernel_PollBlock(disk->block, 0);
        }
    }
    return status;
}

static int run(void *unused) {
    (void)unused;
    for (int i = 0; i < count; i++) {
        submit(&disks[i], &disks[i].requests[0], LONG, false);
    }
    for (int i = 0; i < count; i++) {
        CHECK(wait(&disks[i], &disks[i].requests[0]) == BLOCK_OK);
    }
    uint64_t start = Kernel_GetTime();
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WAITING; k++) {
            submit(&disks[i], &disks[i].requests[k], disks[i].info.BlockSize, k % 2);
        }
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WAITING; k++) {
            CHECK(wait(&disks[i], &disks[i].requests[k]) == BLOCK_ERROR);
        }
    }
    CHECK(Kernel_GetTime() - start >= 9 * SECOND);
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WAITING; k++) {
            submit(&disks[i], &disks[i].requests[k], disks[i].info.BlockSize, k % 2);
        }
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < WAITING; k++) {
            CHECK(wait(&disks[i], &disks[i].requests[k]) == BLOCK_OK);
        }
    }
    LOG("the disks have failed what they did not answer, and go on");
    return 0;
}

int Driver_Init(void) {
    for (int block = 0; count < MOST_DISKS && (block = Kernel_OpenBlock(NULL, block)) > 0; count++) {
        disks[count].block = block;
        disks[count].info.Size = sizeof disks[count].info;
        CHECK(Kernel_GetBlockInfo(block, &disks[count].info));
        disks[count].memory = Kernel_AllocatePagesFromNode(LONG / KERNEL_PAGE_SIZE, 0);
    }
    return Kernel_CreateThread("disk_silent", run, NULL, -1) > 0 ? 0 : -1;
}
