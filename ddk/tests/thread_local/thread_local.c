// thread_local: has a variable for each thread, which the kernel has no place for.
#include <proxima.h>

static _Thread_local volatile int counter;

int Driver_Init(void) {
    return counter;
}
