// block_ram: registers block devices without a device, for the driver block_user. Before that it checks that the kernel refuses what
// cannot be registered.
//
// - ram: a disk in memory with two queues. A poll copies the data and completes the requests. A queue holds fewer requests than
//   its depth, and its last block cannot be read or written.
// - held: requests are held until a flush arrives. Then the device is unregistered, with all of them outstanding.
// - callers: its functions set a timer of this driver, on threads of block_user. A thread of this driver polls, too. A write is
//   completed by the timer's callback.
// - deep: a queue with room for many requests. It counts its calls, each of which has at most 64 requests, in the order of their blocks.
// - early: its Submit completes the third request and says that it has taken one. A poll completes the first and the fourth.
// - race: each poll completes the last request of the device, so that CPUs complete the same request at the same time.
//
// The driver logs each thing that does not hold, and refuses to start with their number as its code.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define BLOCK 512u
#define BLOCKS 2048u
#define PAGES (BLOCK * BLOCKS / KERNEL_PAGE_SIZE)
#define QUEUES 2
#define DEPTH 8
#define ROOM 6 // what a queue of ram holds
#define NOT_MAPPED ((void *)8)

static void lock(int *held) {
    while (__atomic_exchange_n(held, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
}

static void unlock(int *held) {
    __atomic_store_n(held, 0, __ATOMIC_RELEASE);
}

// ---- ram ----

static char *disk;

typedef struct {
    int held;
    int count;
    BlockRequest *requests[ROOM];
} Queue;

static Queue queues[QUEUES];

static int ram_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    CHECK_STACK();
    Queue *to = &((Queue *)context)[queue];
    int accepted = 0;
    lock(&to->held);
    while (accepted < count && to->count < ROOM) {
        to->requests[to->count++] = requests[accepted++];
    }
    unlock(&to->held);
    return accepted;
}

static int perform(const BlockRequest *request) {
    if (request->Operation == BLOCK_FLUSH) {
        return BLOCK_OK;
    }
    if (request->Block + request->Count == BLOCKS) {
        return 7; // any other status is an error
    }
    char *at = disk + request->Block * BLOCK;
    for (uint32_t i = 0; i < request->SegmentCount; i++) {
        uint64_t address = request->Segments[i].Address, left = request->Segments[i].Bytes;
        char *memory = Kernel_PhysToVirt(address);
        if (request->Operation == BLOCK_READ) {
            memcpy(memory, at, left);
        } else {
            memcpy(at, memory, left);
        }
        at += left;
    }
    return BLOCK_OK;
}

static int ram_poll(void *context, int queue) {
    CHECK_STACK();
    Queue *from = &((Queue *)context)[queue];
    BlockRequest *requests[ROOM];
    lock(&from->held);
    int count = from->count;
    memcpy(requests, from->requests, sizeof requests);
    from->count = 0;
    unlock(&from->held);
    for (int i = 0; i < count; i++) {
        Kernel_CompleteBlock(requests[i], perform(requests[i]));
    }
    return count;
}

// ---- held ----

static int held_id;
static int is_flushed;

static int held_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context;
    (void)queue;
    for (int i = 0; i < count; i++) {
        if (requests[i]->Operation == BLOCK_FLUSH) {
            __atomic_store_n(&is_flushed, 1, __ATOMIC_RELEASE);
        }
    }
    return count;
}

static int held_poll(void *context, int queue) {
    (void)context;
    (void)queue;
    return 0;
}

static int unregister_when_flushed(void *argument) {
    (void)argument;
    while (!__atomic_load_n(&is_flushed, __ATOMIC_ACQUIRE)) {
        Kernel_SleepThread(1000000);
    }
    CHECK(Kernel_UnregisterBlock(held_id));
    CHECK(!Kernel_UnregisterBlock(held_id));
    return 0;
}

// ---- deep ----

#define DEEP_DEPTH 256

static BlockRequest *deep[DEEP_DEPTH];
static int deep_count;

static int deep_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context;
    CHECK(queue == 1);
    CHECK(count > 0 && count <= 64);
    int accepted = 0;
    while (accepted < count && deep_count < DEEP_DEPTH) {
        CHECK(requests[accepted]->Block == (uint64_t)deep_count);
        deep[deep_count++] = requests[accepted++];
    }
    return accepted;
}

static int deep_poll(void *context, int queue) {
    (void)context;
    (void)queue;
    int count = deep_count;
    deep_count = 0;
    for (int i = 0; i < count; i++) {
        Kernel_CompleteBlock(deep[i], BLOCK_OK);
    }
    return count;
}

// ---- race ----

static BlockRequest *last;

static int race_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context;
    (void)queue;
    __atomic_store_n(&last, requests[count - 1], __ATOMIC_RELEASE);
    return count;
}

static int race_poll(void *context, int queue) {
    (void)context;
    (void)queue;
    BlockRequest *request = __atomic_load_n(&last, __ATOMIC_ACQUIRE);
    if (!request) {
        return 0;
    }
    Kernel_CompleteBlock(request, BLOCK_OK);
    return 1;
}

// ---- early ----

#define EARLY 4

static BlockRequest *early[EARLY];

static int early_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context;
    (void)queue;
    CHECK(count == EARLY);
    memcpy(early, requests, sizeof early);
    Kernel_CompleteBlock(early[2], BLOCK_OK);
    return 1;
}

static int early_poll(void *context, int queue) {
    (void)context;
    (void)queue;
    Kernel_CompleteBlock(early[0], BLOCK_OK);
    Kernel_CompleteBlock(early[3], BLOCK_OK);
    return 2;
}

// ---- callers ----

#define CALLERS_DEPTH 4

static Queue calls; // what the next poll completes
static BlockRequest *written; // what the timer's callback completes
static int timer, due;        // one that is set, but to no time that comes; and one that completes what is written
static int polls_elsewhere;
static int owns_thread; // set while a thread of this driver polls
static void *from_poll;

// Sets the timer of this driver to a time that never comes. The kernel refuses this if it takes another driver for the caller.
static bool sets_timer(void) {
    return Kernel_SetTimer(timer, UINT64_MAX - 1, 0);
}

static int callers_submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context, (void)queue;
    CHECK(sets_timer());
    for (int i = 0; i < count; i++) {
        if (requests[i]->Operation == BLOCK_WRITE) {
            __atomic_store_n(&written, requests[i], __ATOMIC_RELEASE);
            CHECK(Kernel_SetTimer(due, 1, 0));
        } else {
            lock(&calls.held);
            calls.requests[calls.count++] = requests[i];
            unlock(&calls.held);
        }
    }
    return count;
}

static int callers_poll(void *context, int queue) {
    (void)context, (void)queue;
    CHECK(sets_timer());
    BlockRequest *requests[ROOM];
    lock(&calls.held);
    int count = calls.count;
    memcpy(requests, calls.requests, sizeof requests);
    calls.count = 0;
    unlock(&calls.held);
    if (!__atomic_load_n(&owns_thread, __ATOMIC_ACQUIRE) && polls_elsewhere++ == 0) {
        Kernel_Log(KERNEL_LOG_INFO, "polled on a thread of another driver", 36);
        void *memory = Kernel_AllocateMemory(64, 0);
        CHECK(memory);
        __atomic_store_n(&from_poll, memory, __ATOMIC_RELEASE);
    }
    for (int i = 0; i < count; i++) {
        Kernel_CompleteBlock(requests[i], BLOCK_OK);
        CHECK(sets_timer()); // after Done of the other driver
    }
    return count;
}

static void complete_written(void *context) {
    CHECK_STACK();
    (void)context;
    CHECK(sets_timer());
    BlockRequest *request = __atomic_exchange_n(&written, NULL, __ATOMIC_ACQUIRE);
    if (request) {
        Kernel_CompleteBlock(request, BLOCK_OK);
    }
    CHECK(sets_timer());
}

// Polls after block_user has, for some seconds.
static int poll_callers(void *argument) {
    int block = (int)(intptr_t)argument;
    while (!__atomic_load_n(&from_poll, __ATOMIC_ACQUIRE)) {
        Kernel_SleepThread(1000000);
    }
    Kernel_FreeMemory(from_poll); // it is logged if that is refused; allocated on a thread of the other driver
    __atomic_store_n(&owns_thread, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 5000; i++) {
        Kernel_PollBlock(block, -1);
        Kernel_SleepThread(1000000);
    }
    return 0;
}

// ---- Registering ----

static BlockDriver ram(void) {
    return (BlockDriver){
        .Size = sizeof(BlockDriver),
        .BlockSize = BLOCK,
        .Blocks = BLOCKS,
        .MaxBytes = 64 * BLOCK,
        .MaxSegments = 4,
        .Queues = QUEUES,
        .Depth = DEPTH,
        .Name = "ram",
        .Context = queues,
        .Submit = ram_submit,
        .Poll = ram_poll,
    };
}

static int refused; // registrations that were refused

static void refuses(BlockDriver driver) {
    int block = Kernel_RegisterBlock(&driver);
    CHECK(block == -1);
    refused++;
}

#define REFUSES(...)                                                                                                       \
    do {                                                                                                                   \
        BlockDriver driver = ram();                                                                                        \
        __VA_ARGS__;                                                                                                       \
        refuses(driver);                                                                                                   \
    } while (0)

static void refusals(void) {
    CHECK(Kernel_RegisterBlock(NULL) == -1);
    CHECK(Kernel_RegisterBlock(NOT_MAPPED) == -1);
    REFUSES(driver.Size--);
    REFUSES(driver.Flags = 1);
    REFUSES(driver.Device = -1);
    REFUSES(driver.Device = INT32_MAX);
    const DeviceMatch any = {
        .Size = sizeof any, .Vendor = DEVICE_ANY, .Device = DEVICE_ANY, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&any, 0);
    CHECK(device > 0);
    REFUSES(driver.Device = device); // not this driver's
    REFUSES(driver.BlockSize = 0);
    REFUSES(driver.BlockSize = 256);
    REFUSES(driver.BlockSize = 768);
    REFUSES(driver.BlockSize = 1u << 31);
    REFUSES(driver.Blocks = 0);
    REFUSES(driver.Blocks = UINT64_MAX / BLOCK);
    REFUSES(driver.MaxBytes = BLOCK - 1);
    REFUSES(driver.MaxSegments = 0);
    REFUSES(driver.MaxSegments = KERNEL_BLOCK_MAX_SEGMENTS + 1);
    REFUSES(driver.Queues = 0);
    REFUSES(driver.Queues = KERNEL_BLOCK_MAX_QUEUES + 1);
    REFUSES(driver.Depth = 0);
    REFUSES(driver.Depth = KERNEL_BLOCK_MAX_DEPTH + 1);
    REFUSES(driver.Reserved = 1);
    REFUSES(driver.Name[0] = 0);
    REFUSES(memset(driver.Name, 'x', sizeof driver.Name));
    REFUSES(driver.Name[0] = (char)0xff);
    REFUSES(driver.Submit = NULL);
    REFUSES(driver.Poll = NULL);
    REFUSES(driver.Submit = NOT_MAPPED);
    REFUSES(driver.Poll = (BlockPoll)(void *)queues); // data, not code
    CHECK(Kernel_OpenBlock("ram", 0) == -1);
}

int Driver_Init(void) {
    // Physically contiguous, so that a block is one piece of memory.
    uint64_t pages = Kernel_AllocatePagesFromNode(PAGES, Kernel_GetCurrentNumaNode());
    if (!pages) {
        return -1000;
    }
    disk = Kernel_PhysToVirt(pages);
    refusals();

    BlockDriver driver = ram();
    int block = Kernel_RegisterBlock(&driver);
    CHECK(block > 0);
    REFUSES((void)0); // the name is taken

    BlockDriver many = ram();
    memcpy(many.Name, "deep", 5);
    many.Depth = DEEP_DEPTH;
    many.Submit = deep_submit;
    many.Poll = deep_poll;
    CHECK(Kernel_RegisterBlock(&many) > 0);

    memcpy(many.Name, "early", 6);
    many.Submit = early_submit;
    many.Poll = early_poll;
    CHECK(Kernel_RegisterBlock(&many) > 0);

    // A device that goes and comes back has another id.
    memcpy(driver.Name, "race", 5);
    driver.Queues = 1;
    driver.Submit = race_submit;
    driver.Poll = race_poll;
    int first = Kernel_RegisterBlock(&driver);
    CHECK(first > 0 && first != block);
    CHECK(Kernel_UnregisterBlock(first));
    CHECK(!Kernel_UnregisterBlock(first));
    int second = Kernel_RegisterBlock(&driver);
    CHECK(second > 0 && second != first);
    CHECK(!Kernel_UnregisterBlock(0) && !Kernel_UnregisterBlock(-1));

    memcpy(driver.Name, "held", 5);
    driver.Depth = 5;
    driver.Submit = held_submit;
    driver.Poll = held_poll;
    held_id = Kernel_RegisterBlock(&driver);
    CHECK(held_id > 0);
    CHECK(Kernel_CreateThread("unregister", unregister_when_flushed, NULL, -1) >= 0);

    timer = Kernel_CreateTimer(complete_written, NULL, -1);
    due = Kernel_CreateTimer(complete_written, NULL, -1);
    CHECK(timer > 0 && due > 0);
    memcpy(driver.Name, "callers", 8);
    driver.Depth = CALLERS_DEPTH;
    driver.Submit = callers_submit;
    driver.Poll = callers_poll;
    int callers = Kernel_RegisterBlock(&driver);
    CHECK(callers > 0);
    CHECK(Kernel_CreateThread("poll callers", poll_callers, (void *)(intptr_t)callers, -1) >= 0);
    CHECK(refused == 27);
    return -errors;
}
