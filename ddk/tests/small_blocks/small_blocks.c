// small_blocks: blocks of the heap share pages, also where keys protect memory, and the driver can write all of them. It frees and allocates them
// again, so that pages leave the heap and come back, and logs what does not hold.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define BLOCKS 2000
#define ROUNDS 4
// A block of 16 bytes takes 32, so the blocks fill 16 pages. Each size that a CPU has used may have one more.
#define MOST_PAGES 24
#define PAGE_OF(block) ((uintptr_t)(block) / KERNEL_PAGE_SIZE)

static uint64_t *blocks[BLOCKS];

static int pages_of_blocks(void) {
    int pages = 0;
    for (int i = 0; i < BLOCKS; i++) {
        bool is_new = true;
        for (int before = 0; before < i && is_new; before++) {
            is_new = PAGE_OF(blocks[before]) != PAGE_OF(blocks[i]);
        }
        pages += is_new;
    }
    return pages;
}

static void use_blocks(void) {
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = Kernel_AllocateMemory(16, 0);
        if (blocks[i] == NULL) {
            CHECK(!"there is memory for each block");
            return;
        }
        blocks[i][0] = (uint64_t)i;
        blocks[i][1] = ~(uint64_t)i;
    }
    CHECK(pages_of_blocks() <= MOST_PAGES);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(blocks[i][0] == (uint64_t)i && blocks[i][1] == ~(uint64_t)i);
        Kernel_FreeMemory(blocks[i]);
    }
}

// Other sizes: within a page, pages of their own, and more aligned than a page.
static void use_large_blocks(void) {
    static const size_t sizes[] = {1, 4096, 4097, 100000}, alignments[] = {1, 64, 4096, 65536};
    for (int i = 0; i < 16; i++) {
        size_t size = sizes[i / 4];
        uint8_t *block = Kernel_AllocateMemory(size, alignments[i % 4]);
        CHECK(block != NULL && (uintptr_t)block % alignments[i % 4] == 0);
        if (block != NULL) {
            block[0] = block[size - 1] = 1;
            Kernel_FreeMemory(block);
        }
    }
}

int Driver_Init(void) {
    for (int round = 0; round < ROUNDS; round++) {
        use_blocks();
        use_large_blocks();
        // The CPU goes idle, and the heap returns what it does not need.
        Kernel_SleepThread(200000000);
    }
    static const char line[] = "blocks of 16 bytes share pages";
    Kernel_Log(KERNEL_LOG_INFO, line, sizeof line - 1);
    return -errors;
}
