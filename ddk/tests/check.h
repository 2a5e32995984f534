// What the drivers here check with: each check that does not hold is a line of the log, which the tests look for, and counts.
#ifndef CHECK_H
#define CHECK_H

#include <proxima.h>

// The checks that did not hold. Threads and handlers of all CPUs count here.
static int errors;

static void failed(const char *what, size_t length) {
    __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
    Kernel_Log(KERNEL_LOG_ERROR, what, length);
}

#define CHECK(holds) ((holds) ? (void)0 : failed("this does not hold: " #holds, sizeof "this does not hold: " #holds - 1))

// The stack of the function in which this stands is aligned as the ABI of C demands.
#define CHECK_STACK() CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0)

#endif
