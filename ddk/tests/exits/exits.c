// exits: refuses to start, by the exit of the thread that runs Driver_Init.
#include <proxima.h>

static __attribute__((noinline)) void leave(int code) {
    Kernel_ExitThread(code);
}

int Driver_Init(void) {
    leave(-9);
    return 0;
}
