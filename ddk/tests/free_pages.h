// How many pages are free.
#ifndef FREE_PAGES_H
#define FREE_PAGES_H

#include "check.h"

// Counts the free pages by taking all of them, which also empties what CPUs keep.
static uint64_t free_pages(void) {
    PageRequest request = {.Size = sizeof request, .Count = 1};
    PageGrant grant = {.Size = sizeof grant};
    uint64_t pages = 0, last = 0;
    while (Kernel_AllocatePages(&request, &grant)) {
        *(uint64_t *)Kernel_PhysToVirt(grant.Address) = last;
        last = grant.Address;
        pages++;
    }
    while (last != 0) {
        uint64_t next = *(uint64_t *)Kernel_PhysToVirt(last);
        CHECK(Kernel_FreePage(last));
        last = next;
    }
    return pages;
}

#endif
