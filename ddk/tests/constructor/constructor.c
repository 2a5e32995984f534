// constructor: has a function that must run before Driver_Init. The kernel does not run such functions, so it refuses the
// driver.
#include <proxima.h>

static int prepared;

__attribute__((constructor)) static void prepare(void) {
    prepared = 1;
}

int Driver_Init(void) {
    return prepared - 1;
}
