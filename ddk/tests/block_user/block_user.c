// block_user: uses the block devices of the driver block_ram, and misuses them.
//
// The driver logs each thing that does not hold, and refuses to start with their number as its code. A kernel that follows one of the
// wrong pointers faults, which fails the boot.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"
#include "../wild.h"

#define BLOCK 512u
#define BLOCKS 2048u
#define PAGE KERNEL_PAGE_SIZE
#define ROOM 6  // what a queue of ram holds
#define MAX_CPUS 64
#define ROUNDS 500
#define DEEP 256 // what the queue of deep holds
#define LARGEST_BATCH 300

// Addresses at which nothing is mapped: one in the first page, and one that is not a canonical x86_64 address.
#define NOT_MAPPED ((void *)8)
#define NOT_CANONICAL ((void *)0x8000000000000000ull)

// A request with its segments, and how often it was done.
typedef struct {
    BlockRequest request;
    DmaSegment segments[5];
    int done;
    int again; // how often it is submitted again when it is done
} Request;

static int ram;

static void done(BlockRequest *request) {
    CHECK_STACK();
    Request *own = request->Context;
    __atomic_fetch_add(&own->done, 1, __ATOMIC_RELEASE);
    if (own->again > 0) {
        own->again--;
        CHECK(Kernel_SubmitBlock(ram, &request, 1) == 1);
    }
}

static int times_done(Request *own) {
    return __atomic_load_n(&own->done, __ATOMIC_ACQUIRE);
}

static void prepare(Request *own, uint16_t operation, uint64_t block, uint32_t count, uint64_t address) {
    *own = (Request){
        .request =
            {
                .Size = sizeof(BlockRequest),
                .Operation = operation,
                .Flags = BLOCK_POLLED,
                .Count = count,
                .SegmentCount = count ? 1 : 0,
                .Block = block,
                .Segments = own->segments,
                .Done = done,
                .Context = own,
                .Queue = -1,
                .Status = 99,
            },
        .segments = {{.Address = address, .Bytes = (uint64_t)count * BLOCK}},
    };
}

static int submit(int block, Request *own) {
    BlockRequest *request = &own->request;
    return Kernel_SubmitBlock(block, &request, 1);
}

// Submits the request and polls until it is done. Returns its status.
static int perform(Request *own) {
    int before = times_done(own);
    if (submit(ram, own) != 1) {
        return 1;
    }
    for (int i = 0; i < 1000000 && times_done(own) == before; i++) {
        Kernel_PollBlock(ram, -1);
    }
    return times_done(own) == before + 1 ? own->request.Status : 2;
}

// ---- Reading and writing, from every CPU ----

static char byte_at(int cpu, size_t offset) {
    return (char)(cpu * 31 + (int)(offset >> 9) * 7 + (int)offset);
}

static int use(void *argument) {
    int cpu = (int)(intptr_t)argument;
    CHECK(Kernel_GetCurrentCpu() == cpu);
    uint64_t pages = Kernel_AllocatePagesFromNode(4, Kernel_GetCurrentNumaNode());
    char *memory = Kernel_PhysToVirt(pages);
    uint64_t first = (uint64_t)cpu * 24; // 24 blocks for each CPU
    static Request requests[MAX_CPUS][3];
    Request *one = requests[cpu];
    CHECK(pages != 0);

    // Three requests in a batch, from the middle of a page into the next one.
    BlockRequest *batch[3];
    for (size_t i = 0; i < 24 * BLOCK - 2 * PAGE; i++) {
        memory[100 + i] = byte_at(cpu, i);
    }
    for (int i = 0; i < 3; i++) {
        prepare(&one[i], BLOCK_WRITE, first + 2 * (uint64_t)i, 2, pages + 100 + 1024 * (uint64_t)i);
        batch[i] = &one[i].request;
    }
    int accepted = 0;
    while (accepted < 3) { // another CPU may have filled the queue
        int more = Kernel_SubmitBlock(ram, batch + accepted, 3 - accepted);
        CHECK(more >= 0);
        accepted += more > 0 ? more : 0;
        Kernel_PollBlock(ram, -1);
    }
    while (!times_done(&one[0]) || !times_done(&one[1]) || !times_done(&one[2])) {
        Kernel_PollBlock(ram, -1);
    }
    CHECK(one[0].request.Status == BLOCK_OK && one[1].request.Status == BLOCK_OK && one[2].request.Status == BLOCK_OK);

    // Reads them back with one request into three segments, in another order of memory.
    memset(memory, 0, 4 * PAGE);
    prepare(&one[0], BLOCK_READ, first, 6, 0);
    one[0].request.SegmentCount = 3;
    one[0].segments[0] = (DmaSegment){pages + 2 * PAGE - 700, 1000};
    one[0].segments[1] = (DmaSegment){pages + 3 * PAGE, 72};
    one[0].segments[2] = (DmaSegment){pages, 2000};
    int status;
    for (int i = 0; i < 1000 && (status = perform(&one[0])) == 1; i++) {
        Kernel_PollBlock(ram, -1);
    }
    CHECK(status == BLOCK_OK);
    int different = 0;
    for (size_t i = 0; i < 3072; i++) {
        char *at = i < 1000   ? memory + 2 * PAGE - 700 + i
                   : i < 1072 ? memory + 3 * PAGE + (i - 1000)
                              : memory + (i - 1072);
        different += *at != byte_at(cpu, i);
    }
    CHECK(different == 0);

    // Many times the same request: each time it takes the same slot.
    prepare(&one[1], BLOCK_READ, first, 1, pages);
    int failures = 0;
    for (int i = 0; i < ROUNDS; i++) {
        while ((status = perform(&one[1])) == 1) {
        }
        failures += status != BLOCK_OK;
    }
    CHECK(failures == 0 && times_done(&one[1]) == ROUNDS);
    CHECK(Kernel_FreePages(pages, 4));
    return 0;
}

static int start_on(int cpu, int (*entry)(void *), void *argument) {
    uint64_t cpus[4] = {0};
    cpus[cpu / 64] = 1ull << cpu % 64;
    int thread = Kernel_CreateThread("block user", entry, argument, -1);
    CHECK(thread >= 0);
    CHECK(Kernel_SetThreadAffinity(thread, cpus, 4) == 0);
    return thread;
}

static int use_pinned(void *argument) {
    while (Kernel_GetCurrentCpu() != (int)(intptr_t)argument) {
        Kernel_YieldThread();
    }
    return use(argument);
}

static void on_every_cpu(void) {
    int threads[MAX_CPUS], count = Kernel_GetCpuCount();
    count = count < MAX_CPUS ? count : MAX_CPUS;
    for (int cpu = 0; cpu < count; cpu++) {
        threads[cpu] = Kernel_IsCpuOnline(cpu) ? start_on(cpu, use_pinned, (void *)(intptr_t)cpu) : -1;
    }
    for (int cpu = 0; cpu < count; cpu++) {
        if (threads[cpu] >= 0) {
            CHECK(Kernel_JoinThread(threads[cpu], NULL) == 0);
        }
    }
}

// ---- Queues, errors, and submitting again ----

static void full_queue(uint64_t page) {
    static Request own[10];
    BlockRequest *batch[10];
    for (int i = 0; i < 10; i++) {
        prepare(&own[i], BLOCK_READ, 1, 1, page);
        own[i].request.Queue = 1;
        batch[i] = &own[i].request;
    }
    CHECK(Kernel_SubmitBlock(ram, batch, 10) == ROOM); // there are slots for 8
    CHECK(Kernel_SubmitBlock(ram, batch + ROOM, 4) == 0);
    for (int i = 0; i < 10; i++) {
        CHECK(times_done(&own[i]) == 0);
    }
    CHECK(Kernel_PollBlock(ram, 0) == 0);
    CHECK(Kernel_PollBlock(ram, 1) == ROOM);
    CHECK(Kernel_PollBlock(ram, 1) == 0);
    CHECK(Kernel_SubmitBlock(ram, batch + ROOM, 4) == 4);
    CHECK(Kernel_PollBlock(ram, 1) == 4);
    for (int i = 0; i < 10; i++) {
        CHECK(times_done(&own[i]) == 1 && own[i].request.Status == BLOCK_OK);
    }
    // Back to the other queue, and round about: each queue gives a slot.
    for (int i = 0; i < 20; i++) {
        own[i % 10].request.Queue = i % 2;
        CHECK(submit(ram, &own[i % 10]) == 1);
        CHECK((own[i % 10].request.State & BLOCK_STATE_TAG) < 8);
        CHECK(Kernel_PollBlock(ram, i % 2) == 1);
    }
}

// Submits so many requests at once, which are accepted in their order up to the one that is not valid, or for which there is no room.
static void submit_many(uint64_t page, int count, int invalid, int accepted) {
    static Request own[LARGEST_BATCH];
    static BlockRequest *batch[LARGEST_BATCH];
    int deep = Kernel_OpenBlock("deep", 0);
    for (int i = 0; i < count; i++) {
        prepare(&own[i], BLOCK_READ, (uint64_t)i, i == invalid ? 0 : 1, page);
        own[i].request.Queue = 1;
        batch[i] = &own[i].request;
    }
    CHECK(Kernel_SubmitBlock(deep, batch, count) == accepted);
    CHECK(Kernel_PollBlock(deep, 1) == accepted);
    for (int i = 0; i < count; i++) {
        CHECK(times_done(&own[i]) == (i < accepted));
    }
}

// The driver of early completes the third of four requests, and says that it has taken only the first one. Each of them ends once, or is
// refused and never ends: the second one, of which the driver knows nothing, ends with an error. Later the driver completes the fourth one, too.
static void early_completions(uint64_t page) {
    static Request own[4];
    static const int ended[] = {0, 1, 1, 0}, ended_later[] = {1, 1, 1, 0};
    static const int statuses[] = {BLOCK_OK, BLOCK_ERROR, BLOCK_OK, 99};
    BlockRequest *batch[4];
    int early = Kernel_OpenBlock("early", 0);
    for (int i = 0; i < 4; i++) {
        prepare(&own[i], BLOCK_READ, (uint64_t)i, 1, page);
        batch[i] = &own[i].request;
    }
    CHECK(Kernel_SubmitBlock(early, batch, 4) == 3);
    for (int i = 0; i < 4; i++) {
        CHECK(times_done(&own[i]) == ended[i]);
    }
    Kernel_PollBlock(early, -1);
    for (int i = 0; i < 4; i++) {
        CHECK(times_done(&own[i]) == ended_later[i] && own[i].request.Status == statuses[i]);
    }
    // None has kept a slot.
    for (int i = 0; i < 4; i++) {
        CHECK(perform(&own[i]) == BLOCK_OK);
    }
}

// The kernel gives a driver 64 requests at a time.
static void large_batches(uint64_t page) {
    static const int whole[] = {1, 63, 64, 65, 127, 128, 129, 200, DEEP};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        submit_many(page, whole[i], -1, whole[i]);
    }
    submit_many(page, LARGEST_BATCH, -1, DEEP);
    for (int invalid = 62; invalid < 67; invalid++) {
        submit_many(page, 200, invalid, invalid);
    }
    submit_many(page, 200, 128, 128);
    submit_many(page, 200, 0, 0);
}

static void results(uint64_t page) {
    static Request own;
    prepare(&own, BLOCK_FLUSH, 0, 0, 0);
    CHECK(perform(&own) == BLOCK_OK);
    prepare(&own, BLOCK_READ, BLOCKS - 1, 1, page);
    CHECK(perform(&own) == BLOCK_ERROR);
    prepare(&own, BLOCK_READ, 1, 1, page);
    own.again = 100;
    CHECK(submit(ram, &own) == 1);
    for (int i = 0; i < 1000 && times_done(&own) < 101; i++) {
        Kernel_PollBlock(ram, -1);
    }
    CHECK(times_done(&own) == 101);
}

static void infos(void) {
    BlockInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetBlockInfo(ram, &info));
    CHECK(info.BlockSize == BLOCK && info.Blocks == BLOCKS && info.Node == -1 && info.Queues == 2 && info.Depth == 8);
    CHECK(info.MaxBytes == 64 * BLOCK && info.MaxSegments == 4 && info.Device == 0);
    CHECK(memcmp(info.Name, "ram", 4) == 0 && memcmp(info.Driver, "block_ram", 9) == 0);
    int seen = 0, found = 0;
    for (int block = 0; (block = Kernel_OpenBlock(NULL, block)) > 0 && seen < 1000; seen++) {
        found += block == ram;
    }
    CHECK(seen >= 3 && found == 1);
    info.Size--;
    CHECK(!Kernel_GetBlockInfo(ram, &info));
    CHECK(!Kernel_GetBlockInfo(ram, NULL) && !Kernel_GetBlockInfo(ram, NOT_CANONICAL));
    info.Size = sizeof info;
    CHECK(!Kernel_GetBlockInfo(0, &info) && !Kernel_GetBlockInfo(-1, &info) && !Kernel_GetBlockInfo(INT32_MIN, &info) && !Kernel_GetBlockInfo(ram + 128, &info));
    CHECK(Kernel_OpenBlock("no such device", 0) == -1 && Kernel_OpenBlock(NOT_MAPPED, 0) == -1);
    CHECK(Kernel_OpenBlock("", 0) == -1);
}

// ---- Misuse ----

#define REFUSES(...)                                                                                                       \
    do {                                                                                                                   \
        prepare(&own, BLOCK_READ, 1, 1, page);                                                                             \
        CHECK(!used || perform(&own) == BLOCK_OK); /* the request has a slot */                                            \
        own.done = 0;                                                                                                      \
        __VA_ARGS__;                                                                                                       \
        CHECK(submit(ram, &own) == 0);                                                                                     \
        CHECK(Kernel_PollBlock(ram, -1) == 0 && own.done == 0);                                                            \
    } while (0)

// Each wrong field, in a request that is new or was used before.
static void wrong_fields(uint64_t page, bool used) {
    static Request own;
    REFUSES(own.request.Operation = 3);
    REFUSES(own.request.Operation = 0xffff);
    REFUSES(own.request.Flags = 2);
    REFUSES(own.request.Flags = 0x8001);
    REFUSES(own.request.Count = 0);
    REFUSES(own.request.Count = 2); // longer than the segment
    REFUSES(own.request.Count = 65, own.segments[0].Bytes = 65 * BLOCK);
    REFUSES(own.request.Count = UINT32_MAX);
    REFUSES(own.request.Block = BLOCKS);
    REFUSES(own.request.Block = BLOCKS - 1, own.request.Count = 2, own.segments[0].Bytes = 2 * BLOCK);
    REFUSES(own.request.Block = UINT64_MAX);
    REFUSES(own.request.Block = UINT64_MAX - 1, own.request.Count = 3, own.segments[0].Bytes = 3 * BLOCK);
    REFUSES(own.request.SegmentCount = 0);
    REFUSES(own.request.SegmentCount = 5);
    REFUSES(own.request.SegmentCount = 2); // the second one is empty
    REFUSES(own.request.SegmentCount = 2, own.segments[0].Bytes = 1, own.segments[1].Bytes = UINT64_MAX);
    REFUSES(own.request.SegmentCount = UINT32_MAX);
    REFUSES(own.segments[0].Bytes--);
    REFUSES(own.segments[0].Bytes++);
    REFUSES(own.segments[0].Bytes = 0);
    REFUSES(own.request.Segments = NULL);
    REFUSES(own.request.Segments = NOT_MAPPED);
    REFUSES(own.request.Segments = NOT_CANONICAL);
    REFUSES(own.request.Operation = BLOCK_FLUSH); // with blocks
    REFUSES(own.request.Operation = BLOCK_FLUSH, own.request.Count = 0);
    if (!used) {
        REFUSES(own.request.Size = 8);
        REFUSES(own.request.Size = UINT32_MAX);
        REFUSES(own.request.Done = NULL);
        REFUSES(own.request.Done = NOT_MAPPED);
        REFUSES(own.request.Done = (void (*)(BlockRequest *))(void *)&own);
    }
}

static void wrong_pointers(uint64_t page) {
    static Request own, other;
    prepare(&own, BLOCK_READ, 1, 1, page);
    prepare(&other, BLOCK_READ, 1, 1, page);
    BlockRequest *batch[4] = {&own.request, NULL, &other.request, NULL};
    void *const bad[] = {
        NULL, NOT_MAPPED, NOT_CANONICAL, (char *)&other.request + 1, (void *)0xffffffffffffffffull,
        // The driver's code, which may be read and not written.
        (void *)Driver_Init,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        batch[1] = bad[i];
        own.done = 0;
        CHECK(Kernel_SubmitBlock(ram, batch, 3) == 1); // the first one only
        CHECK(Kernel_PollBlock(ram, -1) == 1 && own.done == 1 && other.done == 0);
        CHECK(Kernel_SubmitBlock(ram, batch + 1, 1) <= 0); // -1 if what is read as its queue is none
        Kernel_CompleteBlock(bad[i], BLOCK_OK);
        Kernel_CompleteBlock(bad[i], BLOCK_ERROR);
    }
    CHECK(Kernel_SubmitBlock(ram, NULL, 1) == -1);
    CHECK(Kernel_SubmitBlock(ram, NOT_MAPPED, 1) == -1);
    CHECK(Kernel_SubmitBlock(ram, NOT_CANONICAL, 1) == -1);
    CHECK(Kernel_SubmitBlock(ram, batch, 0) == 0);
    CHECK(Kernel_SubmitBlock(ram, batch, -1) == -1 && Kernel_SubmitBlock(ram, batch, INT32_MIN) == -1);
    int const ids[] = {0, -1, INT32_MIN, INT32_MAX, ram + 128, ram | 1 << 30};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        CHECK(Kernel_SubmitBlock(ids[i], batch, 1) == -1);
        CHECK(Kernel_PollBlock(ids[i], -1) == 0);
        CHECK(!Kernel_UnregisterBlock(ids[i]));
    }
    own.request.Queue = 2;
    CHECK(Kernel_SubmitBlock(ram, batch, 1) == -1);
    own.request.Queue = -2;
    CHECK(Kernel_SubmitBlock(ram, batch, 1) == -1);
    CHECK(Kernel_PollBlock(ram, 2) == 0 && Kernel_PollBlock(ram, -2) == 0 && Kernel_PollBlock(ram, INT32_MAX) == 0);
    CHECK(!Kernel_UnregisterBlock(ram)); // another driver's
}

static void wrong_order(uint64_t page) {
    static Request own;
    prepare(&own, BLOCK_READ, 1, 1, page);
    BlockRequest *twice[2] = {&own.request, &own.request};
    for (int i = 0; i < 2; i++) { // new, and with a slot
        own.done = 0;
        CHECK(Kernel_SubmitBlock(ram, twice, 2) == 1);
        CHECK(submit(ram, &own) == 0);
        own.request.Queue = 0;
        CHECK(submit(ram, &own) == 0); // to a queue that it may not be in
        own.request.Queue = 1;
        CHECK(submit(ram, &own) == 0);
        own.request.Queue = -1;
        Kernel_CompleteBlock(&own.request, BLOCK_OK); // another driver's
        CHECK(own.done == 0);
        CHECK(Kernel_PollBlock(ram, -1) == 1 && own.done == 1);
        Kernel_CompleteBlock(&own.request, BLOCK_OK); // not outstanding
        CHECK(own.done == 1);
    }
    // Any state is only a hint.
    uint32_t const states[] = {1, 0xfffff, 0x100000, 0xfff00000, 0xffffffff, 0x100003};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        own.request.State = states[i];
        own.done = 0;
        Kernel_CompleteBlock(&own.request, BLOCK_OK);
        CHECK(own.done == 0);
        CHECK(perform(&own) == BLOCK_OK && own.done == 1);
    }
}

// ---- The same request on several CPUs ----

static int race;
static Request shared;
static int accepted;

static int compete(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        BlockRequest *request = &shared.request;
        int count = Kernel_SubmitBlock(race, &request, 1);
        __atomic_fetch_add(&accepted, count, __ATOMIC_RELAXED);
        Kernel_PollBlock(race, -1);
        Kernel_PollBlock(race, -1);
    }
    return 0;
}

static void races(uint64_t page) {
    race = Kernel_OpenBlock("race", 0);
    CHECK(race > 0);
    prepare(&shared, BLOCK_READ, 1, 1, page);
    int threads[MAX_CPUS], count = Kernel_GetCpuCount();
    count = count < MAX_CPUS ? count : MAX_CPUS;
    for (int cpu = 0; cpu < count; cpu++) {
        threads[cpu] = Kernel_IsCpuOnline(cpu) ? start_on(cpu, compete, NULL) : -1;
    }
    for (int cpu = 0; cpu < count; cpu++) {
        if (threads[cpu] >= 0) {
            CHECK(Kernel_JoinThread(threads[cpu], NULL) == 0);
        }
    }
    CHECK(accepted >= ROUNDS && times_done(&shared) == accepted);
}

// ---- Who calls ----

static int callers; // the device of block_ram whose functions set a timer
static int timer;   // of this driver
static Request held;

static bool sets_timer(void) {
    return Kernel_SetTimer(timer, UINT64_MAX - 1, 0);
}

static void count(void *context) {
    (void)context;
}

// Whoever polls, and in a handler of the other driver, this driver calls.
static void done_as_caller(BlockRequest *request) {
    Request *own = request->Context;
    CHECK(sets_timer());
    Kernel_CompleteBlock(&held.request, BLOCK_OK); // outstanding, but the other driver's to complete
    CHECK(times_done(&held) == 0);
    if (own->again > 0) {
        own->again--;
        CHECK(Kernel_SubmitBlock(callers, &request, 1) == 1);
        CHECK(sets_timer());
    }
    __atomic_fetch_add(&own->done, 1, __ATOMIC_RELEASE);
}

static int wait_until_done(Request *own, int times, bool polls) {
    for (int i = 0; i < 5000 && times_done(own) < times; i++) {
        if (polls) {
            Kernel_PollBlock(callers, -1);
        } else {
            Kernel_SleepThread(1000000);
        }
    }
    return times_done(own);
}

static void calls(uint64_t page) {
    static Request own, elsewhere, written;
    callers = Kernel_OpenBlock("callers", 0);
    timer = Kernel_CreateTimer(count, NULL, -1);
    CHECK(callers > 0 && timer > 0);
    prepare(&held, BLOCK_READ, 1, 1, page);
    held.request.Queue = 0;
    CHECK(submit(Kernel_OpenBlock("held", 0), &held) == 1);
    // Polled by this driver, with Submit in Done.
    prepare(&own, BLOCK_READ, 1, 1, page);
    own.request.Done = done_as_caller;
    own.again = 2;
    CHECK(submit(callers, &own) == 1);
    CHECK(wait_until_done(&own, 3, true) == 3);
    // Polled by a thread of the other driver.
    prepare(&elsewhere, BLOCK_READ, 1, 1, page);
    elsewhere.request.Done = done_as_caller;
    elsewhere.again = 2;
    CHECK(submit(callers, &elsewhere) == 1);
    CHECK(wait_until_done(&elsewhere, 3, false) == 3);
    // Completed by the callback of the other driver's timer.
    prepare(&written, BLOCK_WRITE, 1, 1, page);
    written.request.Done = done_as_caller;
    written.again = 2;
    CHECK(submit(callers, &written) == 1);
    CHECK(wait_until_done(&written, 3, false) == 3);
    CHECK(sets_timer() && times_done(&held) == 0);
    CHECK(Kernel_DestroyTimer(timer));
}

// ---- Requests that the kernel counts down ----

static uint32_t left; // requests that have not ended

static void prepare_counted(Request *own, uint64_t page) {
    prepare(own, BLOCK_READ, 1, 1, page);
    own->request.Done = Kernel_CountDown;
    own->request.Context = &left;
}

static int wait_for_zero(void *argument) {
    int *is_waiting = argument;
    __atomic_store_n(is_waiting, 1, __ATOMIC_RELEASE);
    uint32_t now;
    while ((now = __atomic_load_n(&left, __ATOMIC_ACQUIRE)) != 0) {
        CHECK(Kernel_WaitAddress(&left, now, 5000000000ull) == 0);
    }
    return 0;
}

static void counted(uint64_t page) {
    static Request own[4];
    BlockRequest *batch[4];
    for (int i = 0; i < 4; i++) {
        prepare_counted(&own[i], page);
        batch[i] = &own[i].request;
    }
    // New requests, and then the same ones again. Nobody waits, so the word need not become 0.
    for (uint32_t first = 0; first < 3; first++) {
        left = first + 4;
        CHECK(Kernel_SubmitBlock(ram, batch, 4) == 4 && left == first + 4);
        CHECK(Kernel_PollBlock(ram, -1) == 4 && left == first);
        for (int i = 0; i < 4; i++) {
            CHECK(own[i].request.Status == BLOCK_OK && times_done(&own[i]) == 0);
            own[i].request.Status = 99;
        }
    }
    // A request that has failed is counted, too; and one with a function that is counted later.
    prepare(&own[0], BLOCK_WRITE, BLOCKS - 1, 1, page); // block_ram cannot write the last block
    left = 1;
    int status = perform(&own[0]);
    own[0].request.Done = Kernel_CountDown;
    own[0].request.Context = &left;
    own[0].request.Status = 99;
    CHECK(submit(ram, &own[0]) == 1 && Kernel_PollBlock(ram, -1) == 1);
    CHECK(left == 0 && own[0].request.Status == status && times_done(&own[0]) == 1);

    // The last one wakes who waits.
    static int is_waiting;
    left = 2;
    int thread = Kernel_CreateThread("waits for zero", wait_for_zero, &is_waiting, -1);
    while (!__atomic_load_n(&is_waiting, __ATOMIC_ACQUIRE)) {
        Kernel_YieldThread();
    }
    Kernel_SleepThread(2000000);
    CHECK(Kernel_SubmitBlock(ram, batch + 1, 2) == 2 && Kernel_PollBlock(ram, -1) == 2);
    CHECK(Kernel_JoinThread(thread, NULL) == 0 && left == 0);

    // A new request without a word that may be written is refused.
    void *bad[] = {NULL, NOT_MAPPED, NOT_CANONICAL, (char *)&left + 1, (void *)Driver_Init};
    left = 5;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        prepare_counted(&own[0], page);
        own[0].request.Context = bad[i];
        CHECK(submit(ram, &own[0]) == 0);
        Kernel_CountDown(&own[0].request);
    }
    CHECK(Kernel_PollBlock(ram, -1) == 0 && left == 5);
    // One that loses its word later ends, and nothing is counted.
    own[1].request.Context = NOT_MAPPED;
    CHECK(submit(ram, &own[1]) == 1 && Kernel_PollBlock(ram, -1) == 1);
    CHECK(own[1].request.Status == BLOCK_OK && left == 5);
    // Nor in memory of the kernel, where keys protect that: in the root of the page tables, for addresses that are never used.
    if (wild_key_of(&left) != 0) {
        uint32_t *kernels = (uint32_t *)wild_table(wild_root()) + 2, before = *kernels;
        own[1].request.Context = kernels;
        CHECK(submit(ram, &own[1]) == 1 && Kernel_PollBlock(ram, -1) == 1);
        CHECK(own[1].request.Status == BLOCK_OK && *kernels == before);
        // A word in another page of the driver's is counted.
        uint32_t *other = Kernel_AllocateMemory(2 * KERNEL_PAGE_SIZE, 0);
        CHECK(other != NULL);
        *other = 7;
        own[1].request.Context = other;
        CHECK(submit(ram, &own[1]) == 1 && Kernel_PollBlock(ram, -1) == 1 && *other == 6);
        Kernel_FreeMemory(other);
    }
    // A driver may call the function, too.
    Kernel_CountDown(NULL);
    Kernel_CountDown(NOT_CANONICAL);
    CHECK(left == 5);
    Kernel_CountDown(&own[2].request);
    CHECK(left == 4);
}

// ---- A device that goes ----

static void removal(uint64_t page) {
    int block = Kernel_OpenBlock("held", 0);
    CHECK(block > 0);
    static Request own[5];
    for (int i = 0; i < 5; i++) {
        prepare(&own[i], i == 3 ? BLOCK_FLUSH : BLOCK_READ, 0, i == 3 ? 0 : 1, page);
    }
    left = 2;
    own[1].request.Done = Kernel_CountDown;
    own[1].request.Context = &left;
    for (int i = 0; i < 3; i++) {
        CHECK(submit(block, &own[i]) == 1);
    }
    CHECK(times_done(&own[0]) == 0);
    CHECK(submit(block, &own[3]) == 1);
    for (int i = 0; i < 5000 && !(times_done(&own[0]) && times_done(&own[3])); i++) {
        Kernel_SleepThread(1000000);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(times_done(&own[i]) == (i != 1) && own[i].request.Status == BLOCK_GONE);
    }
    CHECK(left == 1);
    CHECK(times_done(&held) == 1 && held.request.Status == BLOCK_GONE);
    CHECK(submit(block, &own[4]) == -1 && Kernel_PollBlock(block, -1) == 0 && Kernel_PollBlock(block, 0) == 0);
    CHECK(Kernel_OpenBlock("held", 0) == -1);
    // A request that is gone may be submitted elsewhere.
    CHECK(perform(&own[0]) == BLOCK_OK && times_done(&own[0]) == 2);
}

int Driver_Init(void) {
    uint64_t page = Kernel_AllocatePage();
    ram = Kernel_OpenBlock("ram", 0);
    CHECK(page != 0 && ram > 0);
    infos();
    on_every_cpu();
    // The rest expects that a request is polled where it was submitted.
    uint64_t cpus[4] = {0};
    int cpu = Kernel_GetCurrentCpu();
    cpus[cpu / 64] = 1ull << cpu % 64;
    CHECK(Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, 4) == 0);
    full_queue(page);
    large_batches(page);
    early_completions(page);
    results(page);
    wrong_fields(page, false);
    wrong_fields(page, true);
    wrong_pointers(page);
    wrong_order(page);
    races(page);
    counted(page);
    calls(page);
    removal(page);
    CHECK(Kernel_FreePage(page));
    return -errors;
}
