// busy: has threads in every kind of wait, one that never waits, timers on all CPUs, pages, blocks of the heaps, memory of each CPU, and
// an interface. When it is unloaded, it ends nothing by itself.
#include <proxima.h>
#include <proxima_sync.h>

#include "busy.h"

static uint32_t never;          // nobody wakes it
static Mutex held;              // by Driver_Init's thread, which has ended
static Semaphore none;          // without units
static uint32_t ready, ticks;
static int sleeper;

static void is_ready(void) {
    __atomic_fetch_add(&ready, 1, __ATOMIC_RELAXED);
}

static int waits(void *argument) {
    (void)argument;
    is_ready();
    while (Kernel_WaitAddress(&never, 0, KERNEL_WAIT_FOREVER) != KERNEL_WAIT_STOPPING) {
    }
    return 0;
}

static int waits_for_an_hour(void *argument) {
    (void)argument;
    is_ready();
    while (Kernel_WaitAddress(&never, 0, 3600ull * 1000000000) != KERNEL_WAIT_STOPPING) {
    }
    return 0;
}

static int sleeps(void *argument) {
    (void)argument;
    is_ready();
    Kernel_SleepThread(3600ull * 1000000000);
    return Kernel_IsStopping() ? 0 : 1;
}

static int joins(void *argument) {
    (void)argument;
    is_ready();
    return Kernel_JoinThread(sleeper, NULL);
}

// These two do not look at what the wait returns: they run on until they are ended.
static int locks(void *argument) {
    (void)argument;
    is_ready();
    Mutex_Lock(&held);
    return 0;
}

static int takes(void *argument) {
    (void)argument;
    is_ready();
    Semaphore_Down(&none);
    return 0;
}

static int runs(void *argument) {
    (void)argument;
    is_ready();
    for (volatile uint64_t turns = 0; turns < UINT64_MAX; turns++) {
    }
    return 0;
}

static int yields(void *argument) {
    (void)argument;
    is_ready();
    for (volatile uint64_t turns = 0; turns < UINT64_MAX; turns++) {
        Kernel_YieldThread();
    }
    return 0;
}

static void tick(void *context) {
    (void)context;
    __atomic_fetch_add(&ticks, 1, __ATOMIC_RELAXED);
}

static BusyTable table;

// Allocates BUSY_PAGES pages in grants of all kinds: single ones, which CPUs' caches grant, some of them freed again, runs, blocks of 2 MiB,
// and the rest in one that begins and ends within blocks.
static bool allocate_pages(void) {
    uint64_t singles[100], pages = 0;
    for (int page = 0; page < 100; page++) {
        PageRequest request = {.Size = sizeof request, .Count = 1};
        PageGrant grant = {.Size = sizeof grant};
        if (page % 3 == 0) {
            singles[page] = Kernel_AllocatePageFromNode(page % Kernel_GetNumaNodeCount());
        } else {
            singles[page] = Kernel_AllocatePages(&request, &grant) ? grant.Address : 0;
        }
        if (singles[page] == 0) {
            return false;
        }
    }
    for (int page = 0; page < 100; page += 2) {
        if (!Kernel_FreePage(singles[page])) {
            return false;
        }
        pages++;
    }
    table.page = singles[1];
    table.run = Kernel_AllocatePagesFromNode(BUSY_RUN, 0);
    table.block = Kernel_AllocatePagesFromNode(BUSY_BLOCK, Kernel_GetNumaNodeCount() - 1);
    pages += BUSY_RUN + BUSY_BLOCK;
    for (uint64_t count = 2; count <= 64; count *= 2) {
        pages += Kernel_AllocatePagesFromNode(count, 0) != 0 ? count : 0;
    }
    uint64_t rest = Kernel_AllocatePagesFromNode(BUSY_PAGES - pages, 0);
    return table.run != 0 && table.block != 0 && rest != 0;
}

int Driver_Init(void) {
    PerCpuGrant per_cpu = {.Size = sizeof per_cpu};
    for (int block = 1; block < 100; block++) {
        if (Kernel_AllocateMemory((size_t)block * 100, 0) == NULL) {
            return -1;
        }
    }
    if (!allocate_pages()) {
        return -5;
    }
    Mutex_Lock(&held);
    if (!Kernel_AllocatePerCpu(100, &per_cpu)) {
        return -2;
    }
    for (int cpu = 0; cpu < Kernel_GetCpuCount(); cpu++) {
        int timer = Kernel_IsCpuOnline(cpu) ? Kernel_CreateTimer(tick, NULL, cpu) : 0;
        if (timer > 0 && Kernel_SetTimer(timer, 1, 1000000)) {
            table.timers++;
        }
    }
    ThreadEntry entries[] = {sleeps, waits, waits_for_an_hour, joins, locks, takes, runs, yields};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        int thread = Kernel_CreateThread("busy", entries[i], NULL, -1);
        if (thread < 0) {
            return -3;
        }
        sleeper = i == 0 ? thread : sleeper;
        table.threads++;
    }
    while (__atomic_load_n(&ready, __ATOMIC_RELAXED) < table.threads || __atomic_load_n(&ticks, __ATOMIC_RELAXED) == 0) {
        Kernel_SleepThread(1000000);
    }
    return Kernel_PublishInterface(BUSY_NAME, BUSY_VERSION, &table, sizeof table) ? 0 : -4;
}
