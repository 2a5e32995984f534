// witness: memory of every kind with known content, and a timer, while other drivers have faults. A thread looks at them all the time, and
// logs what has changed.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define MS 1000000ull
#define PAGES 64
#define BLOCKS 32
#define LOOKS_OF_A_CHECK 25 // 5 s: a host that has other work stops CPUs
#define WORDS 512 // of a page, and of a heap block

static uint64_t pages[PAGES];
static uint64_t *blocks[BLOCKS];
static uint64_t in_image[WORDS];
static uint64_t calls;

static uint64_t expected(uint64_t place, uint64_t word) {
    return (place * WORDS + word + 1) * 0x9e3779b97f4a7c15;
}

static void fill(uint64_t *words, uint64_t place) {
    for (uint64_t i = 0; i < WORDS; i++) {
        words[i] = expected(place, i);
    }
}

static bool is_intact(const uint64_t *words, uint64_t place) {
    for (uint64_t i = 0; i < WORDS; i++) {
        if (((const volatile uint64_t *)words)[i] != expected(place, i)) {
            return false;
        }
    }
    return true;
}

static void count(void *context) {
    CHECK(context == &calls);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

static void look(void) {
    CHECK(is_intact(in_image, PAGES + BLOCKS));
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK(is_intact(Kernel_PhysToVirt(pages[i]), i));
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        CHECK(is_intact(blocks[i], PAGES + i));
    }
}

static int watch(void *argument) {
    (void)argument;
    uint64_t before = 0;
    for (int looks = 1; !Kernel_IsStopping(); looks++) {
        look();
        Kernel_SleepThread(200 * MS);
        if (looks % LOOKS_OF_A_CHECK == 0 && !Kernel_IsStopping()) {
            uint64_t now = __atomic_load_n(&calls, __ATOMIC_RELAXED);
            CHECK(now != before);
            before = now;
        }
    }
    return 0;
}

int Driver_Init(void) {
    for (uint64_t i = 0; i < PAGES; i++) {
        pages[i] = Kernel_AllocatePage();
        CHECK(pages[i] != 0);
        if (pages[i] != 0) {
            fill(Kernel_PhysToVirt(pages[i]), i);
        }
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        blocks[i] = Kernel_AllocateMemory(WORDS * 8, 8);
        CHECK(blocks[i] != NULL);
        if (blocks[i] != NULL) {
            fill(blocks[i], PAGES + i);
        }
    }
    fill(in_image, PAGES + BLOCKS);
    int timer = Kernel_CreateTimer(count, &calls, -1);
    CHECK(timer > 0 && Kernel_SetTimer(timer, Kernel_GetTime(), 20 * MS));
    CHECK(Kernel_CreateThread("watch", watch, NULL, -1) > 0);
    return -errors;
}
