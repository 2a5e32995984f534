// thread_local: has a thread-local variable, which the kernel does not support.
#include <proxima.h>

static _Thread_local volatile int counter;

int Driver_Init(void) {
    return counter;
}
