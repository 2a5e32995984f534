// fails: raises an exception. A test chooses the kind by -DKIND=… and the place by -DPLACE=…
#include <proxima.h>
#include <proxima_sync.h>

enum { NULL_WRITE, WILD_READ, CONSTANT_WRITE, DATA_JUMP, NULL_JUMP, DIVISION, INVALID_OPCODE, FPU, LOCKED };
enum { INIT, THREAD, LAST_THREAD };

#ifndef KIND
#define KIND NULL_WRITE
#endif
#ifndef PLACE
#define PLACE INIT
#endif

static SpinLock lock;
static volatile int zero;
static char data[16] = {(char)0xc3}; // a return
static const int constant = 1;

static void fail(void) {
    switch (KIND) {
    case WILD_READ:
        (void)*(volatile int *)0xffffdeadbeef0000;
        break;
    case CONSTANT_WRITE: {
        uintptr_t address = (uintptr_t)&constant;
        __asm__("" : "+r"(address)); // the compiler forgets that it is a constant
        *(volatile int *)address = 2;
        break;
    }
    case DATA_JUMP:
        ((void (*)(void))(uintptr_t)data)();
        break;
    case NULL_JUMP:
        ((void (*)(void))(uintptr_t)zero)();
        break;
    case DIVISION:
        zero = 1000 / zero;
        break;
    case INVALID_OPCODE:
        __builtin_trap();
    case FPU:
        __asm__ volatile("fld1");
        break;
    case LOCKED:
        SpinLock_Lock(&lock);
        // Goes on as:
    default:
        *(volatile int *)(uintptr_t)zero = 1;
    }
}

static int fail_on_thread(void *argument) {
    (void)argument;
    Kernel_SleepThread(1000000);
    fail();
    return 0;
}

static int sleep_long(void *argument) {
    (void)argument;
    Kernel_SleepThread(3600ull * 1000000000);
    return 0;
}

int Driver_Init(void) {
    if (Kernel_AllocateMemory(100, 0) == NULL || Kernel_CreateThread("sleeps", sleep_long, NULL, -1) < 0) {
        return -1;
    }
    if (PLACE == INIT) {
        fail();
    }
    int thread = Kernel_CreateThread("fails", fail_on_thread, NULL, -1);
    if (PLACE == THREAD) {
        // Until the other thread has failed.
        Kernel_JoinThread(thread, NULL);
    }
    return thread > 0 ? 0 : -1;
}
