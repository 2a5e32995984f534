// survivor: what other drivers' failures do not harm. It serves a block device whose clients fail, and is a client of block devices
// whose drivers fail.
//
// It logs how each failing device's requests have ended, and each thing that does not hold.
#include <proxima.h>

#include "../check.h"

#ifndef SPINS
#define SPINS 0
#endif
#define ROOM 8
#define REQUESTS 3
#define PATIENCE 5000 // milliseconds

// ---- The block device ----

static BlockRequest *held[ROOM];
static int count;
static int busy;

static int submit(void *context, int queue, BlockRequest *const *requests, int wanted) {
    (void)context, (void)queue;
    int taken = 0;
    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
    while (taken < wanted && count < ROOM) {
        held[count++] = requests[taken++];
    }
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    return taken;
}

// Completes each request. Its own numbers outlive the failure of what a completion calls.
static int poll(void *context, int queue) {
    volatile int check = 0;
    int completed = 0, before = count;
    uint64_t sum = 0x1234567890abcdef;
    (void)queue;
    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
    while (count > 0) {
        count--;
        Kernel_CompleteBlock(held[count], BLOCK_OK);
        completed++;
        check++;
        sum += 3;
        CHECK(context == (void *)held);
    }
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    CHECK(completed == check && completed == before);
    CHECK(sum == 0x1234567890abcdef + 3 * (uint64_t)completed);
    return completed;
}

// ---- The client ----

static BlockRequest requests[REQUESTS];
static int ended, gone;

static void done(BlockRequest *request) {
    ended++;
    gone += request->Status == BLOCK_GONE;
}

// Gives the device one request after the other, until its driver fails.
static void use(int disk) {
    ended = gone = 0;
    for (int i = 0; i < REQUESTS; i++) {
        BlockRequest *request = &requests[i];
        *request = (BlockRequest){.Size = sizeof *request, .Operation = BLOCK_FLUSH, .Done = done, .Queue = -1};
        CHECK(Kernel_SubmitBlock(disk, &request, 1) == 1);
    }
    CHECK(Kernel_PollBlock(disk, -1) == 0);
    // Nothing more is accepted.
    BlockRequest more = {.Size = sizeof more, .Operation = BLOCK_FLUSH, .Done = done, .Queue = -1}, *request = &more;
    CHECK(Kernel_SubmitBlock(disk, &request, 1) == -1);
    for (int i = 0; i < PATIENCE && *(volatile int *)&ended < REQUESTS; i++) {
        Kernel_SleepThread(1000000);
    }
    static const char right[] = "the requests ended as gone", wrong[] = "the requests did not end as gone";
    bool is_right = ended == REQUESTS && gone == REQUESTS;
    Kernel_Log(is_right ? KERNEL_LOG_INFO : KERNEL_LOG_ERROR, is_right ? right : wrong, is_right ? sizeof right - 1 : sizeof wrong - 1);
}

static int look_for_disks(void *argument) {
    (void)argument;
    while (!Kernel_IsStopping()) {
        int disk = Kernel_OpenBlock("failing", 0);
        if (disk > 0) {
            use(disk);
        }
        Kernel_SleepThread(1000000);
    }
    return 0;
}

// Keeps a CPU busy, which then watches the others.
static int spin(void *argument) {
    (void)argument;
    while (!Kernel_IsStopping()) {
        __builtin_ia32_pause();
    }
    return 0;
}

int Driver_Init(void) {
    BlockDriver driver = {.Size = sizeof driver, .BlockSize = 512, .Blocks = 8, .MaxBytes = 4096, .MaxSegments = 1, .Queues = 1,
                          .Depth = ROOM, .Name = "survivor", .Context = held, .Submit = submit, .Poll = poll};
    CHECK(Kernel_RegisterBlock(&driver) > 0);
    CHECK(Kernel_CreateThread("looks for disks", look_for_disks, NULL, -1) > 0);
    // Memory for others to write.
    CHECK(Kernel_AllocateMemory(100, 0) != NULL && Kernel_AllocatePage() != 0);
    if (SPINS) {
        CHECK(Kernel_CreateThread("spins", spin, NULL, -1) > 0);
    }
    return -errors;
}
