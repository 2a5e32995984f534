// starts_late: starts, but only after the boot has gone on without it.
#include <proxima.h>

int Driver_Init(void) {
    Kernel_SleepThread(12000000000);
    return 0;
}
