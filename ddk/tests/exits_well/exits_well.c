// exits_well: starts, and ends the thread that runs Driver_Init instead of returning.
#include <proxima.h>

int Driver_Init(void) {
    Kernel_ExitThread(0);
    return -1;
}
