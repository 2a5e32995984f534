// refuses_with_device: claims a disk controller, uses everything of it, and refuses to start without giving anything back.
#include <proxima.h>
#include <proxima_freestanding.h>

int Driver_Init(void) {
    DeviceMatch match = {.Size = sizeof match, .Vendor = 0x1b36, .Device = 0x0010, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&match, 0);
    if (device < 0) {
        return -100;
    }
    DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = 123456};
    DmaGrant grant = {.Size = sizeof grant};
    bool works = Kernel_ClaimDevice(device) && Kernel_EnableDevice(device, DEVICE_MEMORY | DEVICE_BUS_MASTER)
                 && Kernel_MapDeviceMemory(device, 0, 0, 0x4000, DEVICE_UNCACHED) != NULL
                 && Kernel_AllocateDma(&request, &grant);
    return works ? -11 : -101;
}
