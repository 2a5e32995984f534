// left_thread: refuses to start, and leaves a thread running in its code.
#include <proxima.h>

static int stay(void *argument) {
    (void)argument;
    for (uint64_t nap = 0; nap < UINT64_MAX; nap++) {
        Kernel_SleepThread(1000000);
    }
    return 0;
}

int Driver_Init(void) {
    return Kernel_CreateThread("left", stay, NULL, -1) > 0 ? -5 : -1;
}
