// weak_symbol: uses a function only where the kernel has it, which is how a driver lives with older kernels.
#include <proxima.h>

__attribute__((weak)) extern int Kernel_FromTheFuture(void);

int Driver_Init(void) {
    return Kernel_FromTheFuture ? -1 : 0;
}
