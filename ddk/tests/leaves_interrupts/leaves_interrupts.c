// leaves_interrupts: refuses to start with a handler attached to QEMU's device `edu`, which interrupts 100 ms later. The kernel must
// have taken the interrupt back by then: the handler's code is gone.
#include <proxima.h>
#include <proxima_freestanding.h>

static uint32_t handler(void *context) {
    (void)context;
    return INTERRUPT_HANDLED;
}

static void set(volatile void *base, uint32_t offset, uint64_t value) {
    *(volatile uint64_t *)((volatile char *)base + offset) = value;
}

int Driver_Init(void) {
    DeviceMatch edu = {.Size = sizeof edu, .Vendor = 0x1234, .Device = 0x11e8, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&edu, 0);
    InterruptSetup setup = {.Size = sizeof setup, .Handler = handler, .Cpu = -1};
    if (!Kernel_ClaimDevice(device) || !Kernel_EnableDevice(device, DEVICE_MEMORY | DEVICE_BUS_MASTER) ||
        Kernel_AllocateInterrupts(device, 1, 1, INTERRUPT_MSI) != 1 || !Kernel_AttachInterrupt(device, 0, &setup)) {
        return -1;
    }
    volatile void *registers = Kernel_MapDeviceMemory(device, 0, 0, 4096, DEVICE_UNCACHED);
    if (registers == NULL) {
        return -2;
    }
    // A copy of 4 bytes to the device's buffer, with an interrupt at its end.
    set(registers, 0x80, 0);
    set(registers, 0x88, 0x40000);
    set(registers, 0x90, 4);
    set(registers, 0x98, 1 | 4);
    return -7;
}
