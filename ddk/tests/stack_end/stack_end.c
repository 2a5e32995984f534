// stack_end: calls a function of the kernel with so little of its stack left as the driver `stack_ends` says, in the way that it says.
#include <proxima.h>

#include "depth.h"

static int sleep_short(void *argument) {
    (void)argument;
    return 0;
}

// Calls a function with so many bytes left of the calling thread's stack, which lies on a multiple of its size.
static void call_at(uint64_t left, void *function, uint64_t first, uint64_t second, uint64_t third, uint64_t fourth) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t stack = (here & ~(uintptr_t)0xffff) + left;
    register uint64_t last __asm__("rcx") = fourth;
    __asm__ volatile("mov %%rsp, %%rbx; mov %[stack], %%rsp; call *%[function]; mov %%rbx, %%rsp"
                     : [function] "+a"(function), "+D"(first), "+S"(second), "+d"(third), "+r"(last)
                     : [stack] "r"(stack)
                     : "rbx", "r8", "r9", "r10", "r11", "memory", "cc");
}

// Long enough for some ticks.
static void spin(void) {
    __asm__ volatile("mov $2000000, %%ecx; 1: dec %%ecx; jnz 1b" : : : "rcx");
}

// Calls a function of the kernel at each depth, up to the end of the stack.
__attribute__((noinline)) static int recurse(int depth) {
    volatile char frame[24];
    frame[0] = (char)depth;
    NumaNodeInfo info;
    Kernel_GetNumaNodeInfo(0, &info);
    return recurse(depth + 1) + frame[0];
}

static const Depth *depth;
static volatile int result;

// In a handler, and on whatever stack that runs.
static void handle(void *context) {
    (void)context;
    volatile char *room = __builtin_alloca(8 + depth->left % 128);
    room[0] = 1;
    result = recurse(0);
}

static uint32_t has_run;

// Wakes nobody, which takes a lock of the kernel.
static void wake(void *context) {
    (void)context;
    call_at(depth->left, (void *)Kernel_WakeAddress, (uint64_t)&result, 1, 0, 0);
    __atomic_store_n(&has_run, 1, __ATOMIC_SEQ_CST);
    Kernel_WakeAddress(&has_run, 1);
}

static int allocate(void *argument) {
    (void)argument;
    call_at(depth->left, (void *)Kernel_AllocatePage, 0, 0, 0, 0);
    return 0;
}

static char text[4000];

int Driver_Init(void) {
    depth = Kernel_UseInterface("depth", 1, sizeof *depth);
    if (depth == NULL) {
        return -1;
    }
    uint64_t left = depth->left;
    NumaNodeInfo info;
    switch (depth->way) {
    case LOG:
        for (size_t i = 0; i < sizeof text; i++) {
            text[i] = 'a';
        }
        call_at(left, (void *)Kernel_Log, KERNEL_LOG_DEBUG, (uint64_t)text, sizeof text, 0);
        break;
    case SLEEP:
        call_at(left, (void *)Kernel_SleepThread, 1000, 0, 0, 0);
        break;
    case PAGE:
        call_at(left, (void *)Kernel_AllocatePage, 0, 0, 0, 0);
        break;
    case HEAP:
        call_at(left, (void *)Kernel_AllocateMemory, 100000, 0, 0, 0);
        break;
    case GOOD_POINTER:
        call_at(left, (void *)Kernel_GetNumaNodeInfo, 0, (uint64_t)&info, 0, 0);
        break;
    case BAD_POINTER:
        call_at(left, (void *)Kernel_GetNumaNodeInfo, 0, 0xffffdeadbeef0000, 0, 0);
        break;
    case THREAD:
        call_at(left, (void *)Kernel_CreateThread, (uint64_t)"short", (uint64_t)sleep_short, 0, (uint64_t)-1);
        break;
    case LOAD:
        call_at(left, (void *)Kernel_LoadDriver, (uint64_t)"hello", 0, 0, 0);
        Kernel_UnloadDriver("hello");
        break;
    case INTERRUPT:
        call_at(left, (void *)spin, 0, 0, 0, 0);
        break;
    case HANDLER: {
        int timer = Kernel_CreateTimer(handle, NULL, -1);
        Kernel_SetTimer(timer, Kernel_GetTime() + 100000, 0);
        Kernel_SleepThread(1000000000);
        break;
    }
    case IN_HANDLER: {
        int timer = Kernel_CreateTimer(wake, NULL, -1);
        Kernel_SetTimer(timer, Kernel_GetTime() + 100000, 0);
        Kernel_WaitAddress(&has_run, 0, 1000000000);
        break;
    }
    case ON_THREAD: {
        int code;
        Kernel_JoinThread(Kernel_CreateThread("allocates", allocate, NULL, -1), &code);
    }
    }
    return 0;
}
