// How many pages are free.
#ifndef FREE_PAGES_H
#define FREE_PAGES_H

#include "check.h"

// The beginning of pages that were taken.
typedef struct {
    uint64_t next, count;
} TakenPages;

// Counts the free pages by taking all of them, large chunks first. This also empties what CPUs keep.
static uint64_t free_pages(void) {
    uint64_t pages = 0, last = 0;
    for (uint64_t count = 512; count > 0; count /= 8) {
        PageRequest request = {.Size = sizeof request, .Count = count};
        PageGrant grant = {.Size = sizeof grant};
        while (Kernel_AllocatePages(&request, &grant)) {
            *(TakenPages *)Kernel_PhysToVirt(grant.Address) = (TakenPages){.next = last, .count = count};
            last = grant.Address;
            pages += count;
        }
    }
    while (last != 0) {
        TakenPages taken = *(TakenPages *)Kernel_PhysToVirt(last);
        CHECK(Kernel_FreePages(last, taken.count));
        last = taken.next;
    }
    return pages;
}

#endif
