// The queues: which CPUs they are for, their memory, and what the controller is told of them.
#include "nvme.h"
#include <proxima_freestanding.h>

// The namespace that the commands name.
#define NAMESPACE 1

// Logs the first complaint about the controller or its requests.
void complain(Pair *pair, const char *what, uint64_t number) {
    if (!__atomic_exchange_n(&pair->has_complained, true, __ATOMIC_RELAXED)) {
        say(KERNEL_LOG_WARN, what, number);
    }
}

// ---- CPUs ----

static int node_of(int cpu) {
    CpuInfo info;
    return Kernel_IsCpuOnline(cpu) && Kernel_GetCpuInfo(cpu, &info) ? (int)info.NumaNode : -1;
}

// Finds the CPUs of a node; with -1, all. Returns their number.
static int find_cpus(Disk *disk, int node) {
    int count = 0, cpus = Kernel_GetCpuCount();
    for (int cpu = 0; cpu < cpus && count < MOST_QUEUES; cpu++) {
        int own = node_of(cpu);
        if (own >= 0 && (node < 0 || own == node)) {
            disk->cpus[count++] = cpu;
        }
    }
    return count;
}

// Finds the CPUs of the device's node, or of the nearest one that has some; all if the node is unknown. Returns their number.
static int find_near_cpus(Disk *disk) {
    int nearest = -1, least = 0, nodes = Kernel_GetNumaNodeCount();
    for (int node = 0; disk->info.Node >= 0 && node < nodes; node++) {
        int distance = Kernel_GetNumaDistance(disk->info.Node, node);
        if (find_cpus(disk, node) > 0 && (nearest < 0 || distance < least)) {
            nearest = node;
            least = distance;
        }
    }
    return find_cpus(disk, nearest);
}

// Returns the CPU for a queue. The kernel sends the requests of CPU i to queue i modulo the number of queues, so that is one of these CPUs if
// possible.
int cpu_of_queue(const Disk *disk, int queue) {
    for (int i = 0; i < disk->queue_count; i++) {
        if (disk->cpus[i] % disk->queue_count == queue) {
            return disk->cpus[i];
        }
    }
    return disk->cpus[queue];
}

// ---- Queues ----

// Allocates a pair of queues with this number and interrupt, or none with -1, and creates them in the controller.
static bool create_pair(Disk *disk, Pair *pair, uint32_t id, int interrupt) {
    uint64_t doorbell = DOORBELLS + 2ull * id * disk->stride;
    if (doorbell + 2ull * disk->stride > disk->registers_bytes) {
        return false;
    }
    pair->commands = allocate_dma(disk, ENTRIES * sizeof(Command), &pair->commands_at, &pair->node);
    pair->completions = allocate_dma(disk, ENTRIES * sizeof(CompletionEntry), &pair->completions_at, &pair->node);
    pair->lists = allocate_dma(disk, ENTRIES * sizeof(List), &pair->lists_at, &pair->node);
    if (!pair->commands || !pair->completions || !pair->lists) {
        return false;
    }
    pair->tail_doorbell = (volatile uint32_t *)(disk->registers + doorbell);
    pair->head_doorbell = (volatile uint32_t *)(disk->registers + doorbell + disk->stride);
    pair->entries = disk->entries;
    pair->mask = disk->entries - 1;
    pair->phase = PHASE;
    pair->id = (uint16_t)id;
    pair->interrupt = interrupt;
    // What is the same in all commands is written once.
    for (int i = 0; i < ENTRIES; i++) {
        pair->commands[i].namespace = NAMESPACE;
    }
    return tell_pair(disk, pair);
}

static Queue *allocate_queue(const Disk *disk) {
    int node = disk->info.Node;
    size_t alignment = _Alignof(Queue);
    Queue *queue = node >= 0 ? Kernel_AllocateMemoryFromNode(sizeof *queue, alignment, node)
                             : Kernel_AllocateMemory(sizeof *queue, alignment);
    if (queue) {
        memset(queue, 0, sizeof *queue);
    }
    return queue;
}

// Creates a queue for each of the CPUs, as far as the controller has queues. If the device has interrupts, each has a pair that raises the
// interrupt with the queue's index, as far as there are so many. Returns null, or why this cannot be.
const char *create_queues(Disk *disk) {
    int count = find_near_cpus(disk);
    uint32_t given = count > 0 ? request_pairs(disk, 2 * (uint32_t)count) : 0;
    if (given == 0) {
        return "it gives no queues";
    }
    count = given < (uint32_t)count ? (int)given : count;
    disk->queue_count = count;
    int vectors = Kernel_AllocateInterrupts(disk->device, 1, count, INTERRUPT_MSIX | INTERRUPT_MSI);
    disk->vector_count = vectors > 0 ? vectors : 0;
    if (vectors <= 0) {
        return "it has no interrupts that are messages";
    }
    bool has_both = given >= 2 * (uint32_t)count;
    for (int i = 0; i < count; i++) {
        Queue *queue = allocate_queue(disk);
        if (!queue) {
            return "there is no memory for its queues";
        }
        disk->queues[i] = queue;
        queue->interrupting = has_both ? &queue->own : &queue->polled;
        if (!create_pair(disk, queue->interrupting, 1 + (uint32_t)i, i % vectors)
            || (has_both && !create_pair(disk, &queue->polled, 1 + (uint32_t)(count + i), -1))) {
            return "its queues cannot be created";
        }
    }
    return NULL;
}
