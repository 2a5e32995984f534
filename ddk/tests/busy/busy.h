// What the drivers `busy` and `unloads` share.
#ifndef BUSY_H
#define BUSY_H

#include <stdint.h>

#define BUSY_NAME "busy.table"
#define BUSY_VERSION 4

#define BUSY_RUN 3
#define BUSY_BLOCK 512
#define BUSY_PAGES 2000 // that it has, all together

typedef struct {
    uint32_t threads; // that busy has
    uint32_t timers;
    uint64_t page;    // a page of busy
    uint64_t run;     // and the first of BUSY_RUN pages
    uint64_t block;   // and of BUSY_BLOCK pages
} BusyTable;

#endif
