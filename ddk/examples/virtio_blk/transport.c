// The registers of a modern virtio device on PCI, and the conversation that starts it (virtio 1.2, sections 3.1 and 4.1).
#include "disk.h"

#define RESET_NS 1000000000ull
#define PAUSE_NS 100000ull

// The features that the driver uses. All but VERSION_1 are optional.
#define KNOWN_FEATURES                                                                                                     \
    (FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_READ_ONLY | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | FEATURE_QUEUES          \
     | FEATURE_INDIRECT | FEATURE_EVENT_INDEX | FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM | FEATURE_ORDER_PLATFORM)

// Maps what the next capability of this type describes, if it has at least so many bytes. Returns its offset in configuration space
// in `at`.
static volatile void *map(const Disk *disk, uint32_t type, uint64_t least, uint64_t *bytes, int *at) {
    int device = disk->device;
    for (int cap = 0; (cap = Kernel_FindDeviceCapability(device, PCI_CAPABILITY_VENDOR, cap)) > 0;) {
        uint32_t offset = (uint32_t)cap;
        if (Kernel_ReadDeviceConfig(device, offset + 3, 1) != type) {
            continue;
        }
        uint32_t bar = Kernel_ReadDeviceConfig(device, offset + 4, 1);
        uint32_t first = Kernel_ReadDeviceConfig(device, offset + 8, 4);
        uint32_t length = Kernel_ReadDeviceConfig(device, offset + 12, 4);
        // A device may describe its registers several times, also in I/O ports. The first one that can be mapped counts.
        if (bar > 5 || length < least || first % 4 != 0) {
            continue;
        }
        // Of a large area the driver needs the beginning.
        length = length > 1 << 20 ? 1 << 20 : length;
        void *memory = Kernel_MapDeviceMemory(device, (int)bar, first, length, DEVICE_UNCACHED);
        if (memory) {
            *bytes = length;
            *at = cap;
            return memory;
        }
    }
    return NULL;
}

// Finds and maps the device's registers. Returns false if it is no modern device.
bool find_registers(Disk *disk) {
    uint64_t bytes;
    int at;
    disk->common = map(disk, TYPE_COMMON, sizeof(CommonConfig), &bytes, &at);
    disk->isr = map(disk, TYPE_ISR, 1, &bytes, &at);
    disk->config = map(disk, TYPE_DEVICE, 8, &disk->config_bytes, &at);
    disk->notify = map(disk, TYPE_NOTIFY, 2, &disk->notify_bytes, &at);
    if (!disk->common || !disk->isr || !disk->config || !disk->notify) {
        return false;
    }
    disk->notify_multiplier = Kernel_ReadDeviceConfig(disk->device, (uint32_t)at + 16, 4);
    return true;
}

// Unmaps what find_registers has mapped.
void unmap_registers(const Disk *disk) {
    const volatile void *parts[] = {disk->common, disk->isr, disk->config, disk->notify};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i]) {
            Kernel_UnmapDeviceMemory((void *)parts[i]);
        }
    }
}

// Resets the device: afterwards it accesses no memory. Returns false if it does not answer in time.
bool reset(Disk *disk) {
    disk->common->status = 0;
    for (uint64_t end = Kernel_GetTime() + RESET_NS; disk->common->status != 0;) {
        if (Kernel_GetTime() > end) {
            return false;
        }
        Kernel_SleepThread(PAUSE_NS);
    }
    return true;
}

static void add_status(Disk *disk, uint8_t bits) {
    disk->common->status = disk->common->status | bits;
}

// Agrees on features with a device that was reset. Returns false, with the reason in the log, if the two do not agree.
bool negotiate(Disk *disk) {
    CommonConfig *common = disk->common;
    add_status(disk, STATUS_ACKNOWLEDGE);
    add_status(disk, STATUS_DRIVER);
    uint64_t offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        common->device_feature_select = half;
        offered |= (uint64_t)common->device_feature << 32 * half;
    }
    disk->features = offered & KNOWN_FEATURES;
    if (!(disk->features & FEATURE_VERSION_1)) {
        say(KERNEL_LOG_WARN, disk, "the device is older than virtio 1.0");
        return false;
    }
    for (uint32_t half = 0; half < 2; half++) {
        common->driver_feature_select = half;
        common->driver_feature = (uint32_t)(disk->features >> 32 * half);
    }
    add_status(disk, STATUS_FEATURES_OK);
    if (!(common->status & STATUS_FEATURES_OK)) {
        say(KERNEL_LOG_WARN, disk, "the device refuses the driver's features");
        return false;
    }
    return true;
}

// Returns the size of the device's ring, a power of two that is at most MAX_RING; 0 if there is no such queue.
uint16_t queue_size(Disk *disk, int index) {
    if (index >= disk->common->queue_count) {
        return 0;
    }
    disk->common->queue_select = (uint16_t)index;
    uint16_t size = disk->common->queue_size;
    if (size == 0 || disk->common->queue_enable) {
        return 0;
    }
    size = size < MAX_RING ? size : MAX_RING;
    return (uint16_t)(1u << (31 - __builtin_clz(size)));
}

static void write_address(volatile uint32_t *to, uint64_t address) {
    to[0] = (uint32_t)address;
    to[1] = (uint32_t)(address >> 32);
}

// Gives the device a queue, and finds the queue's doorbell. Returns false if the device does not take it.
bool enable_queue(Disk *disk, Queue *queue, uint16_t vector) {
    CommonConfig *common = disk->common;
    common->queue_select = queue->index;
    common->queue_size = (uint16_t)(queue->mask + 1);
    common->queue_vector = vector;
    if (vector != NO_VECTOR && common->queue_vector != vector) {
        return false;
    }
    write_address(common->queue_descriptors, queue->device_address + queue->descriptors_at);
    write_address(common->queue_available, queue->device_address + queue->available_at);
    write_address(common->queue_used, queue->device_address + queue->used_at);
    uint64_t offset = (uint64_t)common->queue_notify_offset * disk->notify_multiplier;
    if (offset % 2 != 0 || offset > disk->notify_bytes - 2) {
        return false;
    }
    queue->doorbell = (volatile uint16_t *)(disk->notify + offset);
    common->queue_enable = 1;
    return common->queue_enable == 1;
}

// Returns false if the device is gone, was reset by itself, or asks for a reset.
bool is_alive(Disk *disk) {
    uint8_t status = disk->common->status;
    return status != 0xff && (status & STATUS_DRIVER_OK) && !(status & STATUS_NEEDS_RESET);
}

// Lets the device work.
void start(Disk *disk) {
    add_status(disk, STATUS_DRIVER_OK);
}
