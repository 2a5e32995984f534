#include "device.h"

#include <string.h>

// The parts of BAR 0.
enum { COMMON = 0x0000, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000 };
#define NOTIFY_MULTIPLIER 4

#define STATUS_IO_ERROR 1
#define STATUS_UNSUPPORTED 2

uint64_t any_number(uint64_t *seed) {
    *seed += 0x9e3779b97f4a7c15ull;
    uint64_t mixed = *seed;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
    return mixed ^ mixed >> 31;
}

// ---- Memory of the driver ----

static uint16_t read_word(const Device *device, uint64_t address) {
    uint16_t word = 0;
    Mock_ReadMemory(device->id, address, &word, sizeof word);
    return word;
}

static void write_word(const Device *device, uint64_t address, uint16_t word) {
    Mock_WriteMemory(device->id, address, &word, sizeof word);
}

// ---- Completions ----

static bool has(const Device *device, uint64_t feature) {
    return (device->accepted & feature) != 0;
}

static void interrupt(Device *device, uint16_t vector) {
    device->interrupts++;
    if (vector != NO_VECTOR) {
        Mock_Raise(device->id, vector);
    } else {
        device->isr |= ISR_QUEUE;
        Mock_SetLine(device->id, true);
    }
}

void complete_as(Device *device, int index, uint32_t id, uint32_t length) {
    DeviceQueue *queue = &device->queues[index];
    if (!queue->enabled) {
        return;
    }
    UsedElement element = {.id = id, .length = length};
    uint64_t at = queue->used_ring + 4 + (uint64_t)(queue->used % queue->size) * sizeof element;
    Mock_WriteMemory(device->id, at, &element, sizeof element);
    uint16_t old = queue->used++;
    write_word(device, queue->used_ring + 2, queue->used);
    bool is_wanted = !(read_word(device, queue->available) & 1);
    if (has(device, FEATURE_EVENT_INDEX)) {
        uint16_t event = read_word(device, queue->available + 4 + 2 * queue->size);
        is_wanted = (uint16_t)(queue->used - event - 1) < (uint16_t)(queue->used - old);
    }
    if (is_wanted && !device->is_mute) {
        interrupt(device, queue->vector);
    }
}

// ---- Commands ----

// The descriptors of a command.
typedef struct {
    Descriptor all[32];
    int count;
} Chain;

static Chain chain_of(const Device *device, const DeviceQueue *queue, uint16_t head) {
    Chain chain = {.count = 0};
    uint64_t table = queue->descriptors;
    uint16_t index = head;
    Descriptor descriptor;
    Mock_ReadMemory(device->id, table + index * sizeof descriptor, &descriptor, sizeof descriptor);
    if (descriptor.rest & DESCRIPTOR_INDIRECT) {
        MOCK_REQUIRE(has(device, FEATURE_INDIRECT));
        table = descriptor.address;
        index = 0;
    }
    do {
        MOCK_REQUIRE(chain.count < 32);
        Mock_ReadMemory(device->id, table + index * sizeof descriptor, &descriptor, sizeof descriptor);
        chain.all[chain.count++] = descriptor;
        index = (uint16_t)(descriptor.rest >> 48);
    } while (descriptor.rest & DESCRIPTOR_NEXT);
    return chain;
}

// Executes a command. Returns its status; `written` counts the bytes that the device has written.
static uint8_t execute(Device *device, const Chain *chain, uint32_t *written) {
    Header header;
    MOCK_REQUIRE(chain->count >= 2 && (uint32_t)chain->all[0].rest == sizeof header);
    Mock_ReadMemory(device->id, chain->all[0].address, &header, sizeof header);
    if (header.operation == OPERATION_FLUSH) {
        return BLOCK_STATUS_OK;
    }
    uint64_t at = header.sector * SECTOR;
    for (int i = 1; i < chain->count - 1; i++) {
        uint32_t bytes = (uint32_t)chain->all[i].rest;
        bool is_for_device = !(chain->all[i].rest & DESCRIPTOR_DEVICE_WRITES);
        if (header.operation == OPERATION_GET_ID) {
            Mock_WriteMemory(device->id, chain->all[i].address, "a virtio disk", 14);
            *written += bytes;
            continue;
        }
        if (header.operation > OPERATION_WRITE || at + bytes > sizeof device->disk) {
            return STATUS_UNSUPPORTED;
        }
        MOCK_REQUIRE(is_for_device == (header.operation == OPERATION_WRITE));
        if (is_for_device) {
            Mock_ReadMemory(device->id, chain->all[i].address, device->disk + at, bytes);
        } else {
            Mock_WriteMemory(device->id, chain->all[i].address, device->disk + at, bytes);
            *written += bytes;
        }
        at += bytes;
    }
    return BLOCK_STATUS_OK;
}

static void finish(Device *device, Held command) {
    Chain chain = chain_of(device, &device->queues[command.queue], command.head);
    uint32_t written = 1;
    uint8_t status = STATUS_IO_ERROR;
    if (device->errors > 0) {
        device->errors--;
    } else {
        status = execute(device, &chain, &written);
    }
    const Descriptor *last = &chain.all[chain.count - 1];
    MOCK_REQUIRE((uint32_t)last->rest == 1 && last->rest & DESCRIPTOR_DEVICE_WRITES);
    Mock_WriteMemory(device->id, last->address, &status, 1);
    complete_as(device, command.queue, command.head, written);
}

// Fetches the next command. Returns false if there is none.
static bool fetch(Device *device, Held *command) {
    for (int i = 0; i < QUEUES; i++) {
        DeviceQueue *queue = &device->queues[i];
        if (queue->enabled && read_word(device, queue->available + 2) != queue->next) {
            uint16_t head = read_word(device, queue->available + 4 + 2 * (queue->next % queue->size));
            queue->next++;
            if (has(device, FEATURE_EVENT_INDEX)) {
                write_word(device, queue->used_ring + 4 + 8 * queue->size, queue->next);
            }
            *command = (Held){.queue = i, .head = head};
            return true;
        }
    }
    return false;
}

static void work(void *context, int id) {
    Device *device = context;
    if (!(device->status & STATUS_DRIVER_OK)) {
        return;
    }
    Held command;
    bool is_new = fetch(device, &command);
    if (is_new) {
        device->commands++;
        if (!device->is_silent) {
            device->held[device->held_count++] = command;
        }
    }
    bool is_patient = device->order != 0 && any_number(&device->order) % 2;
    if (device->held_count > 0 && !is_patient) {
        int index = device->order != 0 ? (int)(any_number(&device->order) % (uint64_t)device->held_count) : 0;
        command = device->held[index];
        device->held[index] = device->held[--device->held_count];
        finish(device, command);
    }
    if (is_new || device->held_count > 0) {
        Mock_Work(id, 0);
    }
}

// ---- Registers ----

static void reset(void *context, int id) {
    Device *device = context;
    memset(device->queues, 0, sizeof device->queues);
    device->accepted = 0;
    device->status = device->isr = 0;
    device->held_count = 0;
    device->config_vector = NO_VECTOR;
    Mock_SetLine(id, false);
}

static DeviceQueue *selected(Device *device) {
    return &device->queues[device->queue_select % QUEUES];
}

static uint64_t read_common(Device *device, uint64_t offset) {
    const DeviceQueue *queue = selected(device);
    switch (offset) {
    case 0x00: return device->feature_select[0];
    case 0x04: return device->feature_select[0] < 2 ? (uint32_t)(device->offered >> 32 * device->feature_select[0]) : 0;
    case 0x10: return device->config_vector;
    case 0x12: return device->queue_count;
    case 0x14: return device->status;
    case 0x15: return 0;
    case 0x16: return device->queue_select;
    case 0x18: return device->queue_select < device->queue_count ? (queue->size ? queue->size : RING) : 0;
    case 0x1a: return queue->vector;
    case 0x1c: return queue->enabled;
    case 0x1e: return device->queue_select;
    default: Mock_Fail(__FILE__, __LINE__, "the driver reads an unknown register");
    }
}

static void write_common(Device *device, uint64_t offset, uint64_t value) {
    DeviceQueue *queue = selected(device);
    uint64_t half = offset % 8 == 4 ? 32 : 0;
    uint64_t keep = half ? 0xffffffffull : 0xffffffff00000000ull;
    switch (offset) {
    case 0x00: device->feature_select[0] = (uint32_t)value; break;
    case 0x08: device->feature_select[1] = (uint32_t)value; break;
    case 0x0c: device->accepted |= value << 32 * (device->feature_select[1] & 1); break;
    case 0x10: device->config_vector = (uint16_t)value; break;
    case 0x14:
        if (value == 0) {
            if (!device->is_broken) {
                reset(device, device->id);
            }
            break;
        }
        device->starts += value & STATUS_DRIVER_OK && !(device->status & STATUS_DRIVER_OK);
        device->status = (uint8_t)value;
        if (value & STATUS_DRIVER_OK) {
            Mock_Work(device->id, 0);
        }
        break;
    case 0x16: device->queue_select = (uint16_t)value; break;
    case 0x18: queue->size = (uint16_t)value; break;
    case 0x1a: queue->vector = (uint16_t)value; break;
    case 0x1c: queue->enabled = (uint16_t)value; break;
    case 0x20: case 0x24: queue->descriptors = (queue->descriptors & keep) | value << half; break;
    case 0x28: case 0x2c: queue->available = (queue->available & keep) | value << half; break;
    case 0x30: case 0x34: queue->used_ring = (queue->used_ring & keep) | value << half; break;
    default: Mock_Fail(__FILE__, __LINE__, "the driver writes an unknown register");
    }
}

static uint64_t read_register(void *context, int id, int bar, uint64_t offset, uint32_t width) {
    Device *device = context;
    (void)bar, (void)width;
    if (offset < ISR) {
        return read_common(device, offset);
    }
    if (offset == ISR) {
        uint8_t isr = device->isr;
        device->isr = 0;
        Mock_SetLine(id, false);
        return isr;
    }
    switch (offset - CONFIG) {
    case 0x00: return SECTORS;
    case 0x0c: return 8; // segments
    case 0x14: return SECTOR;
    case 0x22: return device->queue_count;
    default: return 0;
    }
}

static void write_register(void *context, int id, int bar, uint64_t offset, uint32_t width, uint64_t value) {
    Device *device = context;
    (void)bar, (void)width;
    if (offset < ISR) {
        write_common(device, offset, value);
    } else if (offset >= NOTIFY) {
        MOCK_REQUIRE((offset - NOTIFY) / NOTIFY_MULTIPLIER == value);
        Mock_Work(id, 0);
    }
}

static MockCapability capability(uint8_t type, uint32_t offset, uint32_t length) {
    MockCapability capability = {.Id = PCI_CAPABILITY_VENDOR, .Length = 18};
    capability.Bytes[0] = 20;
    capability.Bytes[1] = type;
    uint32_t words[3] = {offset, length, NOTIFY_MULTIPLIER};
    memcpy(capability.Bytes + 6, words, sizeof words);
    return capability;
}

int plug(Device *device, uint64_t features, uint16_t vectors, bool has_line) {
    memset(device, 0, sizeof *device);
    device->offered = features;
    device->queue_count = QUEUES;
    device->config_vector = NO_VECTOR;
    MockDevice mock = {
        .Vendor = 0x1af4,
        .Device = 0x1042,
        .Class = 0x010000,
        .Node = 0,
        .BarBytes = {0x4000},
        .MsixVectors = vectors,
        .Pin = has_line,
        .CapabilityCount = 4,
        .Capabilities = {capability(TYPE_COMMON, COMMON, 56), capability(TYPE_ISR, ISR, 4),
                         capability(TYPE_DEVICE, CONFIG, 64), capability(TYPE_NOTIFY, NOTIFY, 0x1000)},
        .Context = device,
        .Read = read_register,
        .Write = write_register,
        .Work = work,
        .Reset = reset,
    };
    device->id = Mock_Plug(&mock);
    return device->id;
}
