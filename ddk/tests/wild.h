// Pages that a driver has no business to write: they are found by the page tables, which every driver may read. For kernels of the tests
// alone: the ABI says nothing of what lies where.
#ifndef WILD_H
#define WILD_H

#include <proxima.h>

#define WILD_WRITABLE 2ull
#define WILD_LARGE 0x80ull
#define WILD_FRAME 0xffffffffff000ull
#define WILD_KEY(entry) ((int)((entry) >> 59 & 15))
#define WILD_CALL_STACKS 15

// Returns the uppermost of the page tables.
static uint64_t wild_root(void) {
    uint64_t table;
    __asm__("mov %%cr3, %0" : "=r"(table));
    return table;
}

// Returns where a table of the page tables is. Physical memory is mapped at one distance, so the kernel is asked once: with protection, each
// call of it is slow in QEMU.
static const uint64_t *wild_table(uint64_t entry) {
    static uint64_t distance;
    if (distance == 0) {
        distance = (uint64_t)Kernel_PhysToVirt(entry & WILD_FRAME) - (entry & WILD_FRAME);
    }
    return (const uint64_t *)((entry & WILD_FRAME) + distance);
}

// A page that is mapped.
typedef struct {
    uint64_t start;
    uint64_t bytes;
    uint64_t entry;
} WildPage;

// Returns the page at an address, or a part of the address space where nothing is mapped, with an entry of 0.
__attribute__((unused)) static WildPage wild_page_at(uint64_t address) {
    uint64_t table = wild_root();
    for (int shift = 39;; shift -= 9) {
        uint64_t bytes = 1ull << shift;
        WildPage page = {address & -bytes, bytes, wild_table(table)[address >> shift & 511]};
        if ((page.entry & 1) == 0) {
            page.entry = 0;
            return page;
        }
        if (shift == 12 || (shift < 39 && page.entry & WILD_LARGE)) {
            return page;
        }
        table = page.entry;
    }
}

// Returns the address of the first page from `start` on, and below `end`, that is written by the kernel (`is_kernels`), or by drivers that
// have none of these keys; 0 if there is none.
__attribute__((unused)) static uint64_t wild_find(uint64_t start, uint64_t end, bool is_kernels, int own) {
    for (uint64_t at = start; at < end && at >= start;) {
        WildPage page = wild_page_at(at);
        int key = WILD_KEY(page.entry);
        bool is_wanted = is_kernels ? key == 0 : key != 0 && key != own && key != WILD_CALL_STACKS;
        if (page.entry & WILD_WRITABLE && is_wanted) {
            return at;
        }
        at = page.start + page.bytes;
    }
    return 0;
}

// Returns the key of the page that holds this address.
__attribute__((unused)) static int wild_key_of(const volatile void *address) {
    return WILD_KEY(wild_page_at((uint64_t)address).entry);
}

#endif
