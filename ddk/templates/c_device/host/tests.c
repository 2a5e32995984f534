// Tests of my_device without a machine: ddk/mock/test.sh FOLDER. This program plays the device.
#include <proxima_mock.h>

// What answers the driver's accesses of registers.
static uint64_t read_register(void *context, int device, int bar, uint64_t offset, uint32_t width) {
    (void)context, (void)device, (void)bar, (void)offset, (void)width;
    return 0;
}

static void write_register(void *context, int device, int bar, uint64_t offset, uint32_t width, uint64_t value) {
    (void)context, (void)device, (void)bar, (void)offset, (void)width, (void)value;
}

static void adds_its_device(void *context) {
    (void)context;
    MockDevice plugged = {
        .Vendor = 0x1234, .Device = 0x11e8, .Node = -1, .BarBytes = {4096}, .Read = read_register, .Write = write_register};
    int device = Mock_Plug(&plugged);
    MOCK_REQUIRE(Mock_Load() == 0 && Mock_Added(device) == 0);
}

static void gives_a_device_without_registers_back(void *context) {
    (void)context;
    MockDevice plugged = {.Vendor = 0x1234, .Device = 0x11e8, .Node = -1, .Read = read_register, .Write = write_register};
    int device = Mock_Plug(&plugged);
    MOCK_REQUIRE(Mock_Load() == 0 && Mock_Added(device) == -3);
}

int main(void) {
    // The kernel takes the mapping of the registers with the device.
    MockMachine machine = {.Allowed = {.Mappings = 1}};
    MockDriver driver = MOCK_DRIVER("my_device");
    return Mock_Run(&machine, &driver, adds_its_device, NULL) &&
           Mock_Run(&machine, &driver, gives_a_device_without_registers_back, NULL) ? 0 : 1;
}
