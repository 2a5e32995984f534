// The hook by which a disk's driver writes where it must not: it is linked into the driver in place of Kernel_CompleteBlock (`--wrap`). A
// request that says so in its words for the driver has the driver write a number to an address when it is about to be completed: in the
// driver's handler, or in its Poll.
#include <proxima.h>

#include "wild_writes/wild_writes.h"

extern void __real_Kernel_CompleteBlock(BlockRequest *request, int status);
void __wrap_Kernel_CompleteBlock(BlockRequest *request, int status);

void __wrap_Kernel_CompleteBlock(BlockRequest *request, int status) {
    if (request->ForDriver[3] == WILD_MAGIC) {
        *(volatile uint64_t *)request->ForDriver[2] = request->ForDriver[1];
    }
    __real_Kernel_CompleteBlock(request, status);
}
