// unknown_symbol: calls a function that no kernel exports, so the kernel refuses the driver before any of it runs.
#include <proxima.h>

extern int Kernel_NoSuchThing(void);

int Driver_Init(void) {
    return Kernel_NoSuchThing();
}
