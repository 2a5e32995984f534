// disk_soak: threads on all CPUs read blocks of all disks at random, while the kernel moves the disks' interrupts from CPU to CPU
// (parameter move-interrupts). Each request ends exactly once, and brings the data of its blocks.
//
// It first writes to each disk what it will read: each word of a block says which disk and which word it is. It logs each thing that does
// not hold, and refuses to start with their number as its code.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#define READS 10000 // of all threads together
#define MAX_CPUS 64
#define MAX_DISKS 4
#define BATCH 8      // requests of a thread at a time
#define PIECES 1024  // the pieces of a disk that are used
#define PIECE 4096ull // bytes of a piece
#define TIMEOUT 20000000000ull

typedef struct {
    _Alignas(64) BlockRequest request;
    DmaSegment segment;
    Semaphore *ended;
    // How many times Done was called since the request was submitted.
    uint32_t ends;
    uint64_t piece;
} Request;

typedef struct {
    int block;
    BlockInfo info;
} Disk;

static Disk disks[MAX_DISKS];
static int disk_count, errors;
static uint32_t reads, moves;

#define CHECK(holds) ((holds) ? (void)0 : failed("this does not hold: " #holds, sizeof "this does not hold: " #holds - 1))

static void failed(const char *what, size_t length) {
    // A few lines say as much as thousands.
    if (__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED) < 20) {
        Kernel_Log(KERNEL_LOG_ERROR, what, length);
    }
}

static uint64_t word_of(int disk, uint64_t piece, uint64_t word) {
    return (uint64_t)(disk + 1) << 56 | piece << 16 | word;
}

static void done(BlockRequest *request) {
    Request *own = request->Context;
    __atomic_fetch_add(&own->ends, 1, __ATOMIC_RELEASE);
    Semaphore_Up(own->ended);
}

// Reads or writes a piece for each request, in one batch, and waits for all of them.
static void perform(const Disk *disk, Request *requests, int operation) {
    BlockRequest *batch[BATCH];
    uint32_t blocks = (uint32_t)(PIECE / disk->info.BlockSize);
    for (int i = 0; i < BATCH; i++) {
        Request *own = &requests[i];
        own->ends = 0;
        own->request.Size = sizeof own->request;
        own->request.Operation = (uint16_t)operation;
        own->request.Count = blocks;
        own->request.SegmentCount = 1;
        own->request.Block = own->piece * blocks;
        own->request.Segments = &own->segment;
        own->request.Done = done;
        own->request.Context = own;
        own->request.Queue = -1;
        batch[i] = &own->request;
    }
    for (int accepted = 0; accepted < BATCH;) {
        int more = Kernel_SubmitBlock(disk->block, batch + accepted, BATCH - accepted);
        CHECK(more >= 0);
        if (more < 0) {
            return;
        }
        accepted += more;
        if (accepted < BATCH) {
            Kernel_YieldThread();
        }
    }
    for (int i = 0; i < BATCH; i++) {
        CHECK(Semaphore_DownFor(requests[0].ended, TIMEOUT));
    }
    for (int i = 0; i < BATCH; i++) {
        CHECK(__atomic_load_n(&requests[i].ends, __ATOMIC_ACQUIRE) == 1);
        CHECK(requests[i].request.Status == BLOCK_OK);
    }
}

static uint64_t *memory_of(const Request *request) {
    return Kernel_PhysToVirt(request->segment.Address);
}

// Returns a thread's requests, each with a page, or null.
static Request *make_requests(Semaphore *ended, uint64_t *pages) {
    Request *requests = Kernel_AllocateMemory(BATCH * sizeof *requests, 64);
    *pages = Kernel_AllocatePagesFromNode(BATCH, Kernel_GetCurrentNumaNode());
    CHECK(requests != NULL && *pages != 0);
    if (requests == NULL || *pages == 0) {
        return NULL;
    }
    memset(requests, 0, BATCH * sizeof *requests);
    for (int i = 0; i < BATCH; i++) {
        requests[i].segment = (DmaSegment){.Address = *pages + (uint64_t)i * PIECE, .Bytes = PIECE};
        requests[i].ended = ended;
    }
    return requests;
}

static void write_disks(void) {
    static Semaphore ended;
    uint64_t pages;
    Request *requests = make_requests(&ended, &pages);
    for (int d = 0; requests != NULL && d < disk_count; d++) {
        for (uint64_t piece = 0; piece < PIECES; piece += BATCH) {
            for (int i = 0; i < BATCH; i++) {
                requests[i].piece = piece + (uint64_t)i;
                for (uint64_t word = 0; word < PIECE / 8; word++) {
                    memory_of(&requests[i])[word] = word_of(d, piece + (uint64_t)i, word);
                }
            }
            perform(&disks[d], requests, BLOCK_WRITE);
        }
    }
    Kernel_FreeMemory(requests);
    CHECK(pages == 0 || Kernel_FreePages(pages, BATCH));
}

// Notes that the disk's first interrupt is on another CPU than a while ago.
static void look_at_interrupt(const Disk *disk, int *cpu) {
    InterruptInfo info = {.Size = sizeof info};
    if (Kernel_GetInterruptInfo(disk->info.Device, 0, &info) && info.Cpu != *cpu) {
        *cpu = info.Cpu;
        __atomic_fetch_add(&moves, 1, __ATOMIC_RELAXED);
    }
}

static int use(void *argument) {
    // Not on the stack: a handler may still look for waiters when the thread has ended.
    static Semaphore semaphores[MAX_CPUS];
    Semaphore *ended = &semaphores[(intptr_t)argument - 1];
    uint64_t random = (uint64_t)(intptr_t)argument * 0x9e3779b97f4a7c15 + 1;
    uint64_t pages;
    Request *requests = make_requests(ended, &pages);
    int cpus[MAX_DISKS] = {0};
    while (requests != NULL && errors == 0 && __atomic_fetch_add(&reads, BATCH, __ATOMIC_RELAXED) < READS) {
        // xorshift64.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int d = (int)((random >> 60) % (uint64_t)disk_count);
        for (int i = 0; i < BATCH; i++) {
            requests[i].piece = (random >> 6 * i) % PIECES;
            memory_of(&requests[i])[0] = 0;
            memory_of(&requests[i])[PIECE / 8 - 1] = 0;
        }
        perform(&disks[d], requests, BLOCK_READ);
        for (int i = 0; i < BATCH; i++) {
            for (uint64_t word = 0; word < PIECE / 8; word += 73) {
                CHECK(memory_of(&requests[i])[word] == word_of(d, requests[i].piece, word));
            }
        }
        look_at_interrupt(&disks[d], &cpus[d]);
    }
    // No request ends a second time.
    CHECK(!Semaphore_DownFor(ended, 1000000));
    Kernel_FreeMemory(requests);
    CHECK(pages == 0 || Kernel_FreePages(pages, BATCH));
    return 0;
}

static void on_every_cpu(void) {
    int threads[MAX_CPUS], count = Kernel_GetCpuCount();
    count = count < MAX_CPUS ? count : MAX_CPUS;
    for (int cpu = 0; cpu < count; cpu++) {
        uint64_t cpus[MAX_CPUS / 64] = {1ull << cpu};
        threads[cpu] = Kernel_CreateThread("disk_soak", use, (void *)(intptr_t)(cpu + 1), -1);
        CHECK(threads[cpu] > 0 && Kernel_SetThreadAffinity(threads[cpu], cpus, MAX_CPUS / 64) == 0);
    }
    for (int cpu = 0; cpu < count; cpu++) {
        CHECK(threads[cpu] <= 0 || Kernel_JoinThread(threads[cpu], NULL) == 0);
    }
}

static char *put(char *at, const char *text) {
    while (*text != 0) {
        *at++ = *text++;
    }
    return at;
}

static char *put_number(char *at, uint32_t number) {
    if (number >= 10) {
        at = put_number(at, number / 10);
    }
    *at++ = (char)('0' + number % 10);
    return at;
}

int Driver_Init(void) {
    for (int block = 0; disk_count < MAX_DISKS && (block = Kernel_OpenBlock(NULL, block)) > 0;) {
        Disk *disk = &disks[disk_count];
        disk->block = block;
        disk->info.Size = sizeof disk->info;
        CHECK(Kernel_GetBlockInfo(block, &disk->info));
        // Not the disks in memory of other tests.
        if (disk->info.Device > 0 && disk->info.Blocks * disk->info.BlockSize >= PIECES * PIECE) {
            disk_count++;
        }
    }
    if (disk_count > 0 && errors == 0) {
        write_disks();
        on_every_cpu();
    }
    // All threads together read a few more than READS.
    char text[120], *end = put(text, "reads: ");
    end = put(put_number(end, READS), " of ");
    end = put(put_number(end, (uint32_t)disk_count), " disks, interrupts seen on another CPU: ");
    end = put(put_number(end, moves), " times");
    Kernel_Log(KERNEL_LOG_INFO, text, (size_t)(end - text));
    return -errors;
}
