// edu: drives QEMU's teaching device. It has the device compute a factorial, and copy a page through itself. docs/driver-guide.md
// explains each step.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

// Registers, in words of 32 bits.
enum {
    IDENTITY = 0x00 / 4, FACTORIAL = 0x08 / 4, STATUS = 0x20 / 4, RAISED = 0x24 / 4, ACKNOWLEDGE = 0x64 / 4,
    SOURCE = 0x80 / 4, TARGET = 0x88 / 4, LENGTH = 0x90 / 4, COMMAND = 0x98 / 4,
};
enum { STATUS_INTERRUPTS = 0x80 };
enum { START = 1, TO_MEMORY = 2, INTERRUPTS = 4 };

#define OWN_MEMORY 0x40000        // where the device's memory begins, as its DMA engine counts
#define HIGHEST_ADDRESS 0xfffffff  // its DMA engine reaches 28 bits
#define SECOND 1000000000ull

typedef struct {
    int id;
    volatile uint32_t *registers;
    Semaphore answers;  // one unit for each interrupt
} Edu;

const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = 0},
};

#define SAY(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

static uint32_t on_interrupt(void *context) {
    Edu *edu = context;
    uint32_t raised = edu->registers[RAISED];
    if (raised == 0) {
        return INTERRUPT_NOT_MINE;  // the line is shared, and another device has raised it
    }
    edu->registers[ACKNOWLEDGE] = raised;
    Semaphore_Up(&edu->answers);
    return INTERRUPT_HANDLED;
}

static bool start(Edu *edu) {
    if (!Kernel_EnableDevice(edu->id, DEVICE_MEMORY | DEVICE_BUS_MASTER)) {
        return false;
    }
    edu->registers = Kernel_MapDeviceMemory(edu->id, 0, 0, 0x1000, DEVICE_UNCACHED);
    InterruptSetup setup = {.Size = sizeof setup, .Handler = on_interrupt, .Context = edu, .Cpu = -1};
    return edu->registers != NULL && (edu->registers[IDENTITY] & 0xff) == 0xed &&
           Kernel_AllocateInterrupts(edu->id, 1, 1, INTERRUPT_MSI | INTERRUPT_INTX) == 1 &&
           Kernel_AttachInterrupt(edu->id, 0, &setup);
}

static bool computes(Edu *edu) {
    edu->registers[STATUS] = STATUS_INTERRUPTS;
    edu->registers[FACTORIAL] = 10;
    return Semaphore_DownFor(&edu->answers, SECOND) && edu->registers[FACTORIAL] == 3628800;
}

static bool copy(Edu *edu, uint64_t source, uint64_t target, uint32_t length, uint32_t direction) {
    edu->registers[SOURCE] = (uint32_t)source;
    edu->registers[TARGET] = (uint32_t)target;
    edu->registers[LENGTH] = length;
    edu->registers[COMMAND] = START | INTERRUPTS | direction;
    return Semaphore_DownFor(&edu->answers, SECOND);
}

static bool copies(Edu *edu) {
    DmaRequest request = {.Size = sizeof request, .Device = edu->id, .Bytes = 4096, .HighestAddress = HIGHEST_ADDRESS};
    DmaGrant buffer = {.Size = sizeof buffer};
    if (!Kernel_AllocateDma(&request, &buffer)) {
        return false;
    }
    char *first = buffer.Memory, *second = first + 2048;
    memcpy(first, "through the device", 19);
    return copy(edu, buffer.DeviceAddress, OWN_MEMORY, 2048, 0) &&
           copy(edu, OWN_MEMORY, buffer.DeviceAddress + 2048, 2048, TO_MEMORY) && memcmp(first, second, 2048) == 0;
}

static int drive(Edu *edu) {
    if (!start(edu)) {
        return -2;
    }
    if (!computes(edu)) {
        return -3;
    }
    SAY("10! is 3628800, the device says with an interrupt");
    if (!copies(edu)) {
        return -4;
    }
    SAY("2048 bytes went through the device and came back");
    return 0;
}

int Driver_AddDevice(int device) {
    Edu *edu = Kernel_AllocateMemory(sizeof *edu, 0);
    if (edu == NULL) {
        return -1;
    }
    *edu = (Edu){.id = device};
    int refusal = drive(edu);
    if (refusal != 0) {
        Kernel_ReleaseDevice(device);  // takes back mapping, interrupt and buffer: no handler uses `edu` any more
        Kernel_FreeMemory(edu);
    }
    return refusal;
}

int Driver_Init(void) {
    return 0;
}
