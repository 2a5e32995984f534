// Bringing up a controller: its registers and reset, the admin queue with one command at a time, and what its first namespace is.
#include "nvme.h"

// The registers.
#define CAPABILITIES 0x00
#define CONFIGURATION 0x14
#define STATUS 0x1c
#define ADMIN_SIZES 0x24
#define ADMIN_COMMANDS 0x28
#define ADMIN_COMPLETIONS 0x30

// The controller is enabled; memory pages have 4 KiB; commands have 64 bytes, and completions 16.
#define ENABLE (1u | 6u << 16 | 4u << 20)
#define READY 1u
#define FATAL 2u

#define ADMIN_ENTRIES 16u
#define LIMIT_NS 5000000000ull
#define MOST_REGISTERS (1ull << 20)
// The namespace that is the disk.
#define NAMESPACE 1u

#define CREATE_SUBMISSION 1
#define CREATE_COMPLETION 5
#define IDENTIFY 6
#define SET_FEATURES 9
#define FEATURE_QUEUES 7u
#define CONTIGUOUS 1u
#define INTERRUPTS 2u

static volatile uint32_t *word_at(const Disk *disk, uint32_t offset) {
    return (volatile uint32_t *)(disk->registers + offset);
}

static volatile uint64_t *long_word_at(const Disk *disk, uint32_t offset) {
    return (volatile uint64_t *)(disk->registers + offset);
}

// Allocates zeroed memory that the controller accesses, on its node. Returns its address for the controller in `address`, and its node.
void *allocate_dma(const Disk *disk, uint64_t bytes, uint64_t *address, int *node) {
    DmaRequest request = {.Size = sizeof request, .Device = disk->device, .Bytes = bytes};
    DmaGrant grant = {.Size = sizeof grant};
    if (!Kernel_AllocateDma(&request, &grant)) {
        return NULL;
    }
    *address = grant.DeviceAddress;
    *node = grant.Node;
    return grant.Memory;
}

static bool wait_until_ready(const Disk *disk, uint32_t ready) {
    uint64_t end = Kernel_GetTime() + disk->limit_ns;
    for (;;) {
        uint32_t status = *word_at(disk, STATUS);
        if ((status & READY) == ready) {
            return status != UINT32_MAX;
        }
        if (status & FATAL || Kernel_GetTime() > end) {
            return false;
        }
        Kernel_YieldThread();
    }
}

static bool disable(const Disk *disk) {
    *word_at(disk, CONFIGURATION) = 0;
    return wait_until_ready(disk, 0);
}

// Disables the controller, which then accesses no memory.
void disable_controller(const Disk *disk) {
    if (disk->registers) {
        disable(disk);
    }
}

// Runs a command with its words 10 and 11. Returns false if it fails, or has no answer in time.
static bool run(Disk *disk, uint16_t opcode, uint32_t namespace, uint64_t data, const uint32_t words[2], uint32_t *result) {
    Admin *admin = &disk->admin;
    uint32_t index = admin->count % ADMIN_ENTRIES;
    uint64_t phase = admin->count / ADMIN_ENTRIES % 2 == 0 ? PHASE : 0, end = Kernel_GetTime() + LIMIT_NS;
    Command *command = &admin->commands[index];
    CompletionEntry *completion = &admin->completions[index];
    command->opcode = opcode;
    command->id = (uint16_t)index;
    command->namespace = namespace;
    command->data = data;
    command->block = (uint64_t)words[1] << 32 | words[0];
    uint32_t next = ++admin->count % ADMIN_ENTRIES, status;
    *word_at(disk, DOORBELLS) = next;
    while (((status = completion->status) & PHASE) != phase) {
        if (Kernel_GetTime() > end) {
            return false;
        }
        Kernel_YieldThread();
    }
    *word_at(disk, DOORBELLS + disk->stride) = next;
    *result = completion->result;
    return status >> 17 == 0 && (status & 0xffff) == index;
}

// Asks for so many I/O queue pairs. Returns how many the controller gives, which may be more; 0 if the command fails.
uint32_t request_pairs(Disk *disk, uint32_t count) {
    uint32_t given;
    if (!run(disk, SET_FEATURES, 0, 0, (uint32_t[]){FEATURE_QUEUES, (count - 1) << 16 | (count - 1)}, &given)) {
        return 0;
    }
    uint32_t low = given & 0xffff, high = given >> 16;
    return (low < high ? low : high) + 1;
}

// Creates the queues of a pair.
bool tell_pair(Disk *disk, const Pair *pair) {
    uint32_t id_and_size = (pair->entries - 1) << 16 | pair->id, result;
    uint32_t flags = pair->interrupt < 0 ? CONTIGUOUS : (uint32_t)pair->interrupt << 16 | INTERRUPTS | CONTIGUOUS;
    uint32_t completion[] = {id_and_size, flags}, submission[] = {id_and_size, (uint32_t)pair->id << 16 | CONTIGUOUS};
    return run(disk, CREATE_COMPLETION, 0, pair->completions_at, completion, &result)
           && run(disk, CREATE_SUBMISSION, 0, pair->commands_at, submission, &result);
}

static bool allocate_admin(Disk *disk) {
    Admin *admin = &disk->admin;
    int node;
    admin->commands = allocate_dma(disk, ADMIN_ENTRIES * sizeof(Command), &admin->commands_at, &node);
    admin->completions = allocate_dma(disk, ADMIN_ENTRIES * sizeof(CompletionEntry), &admin->completions_at, &node);
    admin->identity = allocate_dma(disk, PAGE, &admin->identity_at, &node);
    return admin->commands && admin->completions && admin->identity;
}

// Reads what the controller and its first namespace are.
static const char *identify(Disk *disk) {
    Admin *admin = &disk->admin;
    uint32_t result;
    if (!run(disk, IDENTIFY, 0, admin->identity_at, (uint32_t[]){1, 0}, &result)) {
        return "Identify fails";
    }
    // Byte 77 is the most bytes of a command: pages, as a power of two; 0 stands for no limit.
    uint32_t shift = admin->identity[19] >> 8 & 0xff;
    disk->max_bytes = shift > 0 && shift < 6 ? PAGE << shift : LIST * PAGE;
    if (!run(disk, IDENTIFY, NAMESPACE, admin->identity_at, (uint32_t[]){0, 0}, &result)) {
        return "Identify fails";
    }
    disk->blocks = (uint64_t)admin->identity[1] << 32 | admin->identity[0];
    // Byte 26 has the number of the format, whose description is a word from byte 128 on.
    uint32_t format = admin->identity[32 + (admin->identity[6] >> 16 & 0xf)];
    shift = format >> 16 & 0xff;
    if (disk->blocks == 0 || (format & 0xffff) != 0 || shift < 9 || shift > 16) {
        return "there is no namespace 1, or its blocks are not supported";
    }
    disk->block_size = 1u << shift;
    disk->max_bytes = disk->max_bytes < disk->block_size ? disk->block_size : disk->max_bytes;
    return NULL;
}

// Resets and enables the controller. Returns null, or why it cannot be.
const char *start_controller(Disk *disk) {
    uint64_t bytes = disk->info.Bars[0].Size < MOST_REGISTERS ? disk->info.Bars[0].Size : MOST_REGISTERS;
    if (!Kernel_EnableDevice(disk->device, DEVICE_MEMORY | DEVICE_BUS_MASTER) || bytes < 2 * DOORBELLS) {
        return "it has no registers";
    }
    disk->registers = Kernel_MapDeviceMemory(disk->device, 0, 0, bytes, DEVICE_UNCACHED);
    disk->registers_bytes = bytes;
    if (!disk->registers) {
        return "its registers cannot be mapped";
    }
    uint64_t capabilities = *long_word_at(disk, CAPABILITIES);
    uint32_t entries = (uint32_t)(capabilities & 0xffff) + 1, limit = capabilities >> 24 & 0xff;
    disk->stride = 4u << (capabilities >> 32 & 0xf);
    disk->limit_ns = (limit > 0 ? limit : 1) * 500000000ull;
    // The largest power of two that is not above.
    disk->entries = entries >= ENTRIES ? ENTRIES : 1u << (31 - __builtin_clz(entries));
    if ((capabilities >> 48 & 0xf) != 0 || disk->entries < 2 || DOORBELLS + 2 * disk->stride > bytes) {
        return "its pages, queues or doorbells are not supported";
    }
    if (!disable(disk)) {
        return "it does not answer a reset";
    }
    if (!allocate_admin(disk)) {
        return "there is no memory for the admin queue";
    }
    *word_at(disk, ADMIN_SIZES) = (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1);
    *long_word_at(disk, ADMIN_COMMANDS) = disk->admin.commands_at;
    *long_word_at(disk, ADMIN_COMPLETIONS) = disk->admin.completions_at;
    *word_at(disk, CONFIGURATION) = ENABLE;
    return wait_until_ready(disk, READY) ? identify(disk) : "it does not become ready";
}
