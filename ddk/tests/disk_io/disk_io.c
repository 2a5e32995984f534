// disk_io: a client of the virtio disks that the driver virtio_blk has registered. It writes, reads back and compares, from every CPU, in
// batches, with several segments, polled and asleep. The test that boots it looks into the disk's file afterwards.
//
// - CPU i writes 64 blocks from block 2048 + 64 i on: byte k of them is `byte_at(i, k)`.
// - The driver logs the result of reading block 1024, which the test may have broken.
//
// It logs each thing that does not hold, and refuses to start with their number as its code. Without a disk it does nothing.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define MAX_CPUS 64
#define PAGE ((uint64_t)KERNEL_PAGE_SIZE)
#define AREA 64          // blocks of each CPU
#define BATCH 16         // requests at a time
#define FIRST_AREA 2048  // the block
#define BROKEN 1024      // the block
#define TIMEOUT 20000000000ull
#define ROUNDS 100

static int disk;
static BlockInfo info;

typedef struct {
    _Alignas(64) BlockRequest request;
    DmaSegment segments[4];
    Completion completion;
} Request;

static void done(BlockRequest *request) {
    Request *own = request->Context;
    Completion_Complete(&own->completion, request->Status);
}

// Prepares a request of one segment.
static void prepare(Request *own, int operation, uint64_t block, uint32_t count, uint64_t address, bool is_polled) {
    uint32_t state = own->request.State;
    memset(&own->completion, 0, sizeof own->completion);
    own->segments[0] = (DmaSegment){.Address = address, .Bytes = (uint64_t)count * info.BlockSize};
    own->request = (BlockRequest){
        .Size = sizeof own->request,
        .Operation = (uint16_t)operation,
        .Flags = is_polled ? BLOCK_POLLED : 0,
        .Count = count,
        .SegmentCount = operation != BLOCK_FLUSH,
        .Block = block,
        .Segments = own->segments,
        .Done = done,
        .Context = own,
        .Queue = -1,
        .Status = 99,
        .State = state,
    };
}

// Submits requests, as often as the queue is full.
static void submit(BlockRequest **requests, int count) {
    while (count > 0) {
        int accepted = Kernel_SubmitBlock(disk, requests, count);
        CHECK(accepted >= 0);
        if (accepted < 0) {
            return;
        }
        requests += accepted;
        count -= accepted;
        Kernel_PollBlock(disk, -1);
    }
}

// Waits for the request, by polling or asleep. Returns its status; 98 if it does not end.
static int wait(Request *own) {
    int32_t status = 98;
    if (own->request.Flags & BLOCK_POLLED) {
        uint64_t end = Kernel_GetTime() + TIMEOUT;
        // Each thread stays on its CPU.
        while (!Event_IsSet(&own->completion.Ended) && Kernel_GetTime() < end) {
            Kernel_PollBlock(disk, -1);
        }
        return Event_IsSet(&own->completion.Ended) ? own->completion.Status : 98;
    }
    Completion_WaitFor(&own->completion, TIMEOUT, &status);
    return status;
}

static int perform(Request *own) {
    BlockRequest *request = &own->request;
    submit(&request, 1);
    return wait(own);
}

static unsigned char byte_at(int cpu, uint64_t offset) {
    return (unsigned char)((uint64_t)cpu * 31 + (offset >> 9) * 7 + offset);
}

// Writes the CPU's area, in batches of requests.
static void write_area(int cpu, Request *own, uint64_t pages, bool is_polled) {
    uint64_t size = info.BlockSize, first = FIRST_AREA + (uint64_t)cpu * AREA;
    unsigned char *memory = Kernel_PhysToVirt(pages);
    BlockRequest *batch[BATCH];
    for (uint32_t at = 0; at < AREA; at += BATCH) {
        for (uint64_t i = 0; i < BATCH * size; i++) {
            memory[i] = byte_at(cpu, at * size + i);
        }
        for (uint32_t i = 0; i < BATCH; i++) {
            prepare(&own[i], BLOCK_WRITE, first + at + i, 1, pages + i * size, is_polled);
            batch[i] = &own[i].request;
        }
        submit(batch, BATCH);
        for (uint32_t i = 0; i < BATCH; i++) {
            CHECK(wait(&own[i]) == BLOCK_OK);
        }
    }
}

// Reads a batch of blocks of the area with one request into three segments that lie out of order, and compares.
static void read_segments(int cpu, Request *own, uint64_t pages, uint32_t at, bool is_polled) {
    uint64_t size = info.BlockSize, bytes = BATCH * size;
    unsigned char *memory = Kernel_PhysToVirt(pages);
    memset(memory, 0, bytes + PAGE);
    prepare(own, BLOCK_READ, FIRST_AREA + (uint64_t)cpu * AREA + at, BATCH, 0, is_polled);
    bool has_segments = info.MaxSegments >= 3;
    own->request.SegmentCount = has_segments ? 3 : 1;
    own->segments[0] = (DmaSegment){pages + bytes - 1000, has_segments ? 1000 : bytes};
    own->segments[1] = (DmaSegment){pages + bytes + 512, 72};
    own->segments[2] = (DmaSegment){pages, bytes - 1072};
    if (!has_segments) {
        own->segments[0].Address = pages;
    }
    CHECK(perform(own) == BLOCK_OK);
    int different = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        uint64_t place = !has_segments ? i : i < 1000 ? bytes - 1000 + i : i < 1072 ? bytes + 512 + i - 1000 : i - 1072;
        different += memory[place] != byte_at(cpu, at * size + i);
    }
    CHECK(different == 0);
}

static int use(void *argument) {
    int cpu = (int)(intptr_t)argument;
    uint64_t count = BATCH * info.BlockSize / PAGE + 1;
    uint64_t pages = Kernel_AllocatePagesFromNode(count, Kernel_GetCurrentNumaNode());
    Request *own = Kernel_AllocateMemory(BATCH * sizeof *own, 64);
    CHECK(pages != 0 && own != NULL);
    if (pages == 0 || own == NULL) {
        return 0;
    }
    memset(own, 0, BATCH * sizeof *own);
    // Many CPUs that poll would leave the host no time to answer.
    bool may_poll = Kernel_GetCpuCount() <= 8;
    for (int way = may_poll ? 0 : 1; way < 2; way++) {
        bool is_polled = way == 0;
        write_area(cpu, own, pages, is_polled);
        prepare(&own[0], BLOCK_FLUSH, 0, 0, 0, is_polled);
        CHECK(perform(&own[0]) == BLOCK_OK);
        for (uint32_t at = 0; at < AREA; at += BATCH) {
            read_segments(cpu, &own[0], pages, at, is_polled);
        }
    }
    // One that sleeps among others that poll.
    for (int round = 0; may_poll && round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            prepare(&own[i], BLOCK_READ, FIRST_AREA + (uint64_t)cpu * AREA, 1, pages, i != round % 4);
            BlockRequest *request = &own[i].request;
            submit(&request, 1);
        }
        CHECK(wait(&own[round % 4]) == BLOCK_OK);
        for (int i = 0; i < 4; i++) {
            CHECK(wait(&own[i]) == BLOCK_OK);
        }
    }
    Kernel_FreeMemory(own);
    CHECK(Kernel_FreePages(pages, count));
    return 0;
}

static int use_pinned(void *argument) {
    uint64_t end = Kernel_GetTime() + TIMEOUT;
    while (Kernel_GetCurrentCpu() != (int)(intptr_t)argument && Kernel_GetTime() < end) {
        Kernel_YieldThread();
    }
    return use(argument);
}

static void on_every_cpu(void) {
    int threads[MAX_CPUS], count = Kernel_GetCpuCount();
    count = count < MAX_CPUS ? count : MAX_CPUS;
    for (int cpu = 0; cpu < count; cpu++) {
        uint64_t cpus[4] = {0};
        cpus[cpu / 64] = 1ull << cpu % 64;
        threads[cpu] = Kernel_CreateThread("disk_io", use_pinned, (void *)(intptr_t)cpu, -1);
        CHECK(threads[cpu] > 0 && Kernel_SetThreadAffinity(threads[cpu], cpus, 4) == 0);
    }
    for (int cpu = 0; cpu < count; cpu++) {
        CHECK(threads[cpu] <= 0 || Kernel_JoinThread(threads[cpu], NULL) == 0);
    }
}

#define LOG(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

static void read_broken(void) {
    static Request own;
    uint64_t page = Kernel_AllocatePage();
    for (int way = 0; way < 2; way++) {
        prepare(&own, BLOCK_READ, BROKEN, 1, page, way == 0);
        int status = perform(&own);
        if (status == BLOCK_OK) {
            LOG("block 1024: read");
        } else if (status == BLOCK_ERROR) {
            LOG("block 1024: error");
        } else if (status == BLOCK_GONE) {
            LOG("block 1024: gone");
        } else {
            CHECK(status == 0);
        }
    }
    CHECK(Kernel_FreePage(page));
}

int Driver_Init(void) {
    disk = Kernel_OpenBlock("vblk0", 0);
    info.Size = sizeof info;
    if (disk <= 0 || !Kernel_GetBlockInfo(disk, &info)) {
        LOG("there is no disk vblk0");
        return 0;
    }
    read_broken();
    on_every_cpu();
    if (errors == 0) {
        LOG("every CPU has read what it wrote");
    }
    return -errors;
}
