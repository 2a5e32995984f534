// virtio_blk: a driver for virtio disks on PCI, as QEMU has them. It registers each disk as a block device: vblk0, vblk1, …
//
// - transport.c: the device's registers, and the agreement on features
// - queue.c: the queues' memory
// - submit.c, poll.c: the way of requests to the device and back
// - interrupts.c: interrupts, and the thread that watches the device
// - restart.c: the reset of a device that does not answer
// - counters.c: the counters and the parameter
#include "disk.h"
#include <proxima_freestanding.h>

#define VENDOR 0x1af4
#define MOST_REQUEST_BYTES (16u << 20)

const DeviceMatch Driver_Devices[] = {
    // A virtio disk, and one that has the old interface, too.
    {.Size = sizeof(DeviceMatch), .Vendor = VENDOR, .Device = 0x1042, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    {.Size = sizeof(DeviceMatch), .Vendor = VENDOR, .Device = 0x1001, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY},
    DeviceMatch_END,
};

static Mutex disks_lock;
static Disk *disks;
static unsigned numbers_used;

// ---- The log ----

static void add_name(LogLine *line, const Disk *disk) {
    if (disk->name[0]) {
        add_text(line, "disk ");
        add_text(line, disk->name);
        return;
    }
    add_digits(line, disk->info.Segment, 16, 4);
    add_character(line, ':');
    add_digits(line, disk->info.Bus, 16, 2);
    add_character(line, ':');
    add_digits(line, disk->info.Slot, 16, 2);
    add_character(line, '.');
    add_digits(line, disk->info.Function, 16, 1);
}

void say(int level, const Disk *disk, const char *what) {
    LogLine line = {0};
    add_name(&line, disk);
    add_text(&line, ": ");
    add_text(&line, what);
    write_line(level, &line);
}

void report(Disk *disk, uint32_t mistake, const char *what) {
    if (!(__atomic_fetch_or(&disk->reported, mistake, __ATOMIC_RELAXED) & mistake)) {
        say(KERNEL_LOG_WARN, disk, what);
    }
}

// Nodes, from the lowest to the highest.
typedef struct {
    int first, last;
} Nodes;

static void include(Nodes *nodes, int node) {
    nodes->first = nodes->first < 0 || node < nodes->first ? node : nodes->first;
    nodes->last = node > nodes->last ? node : nodes->last;
}

// Logs the disk, such as "disk vblk0, 64 MiB, 4 queues on CPUs 0-3, memory and interrupts on node 0".
static void describe(const Disk *disk, uint64_t bytes) {
    LogLine line = {0};
    Nodes memory = {-1, -1}, interrupts = {-1, -1};
    CpuInfo cpu;
    for (int i = 0; i < disk->queue_count; i++) {
        include(&memory, disk->queues[i]->node);
    }
    for (int i = disk->vector_count > 1; i < disk->vector_count; i++) {
        if (Kernel_GetCpuInfo(disk->vectors[i].cpu, &cpu)) {
            include(&interrupts, (int)cpu.NumaNode);
        }
    }
    add_name(&line, disk);
    add_text(&line, ", ");
    add_number(&line, bytes >= 1 << 20 ? bytes >> 20 : bytes >> 10);
    add_text(&line, bytes >= 1 << 20 ? " MiB, " : " KiB, ");
    add_count(&line, (uint64_t)disk->queue_count, "queue");
    add_range(&line, " on CPU", 0, disk->queue_count - 1);
    add_text(&line, disk->features & FEATURE_READ_ONLY ? ", read-only, memory" : ", memory");
    if (disk->vector_count == 0) {
        add_range(&line, " on node", memory.first, memory.last);
        add_text(&line, ", no interrupts");
    } else if (memory.first == interrupts.first && memory.last == interrupts.last) {
        add_range(&line, " and interrupts on node", memory.first, memory.last);
    } else {
        add_range(&line, " on node", memory.first, memory.last);
        add_range(&line, ", interrupts on node", interrupts.first, interrupts.last);
    }
    if (disk->info.Node < 0) {
        add_text(&line, "; the device's node is unknown");
    }
    write_line(KERNEL_LOG_INFO, &line);
}

// ---- Starting a disk ----

// Returns how many queues the disk gets: one for each CPU, as far as the device has them.
static int count_queues(const Disk *disk) {
    int count = 1, cpus = Kernel_GetCpuCount(), most = most_queues();
    if (disk->features & FEATURE_QUEUES && disk->config_bytes >= sizeof(BlockConfig)) {
        count = disk->config->queues;
    }
    count = count < disk->common->queue_count ? count : disk->common->queue_count;
    count = count < cpus ? count : cpus;
    return count < most ? count : most;
}

// Returns the CPU that handles a queue's interrupts: the first one that is online of those whose requests go there.
static int cpu_of(int queue, int queue_count) {
    int count = Kernel_GetCpuCount();
    for (int cpu = queue; cpu < count; cpu += queue_count) {
        if (Kernel_IsCpuOnline(cpu)) {
            return cpu;
        }
    }
    return Kernel_GetBspIndex();
}

static bool create_queues(Disk *disk) {
    int count = count_queues(disk);
    size_t queues_bytes = (size_t)count * sizeof(Queue *), vectors_bytes = ((size_t)count + 1) * sizeof(Vector);
    if (count == 0) {
        return false;
    }
    disk->queues = Kernel_AllocateMemory(queues_bytes, 0);
    disk->vectors = Kernel_AllocateMemory(vectors_bytes, 0);
    if (!disk->queues || !disk->vectors) {
        return false;
    }
    memset(disk->queues, 0, queues_bytes);
    memset(disk->vectors, 0, vectors_bytes);
    disk->queue_count = count;
    disk->has_tables = (disk->features & FEATURE_INDIRECT) != 0;
    for (int i = 0; i < count; i++) {
        // The class has the same depth for all queues.
        if (!create_queue(disk, i, cpu_of(i, count)) || disk->queues[i]->depth != disk->queues[0]->depth) {
            return false;
        }
    }
    return true;
}

// Sets the interrupts up, gives the queues to the device, and starts it.
static bool start_disk(Disk *disk) {
    allocate_interrupts(disk);
    return attach_interrupts(disk) && start_queues(disk);
}

// Returns the sectors of the disk. The device may be changing its two halves.
static uint64_t capacity(const Disk *disk) {
    uint8_t generation;
    uint64_t sectors;
    int tries = 0;
    do {
        generation = disk->common->config_generation;
        sectors = disk->config->capacity[0] | (uint64_t)disk->config->capacity[1] << 32;
    } while (generation != disk->common->config_generation && ++tries < 100);
    return sectors;
}

static bool has_field(const Disk *disk, uint64_t feature, size_t end) {
    return disk->features & feature && disk->config_bytes >= end;
}

// Registers the disk. Returns its bytes; 0 if the device's numbers are impossible, or the kernel refuses them.
static uint64_t register_disk(Disk *disk) {
    uint32_t size = 512, most = MOST_REQUEST_BYTES;
    if (has_field(disk, FEATURE_BLOCK_SIZE, offsetof(BlockConfig, topology))) {
        uint32_t told = disk->config->block_size;
        size = told >= 512 && told <= 1 << 16 && (told & (told - 1)) == 0 ? told : size;
    }
    if (has_field(disk, FEATURE_SIZE_MAX, offsetof(BlockConfig, seg_max))) {
        // A request that is as long as a segment at most needs none that is longer.
        uint32_t longest = disk->config->size_max;
        most = longest < most ? longest / size * size : most;
    }
    int shift = __builtin_ctz(size) - SECTOR_SHIFT;
    BlockDriver driver = {
        .Size = sizeof driver,
        .Device = disk->device,
        .BlockSize = size,
        .Blocks = capacity(disk) >> shift,
        .MaxBytes = most,
        .MaxSegments = most_segments(disk),
        .Queues = (uint32_t)disk->queue_count,
        .Depth = disk->queues[0]->depth,
        .Context = disk->queues,
        .Submit = submit_for(disk),
        .Poll = poll_for(disk),
    };
    for (int i = 0; i < disk->queue_count; i++) {
        disk->queues[i]->sectors_per_block = 1u << shift;
    }
    LogLine name = {0};
    add_text(&name, "vblk");
    add_number(&name, numbers_used);
    memcpy(driver.Name, name.text, name.length);
    int block = Kernel_RegisterBlock(&driver);
    if (block <= 0) {
        return 0;
    }
    memcpy(disk->name, driver.Name, sizeof disk->name);
    numbers_used++;
    __atomic_store_n(&disk->block, block, __ATOMIC_RELEASE);
    return driver.Blocks * size;
}

// Takes the device from its memory, and gives that back.
static void free_disk(Disk *disk) {
    // Reading and writing memory ends here, even if the reset does not.
    Kernel_EnableDevice(disk->device, DEVICE_MEMORY);
    detach_interrupts(disk);
    for (int i = 0; disk->queues && i < disk->queue_count; i++) {
        free_queue(disk->queues[i]);
    }
    unmap_registers(disk);
    withdraw_counters(disk);
    Kernel_FreeMemory(disk->queues);
    Kernel_FreeMemory(disk->vectors);
    Kernel_FreeMemory(disk);
}

// Starts the disk. Returns false, with the reason in the log, if it cannot be.
static bool open_disk(Disk *disk) {
    uint64_t bytes;
    const char *reason = NULL;
    if (!Kernel_EnableDevice(disk->device, DEVICE_MEMORY | DEVICE_BUS_MASTER) || !find_registers(disk)) {
        reason = "it has no registers of virtio 1.0";
    } else if (!reset(disk)) {
        reason = "it does not answer a reset";
    } else if (!negotiate(disk)) {
        return false; // the log has the reason
    } else if (!create_queues(disk)) {
        reason = "its queues cannot be created";
    } else if (!start_disk(disk)) {
        reason = "it does not start";
    } else if ((bytes = register_disk(disk)) == 0) {
        reason = "the kernel refuses what it says of itself";
    } else {
        describe(disk, bytes);
        publish_counters(disk);
        return true;
    }
    say(KERNEL_LOG_WARN, disk, reason);
    return false;
}

int Driver_AddDevice(int device) {
    Disk *disk = Kernel_AllocateMemory(sizeof *disk, 0);
    if (!disk) {
        return -1;
    }
    memset(disk, 0, sizeof *disk);
    disk->device = device;
    disk->info.Size = sizeof disk->info;
    Mutex_Lock(&disks_lock);
    bool is_open = Kernel_GetDeviceInfo(device, &disk->info) && open_disk(disk);
    if (is_open) {
        disk->next = disks;
        disks = disk;
    }
    Mutex_Unlock(&disks_lock);
    if (!is_open) {
        if (disk->common) {
            reset(disk);
        }
        free_disk(disk);
        return -1;
    }
    if (!start_watch(disk)) {
        say(KERNEL_LOG_WARN, disk, "there is no thread that watches the device");
    }
    return 0;
}

// ---- The end of a disk ----

// Stops the device, and ends its requests. Its memory stays until the device is removed.
void close_disk(Disk *disk) {
    // First the device: it may not write memory of requests that have ended.
    reset(disk);
    Kernel_EnableDevice(disk->device, DEVICE_MEMORY);
    int block = __atomic_exchange_n(&disk->block, 0, __ATOMIC_ACQ_REL);
    if (block != 0) {
        Kernel_UnregisterBlock(block);
    }
}

void Driver_RemoveDevice(int device) {
    Mutex_Lock(&disks_lock);
    Disk **at = &disks;
    while (*at && (*at)->device != device) {
        at = &(*at)->next;
    }
    Disk *disk = *at;
    if (disk) {
        *at = disk->next;
    }
    Mutex_Unlock(&disks_lock);
    if (disk) {
        stop_watch(disk);
        close_disk(disk);
        free_disk(disk);
    }
}

int Driver_Init(void) {
    return 0;
}
