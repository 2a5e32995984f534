// Interrupts of the device, and the thread that watches it.
//
// With MSI-X, each queue has a vector, handled on the queue's CPU, and vector 0 tells of the device itself. If there are fewer vectors,
// queues share them. Without MSI-X there is a line for everything, and without that the watch looks.
#include "disk.h"

#define MILLISECOND 1000000ull
// How often a command that is outstanding gets older.
#define AGE_NS (2000 * MILLISECOND)

// ---- Handlers ----

static uint32_t on_queue(void *context) {
    const Vector *vector = context;
    int block = __atomic_load_n(&vector->disk->block, __ATOMIC_ACQUIRE);
    if (block != 0) {
        Kernel_PollBlock(block, vector->queue);
    }
    return INTERRUPT_HANDLED;
}

static uint32_t on_queues(void *context) {
    const Vector *vector = context;
    int block = __atomic_load_n(&vector->disk->block, __ATOMIC_ACQUIRE);
    for (int i = vector->first; block != 0 && i < vector->disk->queue_count; i += vector->step) {
        Kernel_PollBlock(block, i);
    }
    return INTERRUPT_HANDLED;
}

// Wakes the watch, which may take time. May be called in a handler.
void wake_watch(Disk *disk) {
    __atomic_store_n(&disk->attention, 1, __ATOMIC_RELEASE);
    Kernel_WakeAddress(&disk->attention, 1);
}

static uint32_t on_device(void *context) {
    wake_watch(((Vector *)context)->disk);
    return INTERRUPT_HANDLED;
}

static uint32_t on_device_and_queues(void *context) {
    on_device(context);
    return on_queues(context);
}

static uint32_t on_line(void *context) {
    uint8_t reasons = *((Vector *)context)->disk->isr;
    if (reasons & ISR_CONFIG) {
        on_device(context);
    }
    if (reasons & ISR_QUEUE) {
        on_queues(context);
    }
    return reasons & (ISR_CONFIG | ISR_QUEUE) ? INTERRUPT_HANDLED : INTERRUPT_NOT_MINE;
}

// ---- Setup ----

// Gets interrupts for the device: one for each queue and one more, or fewer.
void allocate_interrupts(Disk *disk) {
    int all = disk->queue_count + 1;
    int count = Kernel_AllocateInterrupts(disk->device, 1, all, INTERRUPT_MSIX);
    disk->has_messages = count > 0;
    if (count <= 0) {
        count = Kernel_AllocateInterrupts(disk->device, 1, 1, INTERRUPT_INTX);
    }
    disk->vector_count = count > 0 ? count : 0;
}

// Returns the vector of the device's own interrupt, or of a queue's; NO_VECTOR if it has none.
uint16_t vector_of(const Disk *disk, int queue) {
    if (!disk->has_messages) {
        return NO_VECTOR;
    }
    return disk->vector_count == 1 ? 0 : (uint16_t)(1 + queue % (disk->vector_count - 1));
}

static bool attach(Disk *disk, int index) {
    Vector *vector = &disk->vectors[index];
    InterruptSetup setup = {.Size = sizeof setup, .Context = vector, .Cpu = -1};
    *vector = (Vector){.disk = disk, .step = 1, .cpu = -1};
    if (!disk->has_messages) {
        setup.Handler = on_line;
    } else if (index == 0) {
        setup.Handler = disk->vector_count == 1 ? on_device_and_queues : on_device;
    } else {
        vector->first = index - 1;
        vector->step = disk->vector_count - 1;
        bool is_alone = vector->step >= disk->queue_count;
        setup.Handler = is_alone ? on_queue : on_queues;
        // The kernel finds the running CPU's queue faster.
        int cpu = disk->queues[index - 1]->cpu;
        vector->queue = index - 1;
        setup.Cpu = cpu;
    }
    if (!Kernel_AttachInterrupt(disk->device, index, &setup)) {
        return false;
    }
    InterruptInfo info = {.Size = sizeof info};
    if (Kernel_GetInterruptInfo(disk->device, index, &info)) {
        vector->cpu = info.Cpu;
    }
    return true;
}

// Attaches the handlers. Returns false if one cannot be.
bool attach_interrupts(Disk *disk) {
    for (int i = 0; i < disk->vector_count; i++) {
        if (!attach(disk, i)) {
            return false;
        }
    }
    return set_device_vector(disk);
}

// Tells the device its own vector. Returns false if it does not take it.
bool set_device_vector(Disk *disk) {
    if (disk->has_messages) {
        disk->common->config_vector = 0;
        return disk->common->config_vector == 0;
    }
    return true;
}

// Detaches all handlers: afterwards none runs.
void detach_interrupts(const Disk *disk) {
    for (int i = 0; i < disk->vector_count; i++) {
        Kernel_DetachInterrupt(disk->device, i);
    }
}

// ---- The watch ----

static void poll_for_sleepers(Disk *disk) {
    int block = __atomic_load_n(&disk->block, __ATOMIC_ACQUIRE);
    for (int i = 0; block != 0 && i < disk->queue_count; i++) {
        Kernel_PollBlock(block, i);
    }
}

// Completes what the device has done: one that does not answer may only have lost an interrupt. If that does not help, restarts the device.
// Returns false if that does not help either.
static bool serve_old(Disk *disk) {
    poll_for_sleepers(disk);
    if (!has_too_old(disk)) {
        return true;
    }
    say(KERNEL_LOG_WARN, disk, "the device has not answered a request in 10 s; it is reset, and its requests fail");
    bool is_restarted = restart(disk);
    count_one(&disk->restarts);
    poll_for_sleepers(disk);
    return is_restarted;
}

// Looks after the device: when it says that something has changed, and each second, because one that was pulled out says nothing.
static int watch(void *argument) {
    Disk *disk = argument;
    uint64_t next = Kernel_GetTime() + AGE_NS;
    uint64_t pause = disk->vector_count > 0 ? 1000 * MILLISECOND : MILLISECOND;
    while (!__atomic_load_n(&disk->is_stopping, __ATOMIC_ACQUIRE)) {
        if (disk->vector_count == 0 || __atomic_exchange_n(&disk->is_behind, 0, __ATOMIC_ACQUIRE)) {
            poll_for_sleepers(disk);
        }
        if (!is_alive(disk)) {
            say(KERNEL_LOG_ERROR, disk, "the device has failed; its requests end");
            close_disk(disk);
            return 0;
        }
        if (Kernel_GetTime() >= next) {
            grow_older(disk);
            if (has_too_old(disk) && !serve_old(disk)) {
                say(KERNEL_LOG_ERROR, disk, "the device does not start again; its requests end");
                close_disk(disk);
                return 0;
            }
            next = Kernel_GetTime() + AGE_NS;
        }
        int result = Kernel_WaitAddress(&disk->attention, 0, pause);
        __atomic_store_n(&disk->attention, 0, __ATOMIC_RELEASE);
        if (result != KERNEL_WAIT_WOKEN && result != KERNEL_WAIT_TIMED_OUT) {
            return 0;
        }
    }
    return 0;
}

bool start_watch(Disk *disk) {
    disk->watch = Kernel_CreateThread("virtio_blk watch", watch, disk, disk->info.Node);
    return disk->watch > 0;
}

// Ends the watch, and waits until it has ended.
void stop_watch(Disk *disk) {
    if (disk->watch > 0) {
        __atomic_store_n(&disk->is_stopping, 1, __ATOMIC_RELEASE);
        wake_watch(disk);
        Kernel_JoinThread(disk->watch, NULL);
    }
}
