// fails: raises an exception, or loops, or makes a mistake that is no failure. A test chooses the kind by -DKIND=… and the place by -DPLACE=…
//
// In Submit and Poll it serves the driver `survivor`, and in Done it is a client of it. Driver_Exit and Driver_RemoveDevice are called
// when `unloads_failing` unloads it. Handlers, Driver_AddDevice and Driver_RemoveDevice need QEMU's device `edu`.
#include <proxima.h>
#include <proxima_sync.h>

#include "../wild.h"

enum { NULL_WRITE, WILD_READ, CONSTANT_WRITE, DATA_JUMP, NULL_JUMP, DIVISION, INVALID_OPCODE, FPU, LOCKED, STACK, LOST_STACK, IN_EXPORT, LOOP, LOOP_OFF, SLOW, DOUBLE_FREE, SLEEPS, KERNEL_DATA, PAGE_TABLE, KERNEL_HEAP, KERNEL_STACK, FREE_PAGE, CPU_DATA, OTHER_DATA, OTHER_MEMORY, OTHER_HEAP, OTHER_STACK, KERNEL_WRITES, OTHER_JUMP, SOFTWARE_FAULT, SOFTWARE_NMI, SOFTWARE_DOUBLE_FAULT, DIRECTION, STACK_IN_PAGE, STACK_IN_PAGE_TRAP, STACK_IN_PAGE_LOOP };

// The kinds that are mistakes, and no failures.
#define IS_MISTAKE (KIND == SLOW || KIND == DOUBLE_FREE || KIND == SLEEPS)

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
static char *page; // of physical memory
static char data[16] = {(char)0xc3}; // a return
static const int constant = 1;

// Uses up the stack, in large steps: an interrupt at the very end would have no room for the kernel's part of it.
__attribute__((noinline, unused)) static int recurse(int depth) {
    volatile char frame[6000];
    frame[0] = (char)depth;
    return depth ? recurse(depth - 1) + frame[0] : 0;
}

// Uses up the stack in small steps, with a call of the kernel at each: it ends in the kernel, which uses more of it.
__attribute__((noinline, unused)) static int recurse_in_kernel(int depth) {
    volatile char frame[16];
    frame[0] = (char)depth;
    NumaNodeInfo info;
    Kernel_GetNumaNodeInfo(0, &info);
    return recurse_in_kernel(depth + 1) + frame[0];
}

#define REGION(start, end, is_kernels) wild_find(start, end, is_kernels, wild_key_of(&zero))

// Writes memory that is not the driver's, without a change: another kernel that lets it goes on.
__attribute__((unused)) static void write_wild(uint64_t address) {
    if (address == 0) {
        static const char none[] = "there is no such page: this does not hold";
        Kernel_Log(KERNEL_LOG_ERROR, none, sizeof none - 1);
        return;
    }
    __asm__ volatile("lock orq $0, (%0)" : : "r"(address) : "memory");
    Kernel_Log(KERNEL_LOG_ERROR, "goes on after a wild write", 26);
}

// Returns the address of a descriptor table, which is the kernel's data.
__attribute__((unused)) static uint64_t descriptors(bool of_interrupts) {
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } table;
    if (of_interrupts) {
        __asm__("sidt %0" : "=m"(table));
    } else {
        __asm__("sgdt %0" : "=m"(table));
    }
    return table.base;
}

__attribute__((unused)) static uint64_t page_tables(void) {
    uint64_t table;
    __asm__("mov %%cr3, %0" : "=r"(table));
    return (uint64_t)Kernel_PhysToVirt(table & WILD_FRAME);
}

static void fail(void) {
    switch (KIND) {
    case IN_EXPORT:
        zero = recurse_in_kernel(0);
        break;
    case DOUBLE_FREE: {
        uint64_t page = Kernel_AllocatePage();
        void *block = Kernel_AllocateMemory(64, 0);
        bool is_first = Kernel_FreePage(page);
        Kernel_FreeMemory(block);
        Kernel_FreeMemory(block);
        if (page == 0 || block == NULL || !is_first || Kernel_FreePage(page)) {
            Kernel_Log(KERNEL_LOG_ERROR, "this does not hold: a double free is refused", 44);
        }
        break;
    }
    case SLEEPS:
        Kernel_SleepThread(1000000);
        break;
    case KERNEL_DATA:
        write_wild(descriptors(true));
        break;
    case CPU_DATA:
        write_wild(descriptors(false));
        break;
    case PAGE_TABLE:
        write_wild(page_tables());
        break;
    case KERNEL_HEAP:
        write_wild(REGION(0xffffc00000000000, 0xffffcc0000000000, true));
        break;
    case KERNEL_STACK:
        write_wild(REGION(0xffffd00000000000, 0xffffd80000000000, true));
        break;
    case FREE_PAGE:
        write_wild(REGION(0xffff800000100000, 0xffffc00000000000, true));
        break;
    case OTHER_DATA:
        write_wild(REGION(0xffffd80000000000, 0xffffe00000000000, false));
        break;
    case OTHER_MEMORY:
        write_wild(REGION(0xffff800000000000, 0xffffc00000000000, false));
        break;
    case OTHER_HEAP:
        write_wild(REGION(0xffffc00000000000, 0xffffcc0000000000, false));
        break;
    case OTHER_STACK:
        write_wild(REGION(0xffffd00000000000, 0xffffd80000000000, false));
        break;
    case KERNEL_WRITES: {
        // The kernel refuses to write for the driver what the driver may not write.
        CpuInfo *info = (CpuInfo *)REGION(0xffff800000100000, 0xffffc00000000000, true);
        DeviceInfo *other = (DeviceInfo *)REGION(0xffffd80000000000, 0xffffe00000000000, false);
        if (Kernel_GetCpuInfo(0, info) || Kernel_GetDeviceInfo(1, other)) {
            Kernel_Log(KERNEL_LOG_ERROR, "goes on after a wild write", 26);
        }
        __builtin_trap();
    }
    case OTHER_JUMP:
        ((void (*)(void))(uintptr_t)REGION(0xffffd80000000000, 0xffffe00000000000, false))();
        break;
    // A stack pointer into memory that the driver may write, but that is no stack: what lies below is not the driver's.
    case STACK_IN_PAGE:
        __asm__ volatile("mov %0, %%rsp; call *%1" : : "r"(page + 256), "r"(Kernel_GetTime) : "memory");
        break;
    case STACK_IN_PAGE_TRAP:
        __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(page + 256) : "memory");
        break;
    case STACK_IN_PAGE_LOOP:
        __asm__ volatile("mov %0, %%rsp; 1: pause; jmp 1b" : : "r"(page + 256) : "memory");
        break;
    case SOFTWARE_FAULT:
        // Of a vector for which the CPU pushes an error code when it raises the exception itself.
        __asm__ volatile("int $13" : : : "memory");
        break;
    case SOFTWARE_NMI:
        __asm__ volatile("int $2" : : : "memory");
        break;
    case SOFTWARE_DOUBLE_FAULT:
        __asm__ volatile("int $8" : : : "memory");
        break;
    case DIRECTION: {
        // Copies of strings go down, where no copy in the kernel may.
        CpuInfo info = {0};
        DeviceInfo device = {.Size = sizeof device};
        static const char text[] = "a line that the kernel copies, which is long enough for an instruction that copies a string";
        __asm__ volatile("std" : : : "memory");
        Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1);
        __asm__ volatile("std" : : : "memory");
        Kernel_GetCpuInfo(0, &info);
        __asm__ volatile("std" : : : "memory");
        Kernel_GetDeviceInfo(Kernel_FindDevice(&(DeviceMatch){.Size = sizeof(DeviceMatch)}, 0), &device);
        __asm__ volatile("cld" : : : "memory");
        __builtin_trap();
    }
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

// A handler makes its mistake some times, so that the CPU runs other code again.
#define MISTAKES 3
__attribute__((unused)) static volatile int mistakes;

// Fails with registers changed that a function keeps.
__attribute__((noinline, unused)) static void fail_somewhere(void) {
    if (IS_MISTAKE) {
        if (mistakes < MISTAKES) {
            fail();
            mistakes++;
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
    } while (!IS_MISTAKE || mistakes < MISTAKES);
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
    while (IS_MISTAKE && mistakes < MISTAKES) {
        Kernel_SleepThread(1000000);
    }
    return IS_MISTAKE ? 0 : sleep_long(NULL);
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
    return IS_MISTAKE ? 0 : -2;
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
    if (KIND >= STACK_IN_PAGE) {
        page = Kernel_PhysToVirt(Kernel_AllocatePage());
    }
    if (Kernel_AllocateMemory(100, 0) == NULL || Kernel_CreateThread("sleeps", sleep_long, NULL, -1) < 0) {
        return -1;
    }
    return begin();
}
