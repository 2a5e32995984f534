// locks: threads on all CPUs count under each lock of proxima_sync.h, and wait for each other in each way. The driver refuses to
// start if a count is wrong, or if a wait ends too early or not at all.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define MOST_CPUS 64
#define ROUNDS 5000
#define MILLISECOND 1000000ull

static bool move_to(int cpu) {
    uint64_t cpus[MOST_CPUS / 64] = {0};
    cpus[cpu / 64] = 1ull << cpu % 64;
    return Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, MOST_CPUS / 64) == 0;
}

// What the locks guard, with plain accesses.
static struct {
    SpinLock spin;
    Mutex mutex;
    Semaphore semaphore;
    uint64_t by_spin, by_mutex, by_semaphore;
} counts;

static Event all_run;

static int count(void *cpu) {
    CHECK(move_to((int)(intptr_t)cpu));
    Event_Wait(&all_run);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t flags = SpinLock_Lock(&counts.spin);
        *(volatile uint64_t *)&counts.by_spin += 1;
        SpinLock_Unlock(&counts.spin, flags);

        Mutex_Lock(&counts.mutex);
        *(volatile uint64_t *)&counts.by_mutex += 1;
        if (i % 64 == 0) {
            Kernel_YieldThread();
        }
        Mutex_Unlock(&counts.mutex);

        Semaphore_Down(&counts.semaphore);
        *(volatile uint64_t *)&counts.by_semaphore += 1;
        Semaphore_Up(&counts.semaphore);
    }
    return 0;
}

static void counts_on_all_cpus(int cpus) {
    // Two threads on each CPU, so that some also wait for a thread of their own CPU.
    int threads[2 * MOST_CPUS], count_of_threads = 0;
    Semaphore_Up(&counts.semaphore);
    for (int i = 0; i < 2 * cpus; i++) {
        if (Kernel_IsCpuOnline(i % cpus)) {
            threads[count_of_threads] = Kernel_CreateThread("count", count, (void *)(intptr_t)(i % cpus), -1);
            CHECK(threads[count_of_threads] > 0);
            count_of_threads++;
        }
    }
    Event_Set(&all_run);
    for (int i = 0; i < count_of_threads; i++) {
        CHECK(Kernel_JoinThread(threads[i], NULL) == 0);
    }
    uint64_t expected = (uint64_t)count_of_threads * ROUNDS;
    CHECK(counts.by_spin == expected);
    CHECK(counts.by_mutex == expected);
    CHECK(counts.by_semaphore == expected);
    CHECK(counts.mutex.State == 0 && counts.semaphore.Units == 1 && counts.semaphore.Waiters == 0);
    CHECK(counts.spin.Next == counts.spin.Served);
}

// A thread that waits for each thing in turn, and the main thread's answers.
static struct {
    Semaphore ready;
    Event event;
    Completion completion;
    uint32_t word, neighbour;
} meeting;

static int wait_in_each_way(void *argument) {
    (void)argument;
    Semaphore_Up(&meeting.ready);
    Event_Wait(&meeting.event);
    Semaphore_Up(&meeting.ready);
    int status = Completion_Wait(&meeting.completion);
    Semaphore_Up(&meeting.ready);
    while (Kernel_WaitAddress(&meeting.word, 0, KERNEL_WAIT_FOREVER) == KERNEL_WAIT_WOKEN
           && __atomic_load_n(&meeting.word, __ATOMIC_ACQUIRE) == 0) {
    }
    return status;
}

static void waits_end(void) {
    int thread = Kernel_CreateThread("waits", wait_in_each_way, NULL, -1), status = 0;
    CHECK(thread > 0);
    Semaphore_Down(&meeting.ready);
    Kernel_SleepThread(2 * MILLISECOND); // it waits by now, or soon
    Event_Set(&meeting.event);
    CHECK(Event_IsSet(&meeting.event));
    Event_Wait(&meeting.event); // at once
    Semaphore_Down(&meeting.ready);
    Kernel_SleepThread(2 * MILLISECOND);
    Completion_Complete(&meeting.completion, -42);
    Semaphore_Down(&meeting.ready);
    Kernel_SleepThread(2 * MILLISECOND);
    // Nobody waits at the address beside it, and one thread waits there.
    CHECK(Kernel_WakeAddress(&meeting.neighbour, 10) == 0);
    __atomic_store_n(&meeting.word, 1, __ATOMIC_RELEASE);
    CHECK(Kernel_WakeAddress(&meeting.word, 0) == 0);
    CHECK(Kernel_WakeAddress(&meeting.word, -1) == 0);
    CHECK(Kernel_WakeAddress(&meeting.word, 10) <= 1);
    CHECK(Kernel_JoinThread(thread, &status) == 0 && status == -42);
    Event_Reset(&meeting.event);
    CHECK(!Event_IsSet(&meeting.event));
}

static uint32_t crowd_word, crowd_begun;

static int wait_in_crowd(void *argument) {
    (void)argument;
    __atomic_fetch_add(&crowd_begun, 1, __ATOMIC_RELEASE);
    // A limit that does not come: the thread is among the sleepers, too.
    return Kernel_WaitAddress(&crowd_word, 0, 60000 * MILLISECOND);
}

// As many threads are woken as the caller wants, and those that have waited longest.
static void wakes_as_many_as_asked(void) {
    enum { CROWD = 6 };
    int threads[CROWD], woken = 0, code;
    for (int i = 0; i < CROWD; i++) {
        threads[i] = Kernel_CreateThread("crowd", wait_in_crowd, NULL, -1);
        CHECK(threads[i] > 0);
        // The next one begins only when this one waits, but for the few instructions up to there.
        while (__atomic_load_n(&crowd_begun, __ATOMIC_ACQUIRE) <= (uint32_t)i) {
            Kernel_SleepThread(MILLISECOND);
        }
        Kernel_SleepThread(5 * MILLISECOND);
    }
    while (woken < 2) {
        int now = Kernel_WakeAddress(&crowd_word, 1);
        CHECK(now <= 1);
        woken += now;
    }
    CHECK(Kernel_JoinThread(threads[0], &code) == 0 && code == KERNEL_WAIT_WOKEN);
    CHECK(Kernel_JoinThread(threads[1], &code) == 0 && code == KERNEL_WAIT_WOKEN);
    while (woken < CROWD) {
        woken += Kernel_WakeAddress(&crowd_word, CROWD);
    }
    CHECK(woken == CROWD);
    for (int i = 2; i < CROWD; i++) {
        CHECK(Kernel_JoinThread(threads[i], &code) == 0 && code == KERNEL_WAIT_WOKEN);
    }
    CHECK(Kernel_WakeAddress(&crowd_word, CROWD) == 0);
}

static uint32_t large_crowd_word, large_crowd_begun;
static int most_in_handler, woken_in_handler = -1;

static int wait_in_large_crowd(void *argument) {
    (void)argument;
    __atomic_fetch_add(&large_crowd_begun, 1, __ATOMIC_RELEASE);
    return Kernel_WaitAddress(&large_crowd_word, 0, 60000 * MILLISECOND);
}

static void wake_in_handler(void *context) {
    (void)context;
    __atomic_store_n(&woken_in_handler, Kernel_WakeAddress(&large_crowd_word, most_in_handler), __ATOMIC_RELEASE);
}

// A handler wakes a few threads itself. The last of them wakes as many others as were asked for, and no more.
static void a_handler_has_a_crowd_woken(void) {
    enum { CROWD = 30, WOKEN = 21, AT_ONCE = 8 };
    int threads[CROWD], code;
    int timer = Kernel_CreateTimer(wake_in_handler, NULL, -1);
    CHECK(timer > 0);
    for (int i = 0; i < CROWD; i++) {
        threads[i] = Kernel_CreateThread("large crowd", wait_in_large_crowd, NULL, -1);
        CHECK(threads[i] > 0);
    }
    while (__atomic_load_n(&large_crowd_begun, __ATOMIC_ACQUIRE) < CROWD) {
        Kernel_SleepThread(MILLISECOND);
    }
    Kernel_SleepThread(50 * MILLISECOND); // all wait
    most_in_handler = WOKEN;
    CHECK(Kernel_SetTimer(timer, 1, 0));
    for (int i = 0; i < 5000 && __atomic_load_n(&woken_in_handler, __ATOMIC_ACQUIRE) < 0; i++) {
        Kernel_SleepThread(MILLISECOND);
    }
    CHECK(woken_in_handler == AT_ONCE);
    Kernel_SleepThread(50 * MILLISECOND);
    CHECK(Kernel_WakeAddress(&large_crowd_word, CROWD) == CROWD - WOKEN);
    for (int i = 0; i < CROWD; i++) {
        CHECK(Kernel_JoinThread(threads[i], &code) == 0 && code == KERNEL_WAIT_WOKEN);
    }
    CHECK(Kernel_DestroyTimer(timer));
}

static void times_pass(void) {
    static uint32_t word;
    static Semaphore semaphore;
    static Event event;
    static Completion completion;
    int32_t status = 5;
    const uint64_t limit = 5 * MILLISECOND;
    CHECK(Kernel_WaitAddress(&word, 1, limit) == KERNEL_WAIT_WOKEN); // another value
    CHECK(Kernel_WaitAddress(&word, 0, 0) == KERNEL_WAIT_TIMED_OUT);
    uint64_t start = Kernel_GetTime();
    CHECK(Kernel_WaitAddress(&word, 0, limit) == KERNEL_WAIT_TIMED_OUT);
    CHECK(Kernel_GetTime() - start >= limit);
    start = Kernel_GetTime();
    CHECK(!Semaphore_DownFor(&semaphore, limit));
    CHECK(Kernel_GetTime() - start >= limit && semaphore.Waiters == 0);
    start = Kernel_GetTime();
    CHECK(!Event_WaitFor(&event, limit));
    CHECK(!Completion_WaitFor(&completion, limit, &status));
    CHECK(Kernel_GetTime() - start >= 2 * limit && status == 5);
    CHECK(!Semaphore_DownFor(&semaphore, 0) && !Event_WaitFor(&event, 0));
    Semaphore_Up(&semaphore);
    CHECK(Semaphore_DownFor(&semaphore, limit));
    start = Kernel_GetTime();
    Kernel_Delay(50000);
    CHECK(Kernel_GetTime() - start >= 50000);
}

// Each CPU's part of the memory is on its node, zeroed, and apart from the others.
static void memory_of_each_cpu(int cpus) {
    const size_t size = 5000;
    PerCpuGrant grant = {.Size = sizeof grant};
    CHECK(Kernel_AllocatePerCpu(size, &grant));
    CHECK(grant.Stride >= size && grant.Memory != NULL);
    for (int cpu = 0; cpu < cpus; cpu++) {
        unsigned char *part = (unsigned char *)grant.Memory + (uint64_t)cpu * grant.Stride;
        CHECK(part[0] == 0 && part[size - 1] == 0);
        memset(part, cpu + 1, size);
        int node = Kernel_GetNumaNodeForAddress(Kernel_VirtToPhys(part));
        CHECK(node == Kernel_GetNumaNodeForCpu(cpu));
    }
    for (int cpu = 0; cpu < cpus; cpu++) {
        unsigned char *part = (unsigned char *)grant.Memory + (uint64_t)cpu * grant.Stride;
        CHECK(part[0] == cpu + 1 && part[size - 1] == cpu + 1);
    }
}

int Driver_Init(void) {
    int cpus = Kernel_GetCpuCount();
    if (cpus > MOST_CPUS) {
        return -1;
    }
    counts_on_all_cpus(cpus);
    waits_end();
    wakes_as_many_as_asked();
    a_handler_has_a_crowd_woken();
    times_pass();
    memory_of_each_cpu(cpus);
    return -errors;
}
