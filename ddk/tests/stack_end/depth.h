// What the driver `stack_ends` asks of the driver `stack_end`.
#ifndef DEPTH_H
#define DEPTH_H

#include <proxima.h>

// What is called where the stack ends.
enum { LOG, SLEEP, PAGE, HEAP, GOOD_POINTER, BAD_POINTER, THREAD, LOAD, INTERRUPT, HANDLER, IN_HANDLER, ON_THREAD };

typedef struct Depth {
    uint64_t left; // bytes of the stack
    int32_t way;
} Depth;

#endif
