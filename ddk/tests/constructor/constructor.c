// constructor: has a function that is to run before Driver_Init. The kernel would not run it, so it refuses.
#include <proxima.h>

static int prepared;

__attribute__((constructor)) static void prepare(void) {
    prepared = 1;
}

int Driver_Init(void) {
    return prepared - 1;
}
