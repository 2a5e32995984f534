// my_device: drives the PCI device 1234:11e8. It finds the device's registers, and says so.
#include <proxima.h>
#include <proxima_sync.h>

// A device that the driver has added.
typedef struct Added {
    struct Added *next;
    int id;                        // the kernel's number of the device
    volatile uint32_t *registers;  // BAR 0; read and write whole words
    uint64_t bytes;                // of BAR 0
} Added;

static Mutex lock;
static Added *devices;  // for whoever has the lock

// The devices that the driver wants. The kernel calls Driver_AddDevice for each that no other driver owns.
const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = 0},
};

#define SAY(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

// Overwrites the zeros that end at `end` with a number in hexadecimal digits.
static void write_hex(char *end, uint64_t number) {
    for (; number != 0; number >>= 4) {
        *--end = "0123456789abcdef"[number & 15];
    }
}

static void say_what_was_found(const Added *added, const DeviceInfo *info) {
    char text[] = "found 0000:00:00.0, with 0x00000000 bytes of registers";
    write_hex(text + 10, info->Segment);
    write_hex(text + 13, info->Bus);
    write_hex(text + 16, info->Slot);
    write_hex(text + 18, info->Function);
    write_hex(text + 35, added->bytes & 0xffffffff);
    SAY(text);
}

// Enables a device and maps its registers. Returns 0, or the code that refuses the device.
static int start(Added *added, DeviceInfo *info) {
    if (!Kernel_GetDeviceInfo(added->id, info) || !Kernel_EnableDevice(added->id, DEVICE_MEMORY)) {
        return -2;
    }
    added->bytes = info->Bars[0].Size;
    added->registers = Kernel_MapDeviceMemory(added->id, 0, 0, added->bytes, DEVICE_UNCACHED);
    return added->registers == NULL ? -3 : 0;  // there is no BAR 0 in memory
}

int Driver_Init(void) {
    return 0;
}

// Starts a device, on a thread of its node. A negative number gives the device back, with all that belongs to it.
int Driver_AddDevice(int device) {
    Added *added = Kernel_AllocateMemory(sizeof *added, 0);
    if (added == NULL) {
        return -1;
    }
    *added = (Added){.id = device};
    DeviceInfo info = {.Size = sizeof info};
    int refusal = start(added, &info);
    if (refusal != 0) {
        Kernel_FreeMemory(added);
        return refusal;
    }
    Mutex_Lock(&lock);
    added->next = devices;
    devices = added;
    Mutex_Unlock(&lock);
    say_what_was_found(added, &info);
    return 0;
}

// Ends the use of a device: it is gone, or the driver is unloaded. Its interrupts are off. On return the kernel takes the device.
void Driver_RemoveDevice(int device) {
    Mutex_Lock(&lock);
    Added **link = &devices;
    while (*link != NULL && (*link)->id != device) {
        link = &(*link)->next;
    }
    Added *added = *link;
    if (added != NULL) {
        *link = added->next;
    }
    Mutex_Unlock(&lock);
    if (added != NULL) {
        SAY("a device is removed");
        Kernel_FreeMemory(added);
    }
}
