// timers: timers on all CPUs are due at their times by the clock, once or each period, and neither early nor after they were stopped.
// The driver refuses to start if one is not.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define MOST_CPUS 64
#define MILLISECOND 1000000ull

// A timer, and what its callback has seen.
struct test {
    int id, cpu;
    uint64_t due;
    uint32_t calls;
    Completion first;
};

static void note(void *context) {
    struct test *test = context;
    CHECK(Kernel_GetTime() >= test->due);
    CHECK(Kernel_GetCurrentCpu() == test->cpu);
    if (__atomic_fetch_add(&test->calls, 1, __ATOMIC_RELAXED) == 0) {
        Completion_Complete(&test->first, 7);
    }
}

static uint32_t calls_of(struct test *test) {
    return __atomic_load_n(&test->calls, __ATOMIC_RELAXED);
}

static void once_on(int cpu) {
    static struct test tests[MOST_CPUS];
    struct test *test = &tests[cpu];
    test->cpu = cpu;
    test->id = Kernel_CreateTimer(note, test, cpu);
    CHECK(test->id > 0);
    test->due = Kernel_GetTime() + 3 * MILLISECOND;
    CHECK(Kernel_SetTimer(test->id, test->due, 0));
    CHECK(Completion_Wait(&test->first) == 7);
    Kernel_SleepThread(2 * MILLISECOND);
    CHECK(calls_of(test) == 1);
    CHECK(Kernel_DestroyTimer(test->id));
}

// Times that follow each other faster than ticks.
static void each_period_on(int cpu) {
    static struct test tests[MOST_CPUS];
    struct test *test = &tests[cpu];
    const uint64_t period = MILLISECOND / 4;
    test->cpu = cpu;
    test->id = Kernel_CreateTimer(note, test, cpu);
    CHECK(test->id > 0);
    uint64_t start = Kernel_GetTime();
    test->due = start + period;
    CHECK(Kernel_SetTimer(test->id, test->due, period));
    while (calls_of(test) < 20) {
        Kernel_SleepThread(MILLISECOND);
    }
    CHECK(Kernel_SetTimer(test->id, 0, 0));
    CHECK(Kernel_DestroyTimer(test->id));
    uint64_t calls = calls_of(test), end = Kernel_GetTime();
    CHECK(calls <= (end - start) / period);
    Kernel_SleepThread(2 * MILLISECOND);
    CHECK(calls_of(test) == calls);
}

static void stopped_and_moved(void) {
    static struct test test;
    test.cpu = Kernel_GetCurrentCpu();
    test.id = Kernel_CreateTimer(note, &test, -1);
    CHECK(test.id > 0);
    // Where this thread does not run for a while, the timer is due before it is stopped.
    uint64_t late = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t due = Kernel_GetTime() + MILLISECOND;
        CHECK(Kernel_SetTimer(test.id, due, 0));
        CHECK(Kernel_SetTimer(test.id, 0, 0));
        late += Kernel_GetTime() >= due;
    }
    Kernel_SleepThread(3 * MILLISECOND);
    CHECK(calls_of(&test) <= late && late < 1000);
    __atomic_store_n(&test.calls, 0, __ATOMIC_SEQ_CST);
    // Set later, while it stands at an earlier time in the kernel's heap.
    CHECK(Kernel_SetTimer(test.id, Kernel_GetTime() + 200 * MILLISECOND, 0));
    test.due = Kernel_GetTime() + 205 * MILLISECOND;
    CHECK(Kernel_SetTimer(test.id, test.due, 0));
    while (calls_of(&test) == 0) {
        Kernel_SleepThread(MILLISECOND);
    }
    CHECK(calls_of(&test) == 1);
    // A time that has passed, and one that is set earlier.
    test.due = 1;
    CHECK(Kernel_SetTimer(test.id, Kernel_GetTime() + 3600000 * MILLISECOND, 0));
    CHECK(Kernel_SetTimer(test.id, 1, 0));
    while (calls_of(&test) == 1) {
        Kernel_SleepThread(MILLISECOND);
    }
    CHECK(calls_of(&test) == 2);
    CHECK(Kernel_DestroyTimer(test.id));
}

// A callback that sets its own timer again, four times.
static struct test again;

static void set_again(void *context) {
    note(context);
    if (calls_of(&again) < 5) {
        again.due = Kernel_GetTime() + MILLISECOND / 10;
        CHECK(Kernel_SetTimer(again.id, again.due, 0));
    }
}

static void set_by_itself(void) {
    again.cpu = Kernel_GetCurrentCpu();
    again.id = Kernel_CreateTimer(set_again, &again, -1);
    CHECK(again.id > 0);
    CHECK(Kernel_SetTimer(again.id, 1, 0));
    while (calls_of(&again) < 5) {
        Kernel_SleepThread(MILLISECOND);
    }
    Kernel_SleepThread(2 * MILLISECOND);
    CHECK(calls_of(&again) == 5);
    CHECK(Kernel_DestroyTimer(again.id));
}

// Many timers at once, due in another order than they were set.
static void many(void) {
    enum { MANY = 200 };
    static struct test tests[MANY];
    uint64_t start = Kernel_GetTime() + MILLISECOND;
    int cpu = Kernel_GetCurrentCpu();
    for (uint64_t i = 0; i < MANY; i++) {
        tests[i].cpu = cpu;
        tests[i].id = Kernel_CreateTimer(note, &tests[i], cpu);
        CHECK(tests[i].id > 0);
        tests[i].due = start + i * 7919 % 1009 * 5000;
        CHECK(Kernel_SetTimer(tests[i].id, tests[i].due, 0));
    }
    for (int i = 0; i < MANY; i++) {
        CHECK(Completion_Wait(&tests[i].first) == 7);
        CHECK(Kernel_DestroyTimer(tests[i].id));
        CHECK(calls_of(&tests[i]) == 1);
    }
}

// Ids that this driver does not have, among them one of the driver `bad_arguments`.
static void foreign(int cpus) {
    for (int cpu = 0; cpu < cpus; cpu++) {
        for (int slot = 0; slot < 100; slot++) {
            for (int generation = 0; generation < 4; generation++) {
                int id = generation << 19 | cpu << 9 | slot;
                CHECK(!Kernel_SetTimer(id, Kernel_GetTime() + 3600000 * MILLISECOND, 0));
                CHECK(!Kernel_DestroyTimer(id));
            }
        }
    }
}

// A timer that nobody stops: a driver that refuses to start loses it. This one starts, and its timer goes on.
static struct test kept;

int Driver_Init(void) {
    int cpus = Kernel_GetCpuCount();
    if (cpus > MOST_CPUS) {
        return -1;
    }
    for (int cpu = 0; cpu < cpus; cpu++) {
        if (Kernel_IsCpuOnline(cpu)) {
            once_on(cpu);
            each_period_on(cpu);
        }
    }
    stopped_and_moved();
    set_by_itself();
    many();
    foreign(cpus);
    kept.cpu = Kernel_GetCurrentCpu();
    kept.id = Kernel_CreateTimer(note, &kept, -1);
    CHECK(Kernel_SetTimer(kept.id, Kernel_GetTime() + MILLISECOND, MILLISECOND));
    return -errors;
}
