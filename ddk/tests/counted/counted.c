// counted: has something of each kind, and checks that the kernel's statistics of it and of the nodes say so. It also reads its parameters
// and publishes counters. The driver `counts` goes on from there.
#include "counted.h"

#include <proxima_freestanding.h>

#include "../check.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define TRIES 20
#define LARGE (1 << 20)

static DriverStatistics have;
static uint64_t requests = 7, errors_counted = UINT64_MAX, many[KERNEL_MOST_COUNTERS + 1];
static uint32_t word;

static DriverStatistics statistics(void) {
    DriverStatistics now = {.Size = sizeof now};
    CHECK(Kernel_GetDriverStatistics(NULL, &now));
    CHECK(now.Size == sizeof now && now.Reserved == 0 && now.Faults == 0);
    return now;
}

// The pages of all nodes that are not free.
static uint64_t used_pages(void) {
    uint64_t used = 0;
    for (int node = 0; node < Kernel_GetNumaNodeCount(); node++) {
        NumaNodeStatistics of_node = {.Size = sizeof of_node};
        CHECK(Kernel_GetNumaNodeStatistics(node, &of_node));
        used += of_node.Managed - of_node.Free;
    }
    return used;
}

static bool has_text(const char *value, const char *text) {
    while (*text != 0 && *value == *text) {
        value++, text++;
    }
    return *value == *text;
}

static void parameters(void) {
    char value[16] = "untouched";
    CHECK(Kernel_GetParameter("queues", value, sizeof value) == 1 && has_text(value, "8"));
    CHECK(Kernel_GetParameter("name", value, sizeof value) == 6 && has_text(value, "second"));
    CHECK(Kernel_GetParameter("name", value, 4) == 6 && has_text(value, "sec"));
    CHECK(Kernel_GetParameter("name", value, 1) == 6 && has_text(value, ""));
    CHECK(Kernel_GetParameter("name", NULL, 0) == 6);
    CHECK(Kernel_GetParameter("pair", value, sizeof value) == 3 && has_text(value, "a=b"));
    CHECK(Kernel_GetParameter("polled", value, sizeof value) == 0 && has_text(value, ""));
    value[0] = 'x';
    CHECK(Kernel_GetParameter("absent", value, sizeof value) == -1 && value[0] == 'x');
    CHECK(Kernel_GetParameter("other", value, sizeof value) == -1);
    CHECK(Kernel_GetParameter("", value, sizeof value) == -1);
    CHECK(Kernel_GetParameter("name", NULL, 16) == -1);
}

// Pages of drivers, and DMA memory: what the driver has more is what the nodes have less.
static void pages(int device) {
    DriverStatistics before, after;
    bool agree = false;
    for (int try = 0; try < TRIES && !agree; try++) {
        uint64_t used = used_pages();
        before = statistics();
        uint64_t page = Kernel_AllocatePage(), several = Kernel_AllocatePagesFromNode(37, Kernel_GetNumaNodeCount() - 1);
        DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = 5 * KERNEL_PAGE_SIZE - 1};
        DmaGrant grant = {.Size = sizeof grant};
        CHECK(page != 0 && several != 0 && Kernel_AllocateDma(&request, &grant));
        after = statistics();
        // Unless the kernel has allocated something meanwhile.
        agree = used_pages() - used == after.Pages - before.Pages + (after.DmaBytes - before.DmaBytes) / KERNEL_PAGE_SIZE;
        CHECK(after.Pages == before.Pages + 38 && after.DmaBytes == before.DmaBytes + 5 * KERNEL_PAGE_SIZE);
        CHECK(Kernel_FreePage(page) && Kernel_FreePages(several, 37) && Kernel_FreeDma(grant.DeviceAddress));
        after = statistics();
        CHECK(after.Pages == before.Pages && after.DmaBytes == before.DmaBytes);
    }
    CHECK(agree);
}

// A page of DMA memory that the kernel keeps for the next request is not the driver's.
static void kept_page(int device) {
    uint64_t before = statistics().DmaBytes;
    DmaRequest request = {.Size = sizeof request, .Device = device, .Bytes = 1};
    DmaGrant grant = {.Size = sizeof grant};
    for (int time = 0; time < 3; time++) {
        CHECK(Kernel_AllocateDma(&request, &grant) && statistics().DmaBytes == before + KERNEL_PAGE_SIZE);
        CHECK(Kernel_FreeDma(grant.DeviceAddress) && statistics().DmaBytes == before);
    }
}

static void heap(void) {
    uint64_t before = statistics().HeapBytes;
    void *small = Kernel_AllocateMemory(100, 0), *large = Kernel_AllocateMemory(LARGE, 0);
    uint64_t bytes = statistics().HeapBytes - before;
    CHECK(bytes >= 100 + LARGE && bytes <= 256 + LARGE);
    Kernel_FreeMemory(large);
    bytes = statistics().HeapBytes - before;
    CHECK(bytes >= 100 && bytes <= 256);
    Kernel_FreeMemory(small);
    CHECK(statistics().HeapBytes == before);
}

static void memory_of_each_cpu(void) {
    uint64_t before = statistics().Pages;
    PerCpuGrant grant = {.Size = sizeof grant};
    CHECK(Kernel_AllocatePerCpu(KERNEL_PAGE_SIZE + 1, &grant));
    CHECK(statistics().Pages == before + 2 * (uint64_t)Kernel_GetCpuCount());
}

static int wait(void *argument) {
    (void)argument;
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
        Kernel_WaitAddress(&word, 0, KERNEL_WAIT_FOREVER);
    }
    return 0;
}

static void expired(void *context) {
    (void)context;
}

static void threads_and_timers(void) {
    DriverStatistics before = statistics();
    CHECK(before.Threads == 1 && before.Timers == 0);
    int threads[3], timers[2];
    for (int i = 0; i < 3; i++) {
        threads[i] = Kernel_CreateThread("wait", wait, NULL, -1);
    }
    timers[0] = Kernel_CreateTimer(expired, NULL, 0);
    timers[1] = Kernel_CreateTimer(expired, NULL, Kernel_GetCpuCount() - 1);
    CHECK(statistics().Threads == 4 && statistics().Timers == 2);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    Kernel_WakeAddress(&word, INT32_MAX);
    for (int i = 0; i < 3; i++) {
        CHECK(Kernel_JoinThread(threads[i], NULL) == 0);
    }
    CHECK(Kernel_DestroyTimer(timers[0]));
    CHECK(statistics().Threads == 1 && statistics().Timers == 1);
}

// Returns registers of the device that stay mapped.
static void mappings_and_interrupts(int device) {
    DriverStatistics before = statistics();
    void *first = Kernel_MapDeviceMemory(device, 0, 0, 16, DEVICE_UNCACHED), *second = Kernel_MapDeviceMemory(device, 0, 0, 16, DEVICE_UNCACHED);
    CHECK(first != NULL && second != NULL && statistics().Mappings == before.Mappings + 2);
    CHECK(Kernel_UnmapDeviceMemory(first) && statistics().Mappings == before.Mappings + 1);
    int interrupts = Kernel_AllocateInterrupts(device, 1, 1, INTERRUPT_MSI | INTERRUPT_INTX);
    CHECK(interrupts == 1 && statistics().Interrupts == before.Interrupts + 1);
}

static void counters(int device) {
    CHECK(Kernel_PublishCounter("requests", &requests));
    CHECK(!Kernel_PublishCounter("requests", &errors_counted)); // the name is taken
    CHECK(Kernel_PublishCounter("errors", &errors_counted));
    // Its memory goes before the driver does.
    uint64_t *registers = Kernel_MapDeviceMemory(device, 0, 0, 16, DEVICE_UNCACHED);
    CHECK(registers != NULL && Kernel_PublishCounter("gone", registers) && Kernel_UnmapDeviceMemory(registers));
    char name[] = "many.000";
    int count = 0;
    for (; count <= KERNEL_MOST_COUNTERS; count++) {
        name[5] = (char)('0' + count / 100), name[6] = (char)('0' + count / 10 % 10), name[7] = (char)('0' + count % 10);
        if (!Kernel_PublishCounter(name, &many[count])) {
            break;
        }
    }
    CHECK(count == KERNEL_MOST_COUNTERS - 3);
    while (count-- > 1) {
        name[5] = (char)('0' + count / 100), name[6] = (char)('0' + count / 10 % 10), name[7] = (char)('0' + count % 10);
        CHECK(Kernel_PublishCounter(name, NULL));
        CHECK(!Kernel_PublishCounter(name, NULL)); // withdrawn already
    }
    // It is read when the driver ends, not here.
    requests += 35;
}

int Driver_Init(void) {
    DeviceMatch match = {.Size = sizeof match, .Vendor = EDU_VENDOR, .Device = EDU_DEVICE, .SubVendor = DEVICE_ANY, .SubDevice = DEVICE_ANY};
    int device = Kernel_FindDevice(&match, 0);
    CHECK(device > 0 && Kernel_ClaimDevice(device) && Kernel_EnableDevice(device, DEVICE_MEMORY));
    parameters();
    pages(device);
    kept_page(device);
    heap();
    memory_of_each_cpu();
    threads_and_timers();
    mappings_and_interrupts(device);
    counters(device);
    CHECK(Kernel_AllocateMemory(5000, 0) != NULL && Kernel_AllocatePage() != 0);
    have = statistics();
    CHECK(Kernel_PublishInterface(COUNTED_NAME, COUNTED_VERSION, &have, sizeof have));
    return errors;
}
