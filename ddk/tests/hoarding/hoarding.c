// hoarding: takes all memory, and starts. First it takes all pages but a few of each node, then all blocks that the heaps have or
// can get, then the pages that are left. The drivers after it find no memory.
#include <proxima.h>
#include <proxima_freestanding.h>

// The pages that are left to the heaps, on all nodes together.
#define LEFT 256

static void take_pages(uint64_t largest) {
    for (uint64_t count = largest; count > 0; count /= 8) {
        while (Kernel_AllocatePagesFromNode(count, 0) != 0) {
        }
    }
}

static void take_blocks(void) {
    for (size_t size = 64 << 10; size > 8; size /= 2) {
        while (Kernel_AllocateMemory(size, 8) != NULL) {
        }
    }
}

int Driver_Init(void) {
    uint64_t left[LEFT];
    for (int i = 0; i < LEFT; i++) {
        left[i] = Kernel_AllocatePage();
    }
    take_pages(512);
    for (int i = 0; i < LEFT; i++) {
        if (left[i] != 0) {
            Kernel_FreePage(left[i]);
        }
    }
    take_blocks();
    take_pages(1);
    return 0;
}
