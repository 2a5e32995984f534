// stack_ends: loads the driver `stack_end` again and again, with less or more of its stack left each time: from -DFROM=… bytes up to -DTO=…,
// in steps of -DSTEP=…, in the way -DWAY=…. It ends by refusing to start, with the code 1 if all went well.
#include <proxima.h>

#include "../check.h"
#include "../free_pages.h"
#include "../stack_end/depth.h"

#ifndef WAY
#define WAY PAGE
#define FROM 0
#define TO 16
#define STEP 8
#endif

#define FEW_PAGES 24 // what the heaps and page tables may hold more or less

static Depth depth;

static void run(uint64_t left) {
    depth = (Depth){.left = left, .way = WAY};
    if (Kernel_LoadDriver("stack_end") == 0) {
        CHECK(Kernel_UnloadDriver("stack_end") == 0);
    }
}

int Driver_Init(void) {
    CHECK(Kernel_PublishInterface("depth", 1, &depth, sizeof depth));
    run(FROM);
    uint64_t before = free_pages();
    for (uint64_t left = FROM; left < TO; left += STEP) {
        run(left);
    }
    CHECK(free_pages() + FEW_PAGES >= before);
    return errors ? -errors : 1;
}
