// fails: raises an exception, or loops. A test chooses the kind by -DKIND=… and the place by -DPLACE=…
//
// In Submit and Poll it serves the driver `survivor`, and in Done it is a client of it. Driver_Exit and Driver_RemoveDevice are called
// when `unloads_failing` unloads it. Handlers, Driver_AddDevice and Driver_RemoveDevice need QEMU's device `edu`.
#include <proxima.h>
#include <proxima_sync.h>

enum { NULL_WRITE, WILD_READ, CONSTANT_WRITE, DATA_JUMP, NULL_JUMP, DIVISION, INVALID_OPCODE, FPU, LOCKED, STACK, LOST_STACK, LOOP, LOOP_OFF, SLOW };

#define INIT 0
#define THREAD 1
#define LAST_THREAD 2
#define ADD_DEVICE 3
#define HANDLER 4
#define TIMER 5
#define SUBMIT 6
#define POLL 7
#define DONE 8
#define EXIT 9
#define REMOVE_DEVICE 10

#ifndef KIND
#define KIND NULL_WRITE
#endif
#ifndef PLACE
#define PLACE INIT
#endif

#define RAISE (0x60 / 4) // the register of `edu` that raises an interrupt

static SpinLock lock;
static volatile int zero;
static char data[16] = {(char)0xc3}; // a return
static const int constant = 1;

// Uses up the stack, in large steps: an interrupt at the very end would have no room for the kernel's part of it.
__attribute__((noinline, unused)) static int recurse(int depth) {
    volatile char frame[6000];
    frame[0] = (char)depth;
    return depth ? recurse(depth - 1) + frame[0] : 0;
}

static void fail(void) {
    switch (KIND) {
    case STACK:
        zero = recurse(100);
        break;
    case LOST_STACK:
        __asm__ volatile("mov $8, %%rsp; push %%rax" : : : "memory");
        break;
    case LOOP_OFF:
        __asm__ volatile("cli");
        __attribute__((fallthrough));
    case LOOP:
        for (;;) {
            __asm__ volatile("pause");
        }
    case SLOW: {
        uint64_t end = Kernel_GetTime() + 400 * 1000000;
        while (Kernel_GetTime() < end) {
            __asm__ volatile("pause");
        }
        break;
    }
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
        __attribute__((fallthrough));
    default:
        *(volatile int *)(uintptr_t)zero = 1;
    }
}

// A handler is slow some times, so that the CPU runs other code again.
#define SLOW_CALLS 3
__attribute__((unused)) static volatile int slow_calls;

// Fails with registers changed that a function keeps.
__attribute__((noinline, unused)) static void fail_somewhere(void) {
    if (KIND == SLOW) {
        if (slow_calls < SLOW_CALLS) {
            fail();
            slow_calls++;
        }
        return;
    }
    void (*function)(void) = fail;
    __asm__ volatile("mov $-1, %%rbx; mov %%rbx, %%r12; mov %%rbx, %%r13; mov %%rbx, %%r14; mov %%rbx, %%r15; push %%rbp; mov %%rbx, %%rbp; "
                     "call *%0; pop %%rbp"
                     : "+a"(function)
                     :
                     : "rbx", "r12", "r13", "r14", "r15", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}

#if PLACE == ADD_DEVICE || PLACE == HANDLER
// Returns the device, once the driver before has lost it.
static int wait_for_device(void) {
    DeviceMatch edu = {.Size = sizeof edu, .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&edu, 0);
    DeviceInfo info = {.Size = sizeof info};
    while (Kernel_GetDeviceInfo(device, &info) && info.Owner[0]) {
        Kernel_SleepThread(1000000);
    }
    return device;
}
#endif

static int sleep_long(void *argument) {
    (void)argument;
    Kernel_WaitAddress((const uint32_t *)&zero, 0, KERNEL_WAIT_FOREVER);
    return 0;
}

#if PLACE == THREAD || PLACE == LAST_THREAD
static int fail_on_thread(void *argument) {
    (void)argument;
    Kernel_SleepThread(1000000);
    fail();
    return 0;
}

static int begin(void) {
    int thread = Kernel_CreateThread("fails", fail_on_thread, NULL, -1);
    if (PLACE == THREAD) {
        // Until the other thread has failed.
        Kernel_JoinThread(thread, NULL);
    }
    return thread > 0 ? 0 : -1;
}

#elif PLACE == HANDLER
static volatile uint32_t *registers;

static uint32_t handle(void *context) {
    (void)context;
    fail_somewhere();
    return INTERRUPT_HANDLED;
}

static int begin(void) {
    InterruptSetup setup = {.Size = sizeof setup, .Handler = handle, .Cpu = -1};
    int device = wait_for_device();
    if (!Kernel_ClaimDevice(device) || !Kernel_EnableDevice(device, DEVICE_MEMORY | DEVICE_BUS_MASTER)) {
        return -2;
    }
    registers = Kernel_MapDeviceMemory(device, 0, 0, 0x1000, DEVICE_UNCACHED);
    // Some kinds of failure come by a line if there is one, whose device goes on asking, and all others by a message.
    bool has_line = KIND % 2 == 0 && Kernel_AllocateInterrupts(device, 1, 1, INTERRUPT_INTX) == 1;
    if (registers == NULL || (!has_line && Kernel_AllocateInterrupts(device, 1, 1, INTERRUPT_MSI) != 1) || !Kernel_AttachInterrupt(device, 0, &setup)) {
        return -3;
    }
    do {
        registers[RAISE] = 1;
        Kernel_SleepThread(1000000);
    } while (KIND != SLOW || slow_calls < SLOW_CALLS);
    return 0;
}

#elif PLACE == TIMER
static void handle(void *context) {
    (void)context;
    fail_somewhere();
}

static int begin(void) {
    int timer = Kernel_CreateTimer(handle, NULL, -1);
    if (!Kernel_SetTimer(timer, Kernel_GetTime() + 1000000, 1000000)) {
        return -2;
    }
    while (KIND == SLOW && slow_calls < SLOW_CALLS) {
        Kernel_SleepThread(1000000);
    }
    return KIND == SLOW ? 0 : sleep_long(NULL);
}

#elif PLACE == SUBMIT || PLACE == POLL
static int submitted;

// Takes two requests, and fails at the third if it is to fail here.
static int submit(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context, (void)queue, (void)requests;
    submitted += count;
    if (PLACE == SUBMIT && submitted == 3) {
        fail_somewhere();
    }
    return count;
}

static int poll(void *context, int queue) {
    (void)context, (void)queue;
    if (PLACE == POLL && submitted == 3) {
        fail_somewhere();
    }
    return 0;
}

static int begin(void) {
    BlockDriver driver = {.Size = sizeof driver, .BlockSize = 512, .Blocks = 8, .MaxBytes = 4096, .MaxSegments = 1, .Queues = 1,
                          .Depth = 4, .Name = "failing", .Submit = submit, .Poll = poll};
    if (Kernel_RegisterBlock(&driver) < 0) {
        return -2;
    }
    return sleep_long(NULL);
}

#elif PLACE == DONE
static void done(BlockRequest *request) {
    (void)request;
    fail_somewhere();
}

static int begin(void) {
    static BlockRequest requests[2];
    BlockRequest *both[2] = {&requests[0], &requests[1]};
    int disk = Kernel_OpenBlock("survivor", 0);
    for (int i = 0; i < 2; i++) {
        requests[i] = (BlockRequest){.Size = sizeof requests[i], .Operation = BLOCK_FLUSH, .Done = done, .Queue = -1};
    }
    if (Kernel_SubmitBlock(disk, both, 2) != 2) {
        return -2;
    }
    Kernel_PollBlock(disk, -1);
    return sleep_long(NULL);
}

#elif PLACE == INIT
static int begin(void) {
    fail();
    return -2;
}

#elif PLACE == ADD_DEVICE
static int begin(void) {
    return wait_for_device() > 0 ? 0 : -2;
}

#else
static int begin(void) {
    return 0;
}
#endif

#if PLACE == ADD_DEVICE || PLACE == REMOVE_DEVICE
const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = 0},
};

int Driver_AddDevice(int device) {
    (void)device;
    if (PLACE == ADD_DEVICE) {
        fail();
    }
    return 0;
}
#endif

#if PLACE == EXIT || PLACE == REMOVE_DEVICE
static int removed;
#endif

#if PLACE == REMOVE_DEVICE
void Driver_RemoveDevice(int device) {
    removed = device;
    fail();
}
#endif

// A driver without a device fails here.
#if PLACE == EXIT || PLACE == REMOVE_DEVICE
void Driver_Exit(void) {
    if (removed) {
        Kernel_Log(KERNEL_LOG_ERROR, "goes on after its failure", 25);
    }
    fail();
}
#endif

int Driver_Init(void) {
    if (Kernel_AllocateMemory(100, 0) == NULL || Kernel_CreateThread("sleeps", sleep_long, NULL, -1) < 0) {
        return -1;
    }
    return begin();
}
