// What the drivers `busy` and `unloads` share.
#ifndef BUSY_H
#define BUSY_H

#include <stdint.h>

#define BUSY_NAME "busy.table"
#define BUSY_VERSION 3

typedef struct {
    uint32_t threads; // that busy has
    uint32_t timers;
} BusyTable;

#endif
