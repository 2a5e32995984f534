// The interface of the driver `hostages`. ../fuzz_exports/src/hostages.rs has the same table.
#ifndef HOSTAGES_H
#define HOSTAGES_H

#include <proxima.h>

#define HOSTAGES_NAME "hostages"
#define HOSTAGES_VERSION 1
#define HOSTAGES_MARK 0x1122334455667788ull

typedef struct {
    uint64_t seed;       // of all rounds
    uint64_t calls;      // of a round
    uint64_t free_pages; // after the first rounds
    uint64_t page;       // a page
    uint64_t pages;      // several pages that one call has granted
    uint64_t page_count;
    uint64_t dma;     // a device address
    uint64_t *block;  // of the heap; holds HOSTAGES_MARK
    int timer;        // never set
    int device;       // owned
    int disk;         // a block device that accepts no request
    uint32_t rounds;  // those that have begun
    uint32_t keeps_memory; // other than 0: no device's memory is turned off
} Hostages;

#endif
