// edu_dma: drives QEMU's device `edu`: maps its registers, and sends data through it by DMA and back. Without such a device it
// only loads. It gives a `pci-testdev` back.
//
// The driver logs each check that fails, and Driver_AddDevice then gives the device back with the number of failures.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define PAGE KERNEL_PAGE_SIZE
#define DMA_LIMIT 0xfffffff // the device reaches 28 bits
#define BUFFER 0x40000      // the device's own memory
#define DATA 2048            // less than the device has: some versions of QEMU refuse all of it

// Registers, by words of 32 bits.
enum { IDENTITY = 0x00 / 4, INVERTED = 0x04 / 4, SOURCE = 0x80 / 4, TARGET = 0x88 / 4, LENGTH = 0x90 / 4, COMMAND = 0x98 / 4 };
enum { START = 1, TO_MEMORY = 2 };

const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = sizeof(DeviceMatch), .Vendor = 0x1b36, .Device = 0x0005, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = 0},
};

// Copies DATA bytes from one device address to another. One of them is in the device.
static bool copies(volatile uint32_t *registers, uint64_t from, uint64_t to, uint32_t command) {
    registers[SOURCE] = (uint32_t)from;
    registers[SOURCE + 1] = (uint32_t)(from >> 32);
    registers[TARGET] = (uint32_t)to;
    registers[TARGET + 1] = (uint32_t)(to >> 32);
    registers[LENGTH] = DATA;
    registers[COMMAND] = command | START;
    for (int i = 0; i < 200; i++) {
        if (!(registers[COMMAND] & START)) {
            return true;
        }
        Kernel_SleepThread(10 * 1000 * 1000);
    }
    return false;
}

static DmaGrant allocate(int device, uint64_t bytes, uint64_t alignment, uint64_t boundary) {
    DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = bytes, .Alignment = alignment,
                          .Boundary = boundary, .HighestAddress = DMA_LIMIT};
    DmaGrant grant = {.Size = sizeof grant};
    return Kernel_AllocateDma(&request, &grant) ? grant : (DmaGrant){.Node = -1};
}

static void round_trip(int device, volatile uint32_t *registers) {
    DmaGrant out = allocate(device, DATA, 0, 0), back = allocate(device, DATA, 0x10000, 0x4000);
    CHECK(out.Node >= 0 && back.Node >= 0 && out.Bytes >= DATA);
    CHECK(out.DeviceAddress + DATA - 1 <= DMA_LIMIT && back.DeviceAddress % 0x10000 == 0);
    uint8_t *sent = out.Memory, *received = back.Memory;
    CHECK(sent[0] == 0 && sent[DATA - 1] == 0);
    for (size_t i = 0; i < DATA; i++) {
        sent[i] = (uint8_t)(i * 7 + i / 256);
    }
    CHECK(copies(registers, out.DeviceAddress, BUFFER, 0));
    CHECK(copies(registers, BUFFER, back.DeviceAddress, TO_MEMORY));
    CHECK(memcmp(sent, received, DATA) == 0);

    // The same into pages of the driver, which the device sees as one segment.
    PageRequest request = {.Size = sizeof request, .Count = 1, .HighestAddress = DMA_LIMIT, .Flags = PAGE_REQUEST_ZEROED};
    PageGrant page = {.Size = sizeof page};
    CHECK(Kernel_AllocatePages(&request, &page));
    void *memory = Kernel_PhysToVirt(page.Address);
    DmaSegment segments[2] = {{0, 0}, {0, 0}};
    CHECK(Kernel_MapDma(device, memory, DATA, DMA_FROM_DEVICE, segments, 2) == 1);
    CHECK(segments[0].Bytes == DATA && segments[1].Bytes == 0);
    CHECK(copies(registers, BUFFER, segments[0].Address, TO_MEMORY));
    CHECK(Kernel_UnmapDma(device, segments, 1));
    CHECK(memcmp(sent, memory, DATA) == 0);
    CHECK(Kernel_FreePage(page.Address));

    // Without bus mastering, the device changes nothing.
    memset(received, 0, DATA);
    CHECK(Kernel_EnableDevice(device, DEVICE_MEMORY));
    copies(registers, BUFFER, back.DeviceAddress, TO_MEMORY);
    CHECK(received[1] == 0 && received[DATA - 1] == 0);
    CHECK(Kernel_FreeDma(out.DeviceAddress));
    // The kernel takes the other one back with the device.
}

static int accept_none(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context, (void)queue, (void)requests, (void)count;
    return 0;
}

static int complete_none(void *context, int queue) {
    (void)context, (void)queue;
    return 0;
}

// A block device may be of a device that the driver owns, and then has its node.
static void block_device(int device, int node) {
    BlockDriver driver = {
        .Size = sizeof driver, .Device = device, .BlockSize = 512, .Blocks = 1, .MaxBytes = 512, .MaxSegments = 1,
        .Queues = 1, .Depth = 1, .Name = "edu", .Submit = accept_none, .Poll = complete_none};
    int block = Kernel_RegisterBlock(&driver);
    CHECK(block > 0);
    BlockInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetBlockInfo(block, &info) && info.Device == device && info.Node == node);
    CHECK(Kernel_UnregisterBlock(block));
    Kernel_ReleaseDevice(device);
    CHECK(Kernel_RegisterBlock(&driver) == -1);
    CHECK(Kernel_ClaimDevice(device));
}

static int add_edu(int device) {
    CHECK(Kernel_EnableDevice(device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    volatile uint32_t *registers = Kernel_MapDeviceMemory(device, 0, 0, 0x1000, DEVICE_UNCACHED);
    CHECK(registers != NULL);
    if (registers != NULL) {
        CHECK((registers[IDENTITY] & 0xff) == 0xed);
        registers[INVERTED] = 0x12345678;
        CHECK(registers[INVERTED] == ~0x12345678u);
        round_trip(device, registers);
    }
    // Released, the device is nobody's, and nothing of it is mapped.
    Kernel_ReleaseDevice(device);
    CHECK(Kernel_VirtToPhys((void *)registers) == 0);
    CHECK(!Kernel_UnmapDeviceMemory((void *)registers));
    CHECK(Kernel_ClaimDevice(device));
    CHECK(!(Kernel_ReadDeviceConfig(device, 4, 2) & 4));
    CHECK(Kernel_EnableDevice(device, DEVICE_MEMORY));
    registers = Kernel_MapDeviceMemory(device, 0, 4, 4, DEVICE_UNCACHED);
    CHECK(registers != NULL && registers[0] == ~0x12345678u);
    return -errors;
}

int Driver_AddDevice(int device) {
    DeviceInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetDeviceInfo(device, &info));
    CHECK(memcmp(info.Owner, "edu_dma", sizeof "edu_dma") == 0);
    CHECK(info.Node < 0 || info.Node == Kernel_GetCurrentNumaNode());
    if (info.VendorId == 0x1234) {
        block_device(device, info.Node);
    }
    return info.VendorId == 0x1234 ? add_edu(device) : -77;
}

int Driver_Init(void) {
    return 0;
}
