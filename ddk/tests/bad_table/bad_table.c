// bad_table: has a table of devices with an element of an impossible size.
#include <proxima.h>

const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch), .Vendor = 1, .Device = 2},
    {.Size = 20},
};

int Driver_AddDevice(int device) {
    return device;
}

int Driver_Init(void) {
    return 0;
}
