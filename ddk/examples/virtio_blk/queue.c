// Creates and frees the queues: their memory, and the parts of each command that do not change.
#include "disk.h"
#include <proxima_freestanding.h>

#define CACHE_LINE 64

static uint64_t align(uint64_t offset) {
    return (offset + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

// Returns the most segments of a request.
uint32_t most_segments(const Disk *disk) {
    uint32_t most = TABLE_LENGTH - 2;
    if (!disk->has_tables) {
        uint32_t ring = disk->queues[0]->mask + 1u;
        most = (ring < CHAIN_LENGTH ? ring : CHAIN_LENGTH) - 2;
    }
    if (disk->features & FEATURE_SEG_MAX && disk->config_bytes >= offsetof(BlockConfig, geometry)) {
        uint32_t segments = disk->config->seg_max;
        most = segments > 0 && segments < most ? segments : most;
    }
    return most;
}

// Writes the descriptors of all commands, as far as they are always the same. The request's own come at DATA_AT, 2.
void prepare_commands(const Disk *disk, Queue *queue) {
    uint64_t commands = queue->device_address + queue->commands_at;
    for (uint32_t tag = 0; tag < queue->depth; tag++) {
        Command *command = queue->command[tag] = &queue->commands[tag];
        uint64_t address = commands + (uint64_t)tag * sizeof(Command), first = 0;
        Descriptor *table = command->table;
        // If the device leaves it as it is, that of the command before counts.
        command->status = BLOCK_STATUS_OK;
        if (disk->has_tables) {
            // The device follows the table's chain, which is shorter than the table.
            queue->descriptors[tag].address = address + offsetof(Command, table);
            queue->descriptors[tag].rest = sizeof command->table | DESCRIPTOR_INDIRECT;
        } else {
            first = DESCRIPTOR_NEXT_INDEX(tag * CHAIN_LENGTH);
            table = queue->descriptors + tag * CHAIN_LENGTH;
        }
        table[0].address = address + offsetof(Command, header);
        table[0].rest = sizeof(Header) + DESCRIPTOR_NEXT + first + DESCRIPTOR_NEXT_INDEX(2);
        table[1].address = address + offsetof(Command, status);
        table[1].rest = 1 + DESCRIPTOR_DEVICE_WRITES;
    }
}

// Returns the node for a queue's memory: the device's or, if that is unknown, that of the queue's CPU.
static int node_for(const Disk *disk, int cpu) {
    CpuInfo info;
    if (disk->info.Node >= 0) {
        return disk->info.Node;
    }
    return Kernel_GetCpuInfo(cpu, &info) ? (int)info.NumaNode : 0;
}

// Allocates the memory that the device accesses.
static bool allocate_memory(const Disk *disk, Queue *queue, uint32_t ring) {
    queue->descriptors_at = 0;
    queue->available_at = align(ring * sizeof(Descriptor));
    queue->used_at = align(queue->available_at + sizeof(Available) + (ring + 1) * sizeof(uint16_t));
    queue->commands_at = align(queue->used_at + sizeof(Used) + ring * sizeof(UsedElement) + sizeof(uint16_t));
    uint64_t bytes = queue->commands_at + queue->depth * sizeof(Command);

    NumaPolicy near = {
        .Size = sizeof near, .Kind = NUMA_POLICY_PREFERRED, .Node = node_for(disk, queue->cpu)};
    DmaRequest request = {.Size = sizeof request, .Flags = DMA_NOT_ZEROED, .Device = disk->device, .Bytes = bytes, .Policy = &near};
    DmaGrant grant = {.Size = sizeof grant};
    if (!Kernel_AllocateDma(&request, &grant)) {
        return false;
    }
    char *memory = grant.Memory;
    queue->device_address = grant.DeviceAddress;
    queue->node = grant.Node;
    queue->descriptors = (Descriptor *)(memory + queue->descriptors_at);
    queue->available = (Available *)(memory + queue->available_at);
    queue->used = (Used *)(memory + queue->used_at);
    queue->commands = (Command *)(memory + queue->commands_at);
    // The device reads no descriptor and no command before it is written.
    for (uint64_t at = queue->available_at; at < queue->commands_at; at += sizeof(uint64_t)) {
        *(uint64_t *)(memory + at) = 0;
    }
    return true;
}

// Creates the queue with this index, for this CPU's interrupts. Returns false if the device has none, its ring is too short, or there
// is no memory.
bool create_queue(Disk *disk, int index, int cpu) {
    Queue *queue = Kernel_AllocateMemoryFromNode(sizeof *queue, _Alignof(Queue), node_for(disk, cpu));
    uint32_t ring = queue_size(disk, index);
    if (!queue) {
        return false;
    }
    memset(queue, 0, sizeof *queue);
    disk->queues[index] = queue;
    queue->disk = disk;
    queue->cpu = cpu;
    queue->index = (uint16_t)index;
    queue->mask = ring - 1;
    queue->depth = disk->has_tables ? ring : ring / CHAIN_LENGTH;
    if (queue->depth == 0 || !allocate_memory(disk, queue, ring)) {
        return false;
    }
    queue->used_event = &queue->available->ring[ring];
    queue->available_event = (volatile uint16_t *)&queue->used->ring[ring];
    queue->has_tables = disk->has_tables;
    queue->has_events = (disk->features & FEATURE_EVENT_INDEX) != 0;
    *queue->used_event = FAR_INDEX;
    prepare_commands(disk, queue);
    return true;
}

void free_queue(Queue *queue) {
    if (queue && queue->device_address) {
        Kernel_FreeDma(queue->device_address);
    }
    Kernel_FreeMemory(queue);
}
