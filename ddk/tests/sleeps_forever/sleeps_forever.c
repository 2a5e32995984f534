// sleeps_forever: never returns from Driver_Init, and takes no time of any CPU.
#include <proxima.h>

int Driver_Init(void) {
    for (;;) {
        Kernel_SleepThread(UINT64_MAX);
    }
}
