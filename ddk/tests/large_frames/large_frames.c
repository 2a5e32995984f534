// large_frames: a thread whose stack overflows by frames that are larger than a page. Compiled with -fno-stack-clash-protection,
// so that each frame is touched at its far end only. The stack below belongs to another thread.
#include <proxima.h>

static __attribute__((noinline, noclone)) int descend(int depth) {
    volatile char frame[7 * 1024 - 32];
    frame[0] = (char)depth;
    return depth == 0 ? frame[0] : descend(depth - 1) + frame[0];
}

static int sleep(void *argument) {
    (void)argument;
    Kernel_SleepThread(UINT64_MAX);
    return 0;
}

static int overflow(void *argument) {
    (void)argument;
    return descend(13);
}

int Driver_Init(void) {
    for (int below = 0; below < 8; below++) {
        Kernel_CreateThread("below", sleep, NULL, -1);
    }
    return Kernel_JoinThread(Kernel_CreateThread("above", overflow, NULL, -1), NULL);
}
