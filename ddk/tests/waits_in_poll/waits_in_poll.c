// waits_in_poll: serves a block device whose Poll calls functions that wait. Preemption is off there, so each is refused, and the machine
// goes on. Refuses to start with the number of checks that fail.
#include <proxima.h>

static int errors, polls, thread;
static uint32_t word;

#define CHECK(holds) ((holds) ? (void)0 : failed(#holds, sizeof #holds - 1))

static void failed(const char *what, size_t length) {
    errors++;
    Kernel_Log(KERNEL_LOG_ERROR, what, length);
}

static int32_t end_at_once(void *argument) {
    (void)argument;
    return 5;
}

static void count(void *context) {
    (void)context;
}

static int submit(void *context, int queue, BlockRequest *const *requests, int number) {
    (void)context, (void)queue, (void)requests, (void)number;
    return 0;
}

static int poll(void *context, int queue) {
    (void)context, (void)queue;
    DeviceMatch any = {.Size = sizeof any, .Vendor = DEVICE_ANY, .Device = DEVICE_ANY, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    PerCpuGrant grant = {.Size = sizeof grant};
    int32_t code;
    uint64_t cpus[16] = {~0ull};
    polls++;
    CHECK(Kernel_WaitAddress(&word, 0, 1000000) == -1);
    CHECK(Kernel_JoinThread(thread, &code) == -1);
    Kernel_SleepThread(1000000);
    Kernel_YieldThread();
    Kernel_ExitThread(1);
    CHECK(Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, 16) == -1);
    CHECK(Kernel_CreateThread("in poll", end_at_once, NULL, -1) == -1);
    CHECK(Kernel_CreateTimer(count, NULL, -1) == -1);
    CHECK(!Kernel_DestroyTimer(1));
    CHECK(!Kernel_AllocatePerCpu(8, &grant));
    CHECK(Kernel_FindDevice(&any, 0) == -1);
    return 0;
}

int Driver_Init(void) {
    BlockDriver driver = {.Size = sizeof driver, .BlockSize = 512, .Blocks = 8, .MaxBytes = 4096, .MaxSegments = 1, .Queues = 1, .Depth = 1,
                          .Name = "waits", .Submit = submit, .Poll = poll};
    thread = Kernel_CreateThread("ends", end_at_once, NULL, -1);
    int block = Kernel_RegisterBlock(&driver);
    CHECK(thread > 0 && block > 0);
    CHECK(Kernel_PollBlock(block, 0) == 0 && polls == 1);
    // The thread was joined by none, and this one still runs.
    int32_t code = 0;
    CHECK(Kernel_JoinThread(thread, &code) == 0 && code == 5);
    CHECK(Kernel_UnregisterBlock(block));
    return -errors;
}
