// bogus_completions: runs the driver's queues on the host, with a device that lies. It completes commands that are not outstanding, twice, or
// out of range, moves the index of the used ring anywhere, and overwrites all memory that it reaches. Whatever it does, the driver ends
// a request at most once and only if it is outstanding, accesses nothing beyond its memory (compile with -fsanitize=address,undefined),
// and comes to an end. A restart then ends each request that is left.
#include <stdio.h>
#include <stdlib.h>

#include <proxima_sync.h>

// There is one thread, and no ring 0.
#define SpinLock_Lock(lock) ((void)(lock), 0)
#define SpinLock_Unlock(lock, flags) ((void)(lock), (void)(flags))

#include "../poll.c"
#include "../queue.c"
#include "../restart.c"
#include "../submit.c"

#define RING 16
#define STEPS 400
#define SEEDS 400

static void fail(const char *what) {
    printf("%s\n", what);
    exit(1);
}

// ---- The kernel ----

static void *dma;
static size_t dma_bytes;

void *Kernel_AllocateMemoryFromNode(size_t bytes, size_t alignment, int node) {
    (void)node;
    void *memory = NULL;
    return posix_memalign(&memory, alignment < 8 ? 8 : alignment, bytes) ? NULL : memory;
}

void Kernel_FreeMemory(void *memory) {
    free(memory);
}

bool Kernel_AllocateDma(const DmaRequest *request, DmaGrant *grant) {
    dma_bytes = request->Bytes;
    dma = Kernel_AllocateMemoryFromNode(dma_bytes, 4096, 0);
    memset(dma, 0, dma_bytes);
    grant->Memory = dma;
    grant->DeviceAddress = (uint64_t)dma;
    return true;
}

bool Kernel_FreeDma(uint64_t address) {
    free((void *)address);
    return true;
}

bool Kernel_GetCpuInfo(int cpu, CpuInfo *info) {
    (void)cpu, (void)info;
    return false;
}

void Kernel_YieldThread(void) {
    fail("the driver waits for a CPU that polls, and there is none");
}

// ---- The rest of the driver ----

uint16_t queue_size(Disk *disk, int index) {
    (void)disk, (void)index;
    return RING;
}

bool reset(Disk *disk) {
    (void)disk;
    return true;
}

bool negotiate(Disk *disk) {
    (void)disk;
    return true;
}

bool set_device_vector(Disk *disk) {
    (void)disk;
    return true;
}

uint16_t vector_of(const Disk *disk, int queue) {
    (void)disk, (void)queue;
    return NO_VECTOR;
}

bool enable_queue(Disk *disk, Queue *queue, uint16_t vector) {
    (void)disk, (void)queue, (void)vector;
    return true;
}

void start(Disk *disk) {
    (void)disk;
}

bool is_alive(Disk *disk) {
    (void)disk;
    return true;
}

void report(Disk *disk, uint32_t mistake, const char *what) {
    (void)what;
    disk->reported |= mistake;
}

// ---- Requests ----

static BlockRequest requests[RING];
static DmaSegment segments[3];
static bool is_outstanding[RING];
static unsigned long ended, refused;

void Kernel_CompleteBlock(BlockRequest *request, int status) {
    size_t index = (size_t)(request - requests);
    if (request < requests || index >= RING || request != &requests[index] || !is_outstanding[index]) {
        fail("a request was completed that is not outstanding");
    }
    if (status != BLOCK_OK && status != BLOCK_ERROR) {
        fail("a request ended with an unknown status");
    }
    is_outstanding[index] = false;
    ended++;
    refused += status == BLOCK_ERROR;
}

static uint32_t at_random(uint32_t below) {
    return (uint32_t)rand() % below;
}

static uint64_t any_number(void) {
    return (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
}

static void submit_some(Disk *disk) {
    BlockRequest *batch[RING];
    int count = 0;
    for (uint32_t tag = 0; tag < disk->queues[0]->depth; tag++) {
        if (!is_outstanding[tag] && at_random(3) == 0) {
            int operation = (int)at_random(3);
            requests[tag] = (BlockRequest){
                .Size = sizeof *requests,
                .Operation = (uint16_t)operation,
                .Flags = at_random(2) ? BLOCK_POLLED : 0,
                .Count = 1,
                .SegmentCount = operation == BLOCK_FLUSH ? 0 : 1 + at_random(3),
                .Segments = segments,
                .State = tag,
            };
            is_outstanding[tag] = true;
            batch[count++] = &requests[tag];
        }
    }
    if (count > 0 && submit_for(disk)(disk->queues, 0, batch, count) != count) {
        fail("the queue took fewer requests than there are free commands");
    }
}

// ---- The device ----

static void complete_as(Queue *queue, uint32_t id, uint32_t length) {
    Used *used = queue->used;
    used->ring[used->index & queue->mask] = (UsedElement){.id = id, .length = length};
    used->index++;
}

static void act(Disk *disk) {
    Queue *queue = disk->queues[0];
    uint32_t tag = at_random(queue->depth), id = disk->has_tables ? tag : tag * CHAIN_LENGTH;
    switch (at_random(9)) {
    case 0: case 1: case 2: // right, unless it is not outstanding
        queue->commands[tag].status = 0;
        complete_as(queue, id, (uint32_t)queue->expected[tag]);
        break;
    case 3: // twice
        complete_as(queue, id, 1);
        complete_as(queue, id, 1);
        break;
    case 4: // out of range by one, or within a chain
        complete_as(queue, at_random(2) ? RING : id + 1, 1);
        break;
    case 5:
        complete_as(queue, (uint32_t)any_number(), (uint32_t)any_number());
        break;
    case 6: // a head beyond the ring
        queue->used->index = (uint16_t)any_number();
        break;
    case 7: // an error
        queue->commands[tag].status = (uint8_t)any_number();
        complete_as(queue, id, (uint32_t)any_number());
        break;
    default: // all that it reaches
        for (size_t i = 0; i < dma_bytes / sizeof(uint64_t); i++) {
            ((uint64_t *)dma)[i] = any_number();
        }
    }
}

static void run(bool has_tables, bool has_events) {
    static uint16_t doorbell;
    Queue *queue = NULL;
    Disk disk = {.queues = &queue, .queue_count = 1, .has_tables = has_tables, .info = {.Node = 0}};
    disk.features = has_events ? FEATURE_EVENT_INDEX : 0;
    if (!create_queue(&disk, 0, 0)) {
        fail("the queue is not created");
    }
    queue->doorbell = &doorbell;
    for (int i = 0; i < STEPS; i++) {
        submit_some(&disk);
        act(&disk);
        if (poll_for(&disk)(disk.queues, 0) > (int)(RING * MOST_ROUNDS)) {
            fail("a poll counts more completions than there are requests");
        }
        if (at_random(50) == 0) {
            grow_older(&disk);
        }
        if (at_random(100) == 0 && !restart(&disk)) {
            fail("the device does not restart");
        }
    }
    restart(&disk);
    for (int i = 0; i < RING; i++) {
        if (is_outstanding[i]) {
            fail("a restart leaves a request outstanding");
        }
    }
    free_queue(queue);
}

int main(void) {
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        srand(seed);
        run(seed & 1, seed & 2);
    }
    if (ended < 1000 || refused == 0 || refused == ended) {
        fail("the device did not do what it should");
    }
    printf("%lu requests ended, %lu with an error\n", ended, refused);
    return 0;
}
