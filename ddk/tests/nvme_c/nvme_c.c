// nvme_c: `ddk/examples/nvme` in C, to compare what a request costs. It has no restart and no removal, needs interrupts, and does
// not split requests: one whose segments no single command can address ends with BLOCK_ERROR.
//
// - admin.c: the controller, and what its disk is
// - queue.c: the queues
// - submit.c, poll.c: the way of requests to the controller and back, with the same steps as in the driver in Rust
#include "nvme.h"
#include "../../examples/virtio_blk/log_line.h"
#include <proxima_freestanding.h>

// Mass storage, non-volatile memory, NVM Express.
#define NVME 0x010802
// How often outstanding requests get older, and the age at which the log tells of one.
#define LOOK_NS 2000000000ull
#define TOO_OLD 6

const DeviceMatch Driver_Devices[] = {
    {.Size = sizeof(DeviceMatch),
     .Vendor = DEVICE_ANY,
     .Device = DEVICE_ANY,
     .SubVendor = DEVICE_ANY,
     .SubDevice = DEVICE_ANY,
     .Class = NVME,
     .ClassMask = 0xffffff},
    DeviceMatch_END,
};

static uint32_t next_number;

// Logs a text and a number.
void say(int level, const char *what, uint64_t number) {
    LogLine line = {0};
    add_text(&line, what);
    add_text(&line, " 0x");
    add_digits(&line, number, 16, 1);
    write_line(level, &line);
}

// ---- Interrupts and the watch ----

// Completes what the controller has done on the interrupt's queues. A poll completes polled requests first.
static uint32_t handle(void *context) {
    const Vector *vector = context;
    const Disk *disk = vector->disk;
    int block = __atomic_load_n(&disk->block, __ATOMIC_RELAXED);
    for (int i = vector->index; i < disk->queue_count; i += disk->vector_count) {
        while (Kernel_PollBlock(block, i) != 0 && has_interrupting(disk->queues[i])) {
        }
    }
    return INTERRUPT_HANDLED;
}

// Attaches each interrupt on the CPU of its first queue. Returns false if one cannot be.
static bool attach_interrupts(Disk *disk) {
    for (int i = 0; i < disk->vector_count; i++) {
        disk->vectors[i] = (Vector){.disk = disk, .index = i};
        InterruptSetup setup = {
            .Size = sizeof setup, .Handler = handle, .Context = &disk->vectors[i], .Cpu = cpu_of_queue(disk, i)};
        if (!Kernel_AttachInterrupt(disk->device, i, &setup)) {
            return false;
        }
    }
    return true;
}

// Tells once of a request that the controller leaves unanswered.
static void look(void *context) {
    Disk *disk = context;
    uint64_t oldest = 0;
    for (int i = 0; i < disk->queue_count; i++) {
        Queue *queue = disk->queues[i];
        uint64_t polled = grow_older(&queue->polled), other = grow_older(&queue->own);
        oldest = polled > oldest ? polled : oldest;
        oldest = other > oldest ? other : oldest;
    }
    if (oldest >= TOO_OLD && !disk->is_told_silent) {
        disk->is_told_silent = true;
        say(KERNEL_LOG_WARN, "the controller has not answered a request in 10 s; its age is", oldest);
    }
}

static bool start_watch(Disk *disk) {
    int timer = Kernel_CreateTimer(look, disk, cpu_of_queue(disk, 0));
    return timer > 0 && Kernel_SetTimer(timer, Kernel_GetTime() + LOOK_NS, LOOK_NS);
}

// ---- Disks ----

static bool register_disk(Disk *disk, LogLine *name) {
    BlockDriver driver = {
        .Size = sizeof driver,
        .Device = disk->device,
        .BlockSize = disk->block_size,
        .Blocks = disk->blocks,
        .MaxBytes = disk->max_bytes,
        .MaxSegments = LIST,
        .Queues = (uint32_t)disk->queue_count,
        .Depth = disk->entries - 1,
        .Context = disk->queues,
        .Submit = submit,
        .Poll = poll,
    };
    add_text(name, "nvme");
    add_number(name, __atomic_fetch_add(&next_number, 1, __ATOMIC_RELAXED));
    memcpy(driver.Name, name->text, name->length);
    int block = Kernel_RegisterBlock(&driver);
    __atomic_store_n(&disk->block, block > 0 ? block : 0, __ATOMIC_RELAXED);
    return block > 0;
}

static void describe(const Disk *disk, const LogLine *name) {
    LogLine line = {0};
    add_text(&line, "disk ");
    for (size_t i = 0; i < name->length; i++) {
        add_character(&line, name->text[i]);
    }
    add_text(&line, ", ");
    add_number(&line, disk->blocks * disk->block_size >> 20);
    add_text(&line, " MiB, ");
    add_count(&line, (uint64_t)disk->queue_count, "queue");
    add_text(&line, ", memory on node ");
    add_number(&line, (uint64_t)disk->queues[0]->polled.node);
    write_line(KERNEL_LOG_INFO, &line);
}

// Starts a disk. Returns null, or why it cannot be. What is registered or attached then already stays without use.
static const char *open_disk(Disk *disk) {
    LogLine name = {0};
    const char *reason = start_controller(disk);
    reason = reason ? reason : create_queues(disk);
    if (reason) {
        return reason;
    }
    if (!register_disk(disk, &name)) {
        return "the kernel refuses what it says of itself";
    }
    if (!attach_interrupts(disk) || !start_watch(disk)) {
        Kernel_UnregisterBlock(disk->block);
        return "its interrupts or its timer cannot be set up";
    }
    describe(disk, &name);
    return NULL;
}

int Driver_AddDevice(int device) {
    Disk *disk = Kernel_AllocateMemory(sizeof *disk, 0);
    if (!disk) {
        return -1;
    }
    memset(disk, 0, sizeof *disk);
    disk->device = device;
    disk->info.Size = sizeof disk->info;
    const char *reason = Kernel_GetDeviceInfo(device, &disk->info) ? open_disk(disk) : "the kernel does not know it";
    if (reason) {
        // It stays the driver's, but does nothing any more; its memory stays, too, because a handler may use it.
        disable_controller(disk);
        Kernel_EnableDevice(device, 0);
        say(KERNEL_LOG_ERROR, reason, (uint64_t)device);
    }
    return 0;
}

int Driver_Init(void) {
    return 0;
}
