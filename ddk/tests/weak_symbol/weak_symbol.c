// weak_symbol: calls a function only if the kernel exports it. This is how one driver works with older and newer kernels.
#include <proxima.h>

__attribute__((weak)) extern int Kernel_FromTheFuture(void);

int Driver_Init(void) {
    return Kernel_FromTheFuture ? -1 : 0;
}
