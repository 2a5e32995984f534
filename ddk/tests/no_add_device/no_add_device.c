// no_add_device: has a table of devices and no function Driver_AddDevice.
#include <proxima.h>

const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 1, .Device = 2},
    {.Size = 0},
};

int Driver_Init(void) {
    return 0;
}
