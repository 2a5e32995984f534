// loops_forever: never returns from Driver_Init, and never calls the kernel.
#include <proxima.h>

int Driver_Init(void) {
    for (volatile uint64_t rounds = 0;; rounds++) {
    }
}
