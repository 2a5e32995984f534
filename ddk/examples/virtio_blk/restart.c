// Restarts a device that does not answer: finds commands that are too old, resets the device, and gives it empty queues.
//
// Submitting and polling do nothing for this. The watch counts in `expected` how often it has found a command outstanding; a new command
// begins with 0. Such a command is unusual when it ends, and takes the long way.
#include "disk.h"

// The age of a command that is not waited for any longer. The watch looks each 2 s, so this is 10 to 12 s.
#define TOO_OLD 6

static uint64_t age_of(const Queue *queue, uint32_t tag) {
    bool is_outstanding = __atomic_load_n(&queue->requests[tag], __ATOMIC_RELAXED) != NULL;
    return is_outstanding ? __atomic_load_n(&queue->expected[tag], __ATOMIC_RELAXED) >> AGE_AT : 0;
}

// Returns true if a command is not answered in time.
bool has_too_old(const Disk *disk) {
    for (int i = 0; i < disk->queue_count; i++) {
        for (uint32_t tag = 0; tag < disk->queues[i]->depth; tag++) {
            if (age_of(disk->queues[i], tag) >= TOO_OLD) {
                return true;
            }
        }
    }
    return false;
}

static void make_older(Queue *queue, uint32_t tag) {
    if (__atomic_load_n(&queue->requests[tag], __ATOMIC_RELAXED) == NULL) {
        return;
    }
    uint64_t before = __atomic_load_n(&queue->expected[tag], __ATOMIC_RELAXED);
    if (before >> AGE_AT < TOO_OLD) {
        // The command may end now, and another begin. The exchange then fails or, if both are alike, makes the new one a step too old.
        uint64_t older = before + (1ull << AGE_AT);
        __atomic_compare_exchange_n(&queue->expected[tag], &before, older, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

// Makes each command that is outstanding older by a step.
void grow_older(Disk *disk) {
    for (int i = 0; i < disk->queue_count; i++) {
        for (uint32_t tag = 0; tag < disk->queues[i]->depth; tag++) {
            make_older(disk->queues[i], tag);
        }
    }
}

// Empties a queue of a device that was reset, and ends its requests with an error. The caller polls the queue. A request that is submitted
// from here on waits until the device starts.
static void end_requests(const Disk *disk, Queue *queue) {
    BlockRequest *ended[MAX_RING];
    uint64_t flags = begin_submitting(queue);
    for (uint32_t tag = 0; tag < queue->depth; tag++) {
        ended[tag] = queue->requests[tag];
        queue->requests[tag] = NULL;
    }
    prepare_commands(disk, queue);
    queue->available_index = queue->used_index = 0;
    queue->available->index = queue->used->index = 0;
    *queue->available_event = 0;
    *queue->used_event = FAR_INDEX;
    queue->woken = queue->sleepers;
    end_submitting(queue, flags);
    // Without the turn: their submitters may submit again from there.
    for (uint32_t tag = 0; tag < queue->depth; tag++) {
        if (ended[tag] != NULL) {
            Kernel_CompleteBlock(ended[tag], BLOCK_ERROR);
        }
    }
}

// Gives the queues to the device, and starts it. Returns false if it does not start.
bool start_queues(Disk *disk) {
    for (int i = 0; i < disk->queue_count; i++) {
        if (!enable_queue(disk, disk->queues[i], vector_of(disk, i))) {
            return false;
        }
    }
    start(disk);
    return is_alive(disk);
}

// Gives a device that was reset its queues again, and starts it.
static bool start_again(Disk *disk) {
    uint64_t features = disk->features;
    if (!negotiate(disk) || disk->features != features || !set_device_vector(disk)) {
        return false;
    }
    return start_queues(disk);
}

// Resets the device, ends the requests that are outstanding with an error, and starts the device again. Returns false if it does not start.
bool restart(Disk *disk) {
    for (int i = 0; i < disk->queue_count; i++) {
        while (!Turn_Take(&disk->queues[i]->polling)) {
            Kernel_YieldThread();
        }
    }
    bool is_well = reset(disk);
    for (int i = 0; is_well && i < disk->queue_count; i++) {
        end_requests(disk, disk->queues[i]);
    }
    is_well = is_well && start_again(disk);
    for (int i = 0; i < disk->queue_count; i++) {
        Queue *queue = disk->queues[i];
        if (is_well) {
            *queue->doorbell = queue->index;
        }
        // Nobody wants the turn, so it does not end early.
        (void)Turn_EndIsEarly(&queue->polling);
    }
    return is_well;
}
