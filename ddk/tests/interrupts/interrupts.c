// interrupts: takes interrupts of QEMU's devices `edu` (MSI, or INTx) and `nvme` (MSI-X), moves, masks and detaches them.
//
// It logs each check that fails, and then refuses to start with the number of failures as its code. Devices that the machine does not
// have are left out. The log says at the end how many interrupts of each kind were checked.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define NVME_CLASS 0x010802

#define ROUNDS 400
#define MS 1000000ull
// How often the driver looks for an interrupt before it gives up: some seconds.
#define PATIENCE 200000000u

static size_t append(char *to, size_t at, const char *text) {
    while (*text != '\0') {
        to[at++] = *text++;
    }
    return at;
}

static void log_number(const char *what, uint64_t number) {
    char line[96], digits[24];
    size_t at = append(line, 0, what), count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0) {
        line[at++] = digits[--count];
    }
    Kernel_Log(KERNEL_LOG_INFO, line, at);
}

static uint32_t get(volatile void *base, uint32_t offset) {
    return *(volatile uint32_t *)((volatile char *)base + offset);
}

static void set(volatile void *base, uint32_t offset, uint32_t value) {
    *(volatile uint32_t *)((volatile char *)base + offset) = value;
}

static int find(uint16_t vendor, uint16_t device, uint32_t class) {
    DeviceMatch wanted = {.Size = sizeof wanted, .Vendor = vendor, .Device = device, .SubVendor = DEVICE_ANY,
                          .SubDevice = DEVICE_ANY, .Class = class, .ClassMask = class == 0 ? 0 : 0xffffff};
    return Kernel_FindDevice(&wanted, 0);
}

static InterruptInfo info_of(int device, int index) {
    InterruptInfo info = {.Size = sizeof info};
    CHECK(Kernel_GetInterruptInfo(device, index, &info));
    return info;
}

// What a handler has seen. `inside` shows whether it runs twice at once.
struct seen {
    int device;
    volatile void *registers;
    uint64_t count, unclaimed;
    int cpu, inside, overlaps, misuses;
    int claims;
};

static struct seen edu, nvme, other;

static void count(struct seen *seen) {
    __atomic_store_n(&seen->cpu, Kernel_GetCurrentCpu(), __ATOMIC_RELAXED);
    __atomic_fetch_add(&seen->count, 1, __ATOMIC_RELEASE);
}

static uint64_t seen_count(struct seen *seen) {
    return __atomic_load_n(&seen->count, __ATOMIC_ACQUIRE);
}

static bool reaches(struct seen *seen, uint64_t number) {
    for (uint32_t i = 0; i < PATIENCE && seen_count(seen) < number; i++) {
        __asm__ volatile("pause");
    }
    return seen_count(seen) == number;
}

static int online_cpus(void) {
    int online = 0;
    while (online < Kernel_GetCpuCount() && Kernel_IsCpuOnline(online)) {
        online++;
    }
    return online;
}

static uint32_t nothing(void *context) {
    (void)context;
    return INTERRUPT_NOT_MINE;
}

// ---- edu ----

#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACKNOWLEDGE 0x64

static uint32_t edu_handler(void *context) {
    CHECK_STACK();
    struct seen *seen = context;
    seen->overlaps += __atomic_fetch_add(&seen->inside, 1, __ATOMIC_ACQ_REL) != 0;
    uint32_t status = get(seen->registers, EDU_STATUS);
    if (status != 0) {
        set(seen->registers, EDU_ACKNOWLEDGE, status);
        // Functions for threads are refused in a handler.
        InterruptSetup setup = {.Size = sizeof setup, .Handler = nothing, .Cpu = -1};
        seen->misuses += Kernel_DetachInterrupt(seen->device, 0) || Kernel_SetInterruptCpu(seen->device, 0, 0) ||
                         Kernel_AttachInterrupt(seen->device, 0, &setup) ||
                         Kernel_AllocateInterrupts(seen->device, 1, 1, INTERRUPT_MSI) != -1;
        InterruptInfo info = {.Size = sizeof info};
        seen->misuses += !Kernel_GetInterruptInfo(seen->device, 0, &info);
        count(seen);
    } else {
        seen->unclaimed++;
    }
    __atomic_fetch_sub(&seen->inside, 1, __ATOMIC_ACQ_REL);
    return status != 0 ? INTERRUPT_HANDLED : INTERRUPT_NOT_MINE;
}

static int mover_stop, moves_made;

// Moves an interrupt from CPU to CPU until it is told to stop. Returns how often.
static int32_t move_on(void *argument) {
    struct seen *seen = argument;
    int moves = 0, cpus = online_cpus();
    while (!__atomic_load_n(&mover_stop, __ATOMIC_ACQUIRE)) {
        CHECK(Kernel_SetInterruptCpu(seen->device, 0, moves % cpus));
        __atomic_store_n(&moves_made, ++moves, __ATOMIC_RELEASE);
        Kernel_YieldThread();
    }
    return moves;
}

// Raises interrupts, each when the last one was handled, while another thread moves them: so many, and as many more as some moves take.
static void move_while_firing(struct seen *seen, void (*raise)(struct seen *)) {
    int32_t moves = 0;
    __atomic_store_n(&mover_stop, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&moves_made, 0, __ATOMIC_RELEASE);
    int mover = Kernel_CreateThread("mover", move_on, seen, -1);
    CHECK(mover > 0);
    uint64_t before = seen_count(seen);
    uint64_t runs = info_of(seen->device, 0).Count;
    uint64_t raised = 0;
    while (raised < ROUNDS || (raised < 100 * ROUNDS && __atomic_load_n(&moves_made, __ATOMIC_ACQUIRE) < 8)) {
        uint64_t i = ++raised;
        raise(seen);
        if (!reaches(seen, before + i)) {
            CHECK(!"an interrupt is lost, or came twice");
            log_number("interrupts that arrived: ", seen_count(seen) - before);
            log_number("interrupts that were raised: ", i);
            break;
        }
        if (i % 16 == 0) {
            Kernel_YieldThread();
        }
    }
    Kernel_SleepThread(5 * MS);
    __atomic_store_n(&mover_stop, 1, __ATOMIC_RELEASE);
    CHECK(Kernel_JoinThread(mover, &moves) == 0 && moves >= 8);
    CHECK(seen_count(seen) == before + raised);
    CHECK(info_of(seen->device, 0).Count - runs >= raised);
    CHECK(seen->overlaps == 0);
    log_number("moves while interrupts fired: ", (uint64_t)moves);
}

static void edu_raise(struct seen *seen) {
    set(seen->registers, EDU_RAISE, 1);
}

static int firing_stop;

static int32_t keep_firing(void *argument) {
    struct seen *seen = argument;
    int32_t raised = 0;
    while (!__atomic_load_n(&firing_stop, __ATOMIC_ACQUIRE)) {
        edu_raise(seen);
        raised++;
    }
    return raised;
}

// Detaches while interrupts fire: from then on the handler does not run.
static void detach_while_firing(struct seen *seen) {
    __atomic_store_n(&firing_stop, 0, __ATOMIC_RELEASE);
    int thread = Kernel_CreateThread("firing", keep_firing, seen, -1);
    CHECK(thread > 0);
    Kernel_SleepThread(2 * MS);
    CHECK(Kernel_DetachInterrupt(seen->device, 0));
    uint64_t after = seen_count(seen);
    CHECK(__atomic_load_n(&seen->inside, __ATOMIC_ACQUIRE) == 0);
    Kernel_SleepThread(2 * MS);
    CHECK(seen_count(seen) == after);
    __atomic_store_n(&firing_stop, 1, __ATOMIC_RELEASE);
    CHECK(Kernel_JoinThread(thread, NULL) == 0);
    set(seen->registers, EDU_ACKNOWLEDGE, ~0u);
    CHECK(!Kernel_DetachInterrupt(seen->device, 0));
}

// Checks that interrupts go to the CPU that was asked for, on each CPU.
static void on_each_cpu(struct seen *seen, void (*raise)(struct seen *)) {
    for (int cpu = 0; cpu < online_cpus(); cpu++) {
        CHECK(Kernel_SetInterruptCpu(seen->device, 0, cpu));
        uint64_t before = seen_count(seen);
        raise(seen);
        CHECK(reaches(seen, before + 1));
        CHECK(seen->cpu == cpu);
        InterruptInfo info = info_of(seen->device, 0);
        CHECK(info.Cpu == cpu && info.Node == Kernel_GetNumaNodeForCpu(cpu) && info.Vector >= 0x30);
    }
}

static void edu_with(uint32_t kind) {
    InterruptSetup setup = {.Size = sizeof setup, .Handler = edu_handler, .Context = &edu, .Cpu = -1};
    if (Kernel_AllocateInterrupts(edu.device, 1, 4, kind) != 1) {
        return;
    }
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, kind) == -1);
    CHECK(!Kernel_DetachInterrupt(edu.device, 0) && !Kernel_SetInterruptCpu(edu.device, 0, 0));
    CHECK(!Kernel_MaskInterrupt(edu.device, 0, true));
    CHECK(info_of(edu.device, 0).Cpu == -1 && info_of(edu.device, 0).Vector == 0);
    CHECK(Kernel_AttachInterrupt(edu.device, 0, &setup));
    CHECK(!Kernel_AttachInterrupt(edu.device, 0, &setup));
    CHECK(!Kernel_AttachInterrupt(edu.device, 1, &setup));
    CHECK(info_of(edu.device, 0).Kind == kind);
    uint64_t start = seen_count(&edu);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        edu_raise(&edu);
        CHECK(reaches(&edu, start + i));
    }
    InterruptInfo info = info_of(edu.device, 0);
    CHECK(info.Count >= ROUNDS && info.Count - info.Unclaimed == ROUNDS && info.LongestNanoseconds > 0);
    on_each_cpu(&edu, edu_raise);
    move_while_firing(&edu, edu_raise);
    // QEMU's edu has no mask for its message.
    bool has_mask = Kernel_MaskInterrupt(edu.device, 0, true);
    CHECK(has_mask == (kind == INTERRUPT_INTX));
    if (has_mask) {
        uint64_t before = seen_count(&edu);
        edu_raise(&edu);
        Kernel_SleepThread(2 * MS);
        CHECK(seen_count(&edu) == before);
        CHECK(Kernel_MaskInterrupt(edu.device, 0, false));
        CHECK(reaches(&edu, before + 1));
    }
    detach_while_firing(&edu);
    CHECK(Kernel_AttachInterrupt(edu.device, 0, &setup));
    uint64_t before = seen_count(&edu);
    edu_raise(&edu);
    CHECK(reaches(&edu, before + 1));
    CHECK(edu.misuses == 0);
    log_number(kind == INTERRUPT_MSI ? "interrupts of MSI: " : "interrupts of INTx: ", seen_count(&edu) - start);
    // The kernel takes the interrupts back: the next kind can be had.
    Kernel_ReleaseDevice(edu.device);
    CHECK(Kernel_ClaimDevice(edu.device) && Kernel_EnableDevice(edu.device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    edu.registers = Kernel_MapDeviceMemory(edu.device, 0, 0, 4096, DEVICE_UNCACHED);
    CHECK(edu.registers != NULL);
}

// ---- Lines ----

// A line that its handler does not claim is masked after 1,000 interrupts, and works again with another handler.
static void unclaimed_line(void) {
    InterruptSetup setup = {.Size = sizeof setup, .Handler = nothing, .Context = &other, .Cpu = -1};
    if (Kernel_AllocateInterrupts(edu.device, 1, 1, INTERRUPT_INTX) != 1) {
        return;
    }
    CHECK(Kernel_AttachInterrupt(edu.device, 0, &setup));
    edu_raise(&edu);
    for (uint32_t i = 0; i < 1000 && info_of(edu.device, 0).Unclaimed < 1000; i++) {
        Kernel_SleepThread(MS);
    }
    Kernel_SleepThread(5 * MS);
    InterruptInfo info = info_of(edu.device, 0);
    CHECK(info.Unclaimed == 1000 && info.Count == 1000);
    CHECK(Kernel_DetachInterrupt(edu.device, 0));
    setup.Handler = edu_handler;
    setup.Context = &edu;
    uint64_t before = seen_count(&edu);
    CHECK(Kernel_AttachInterrupt(edu.device, 0, &setup));
    CHECK(reaches(&edu, before + 1));
}

// Two devices at one line: each handler is called, and each claims its own.
static void shared_line(void) {
    DeviceMatch wanted = {.Size = sizeof wanted, .Vendor = EDU_VENDOR, .Device = EDU_DEVICE, .SubVendor = DEVICE_ANY,
                          .SubDevice = DEVICE_ANY};
    other.device = Kernel_FindDevice(&wanted, edu.device);
    if (other.device == -1 || !Kernel_ClaimDevice(other.device) ||
        !Kernel_EnableDevice(other.device, DEVICE_MEMORY | DEVICE_BUS_MASTER)) {
        return;
    }
    other.registers = Kernel_MapDeviceMemory(other.device, 0, 0, 4096, DEVICE_UNCACHED);
    InterruptSetup setup = {.Size = sizeof setup, .Handler = edu_handler, .Context = &other, .Cpu = -1};
    if (other.registers == NULL || Kernel_AllocateInterrupts(other.device, 1, 1, INTERRUPT_INTX) != 1) {
        return;
    }
    CHECK(Kernel_AttachInterrupt(other.device, 0, &setup));
    CHECK(info_of(other.device, 0).Vector == info_of(edu.device, 0).Vector);
    uint64_t of_edu = seen_count(&edu), of_other = seen_count(&other);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        edu_raise(&edu);
        edu_raise(&other);
        CHECK(reaches(&edu, of_edu + i) && reaches(&other, of_other + i));
        if (i % 50 == 0) {
            CHECK(Kernel_SetInterruptCpu(i % 100 == 0 ? edu.device : other.device, 0, (int)(i / 50) % online_cpus()));
        }
    }
    // A device that is masked does not keep the other one from interrupting.
    CHECK(Kernel_MaskInterrupt(edu.device, 0, true));
    edu_raise(&other);
    CHECK(reaches(&other, of_other + ROUNDS + 1));
    edu_raise(&edu);
    Kernel_SleepThread(MS);
    CHECK(seen_count(&edu) == of_edu + ROUNDS);
    CHECK(Kernel_MaskInterrupt(edu.device, 0, false));
    CHECK(reaches(&edu, of_edu + ROUNDS + 1));
    // Nor does one whose handler is gone.
    CHECK(Kernel_DetachInterrupt(edu.device, 0));
    edu_raise(&other);
    CHECK(reaches(&other, of_other + ROUNDS + 2));
    log_number("interrupts of a shared line: ", seen_count(&other) - of_other);
    Kernel_ReleaseDevice(other.device);
}

static void edu_tests(void) {
    edu.device = find(EDU_VENDOR, EDU_DEVICE, 0);
    if (edu.device == -1) {
        return;
    }
    InterruptInfo info = {.Size = sizeof info};
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, INTERRUPT_MSI) == -1);
    CHECK(Kernel_ClaimDevice(edu.device));
    CHECK(!Kernel_GetInterruptInfo(edu.device, 0, &info));
    CHECK(Kernel_EnableDevice(edu.device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    edu.registers = Kernel_MapDeviceMemory(edu.device, 0, 0, 4096, DEVICE_UNCACHED);
    CHECK(edu.registers != NULL);
    if (edu.registers == NULL) {
        return;
    }
    // The driver `leaves_interrupts` may have left the device at work, which interrupts 100 ms later.
    Kernel_SleepThread(200 * MS);
    set(edu.registers, EDU_ACKNOWLEDGE, ~0u);
    // edu has no MSI-X, and one message.
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, INTERRUPT_MSIX) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, 2, 2, INTERRUPT_MSI) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, 0, 1, INTERRUPT_MSI) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, 2, 1, INTERRUPT_MSI) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, -1, 1, INTERRUPT_MSI) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, 0) == -1);
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, 8 | INTERRUPT_MSI) == -1);
    edu_with(INTERRUPT_MSI);
    edu_with(INTERRUPT_INTX);
    unclaimed_line();
    shared_line();
    Kernel_ReleaseDevice(edu.device);
    CHECK(Kernel_AllocateInterrupts(edu.device, 1, 1, INTERRUPT_MSI) == -1);
}

// ---- NVMe ----

#define NVME_CC 0x14
#define NVME_CSTS 0x1c
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_SUBMIT 0x1000
#define NVME_COMPLETE 0x1004
#define ENTRIES 64

static volatile uint32_t (*commands)[16];
static volatile uint32_t (*completions)[4];
static uint32_t head, tail, phase = 1;

static uint32_t nvme_handler(void *context) {
    struct seen *seen = context;
    seen->overlaps += __atomic_fetch_add(&seen->inside, 1, __ATOMIC_ACQ_REL) != 0;
    bool is_mine = (completions[head][3] >> 16 & 1) == phase;
    if (is_mine) {
        head = (head + 1) % ENTRIES;
        phase ^= head == 0;
        set(seen->registers, NVME_COMPLETE, head);
        count(seen);
    } else {
        seen->unclaimed++;
    }
    __atomic_fetch_sub(&seen->inside, 1, __ATOMIC_ACQ_REL);
    return is_mine ? INTERRUPT_HANDLED : INTERRUPT_NOT_MINE;
}

// Asks the controller for the number of its queues, which needs no memory.
static void nvme_raise(struct seen *seen) {
    for (int i = 0; i < 16; i++) {
        commands[tail][i] = 0;
    }
    commands[tail][0] = 0x0a | tail << 16;
    commands[tail][10] = 0x07;
    tail = (tail + 1) % ENTRIES;
    __asm__ volatile("" ::: "memory");
    set(seen->registers, NVME_SUBMIT, tail);
}

static bool nvme_start(void) {
    uint64_t pages[2] = {Kernel_AllocatePage(), Kernel_AllocatePage()};
    for (int i = 0; i < 2; i++) {
        uint64_t *page = (uint64_t *)Kernel_PhysToVirt(pages[i]);
        for (int word = 0; word < 512; word++) {
            page[word] = 0;
        }
    }
    commands = (volatile uint32_t (*)[16])Kernel_PhysToVirt(pages[0]);
    completions = (volatile uint32_t (*)[4])Kernel_PhysToVirt(pages[1]);
    set(nvme.registers, NVME_CC, 0);
    for (int i = 0; i < 1000 && (get(nvme.registers, NVME_CSTS) & 1) != 0; i++) {
        Kernel_SleepThread(MS);
    }
    set(nvme.registers, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    set(nvme.registers, NVME_ASQ, (uint32_t)pages[0]);
    set(nvme.registers, NVME_ASQ + 4, (uint32_t)(pages[0] >> 32));
    set(nvme.registers, NVME_ACQ, (uint32_t)pages[1]);
    set(nvme.registers, NVME_ACQ + 4, (uint32_t)(pages[1] >> 32));
    set(nvme.registers, NVME_CC, 6 << 16 | 4 << 20 | 1);
    for (int i = 0; i < 1000 && (get(nvme.registers, NVME_CSTS) & 1) == 0; i++) {
        Kernel_SleepThread(MS);
    }
    return (get(nvme.registers, NVME_CSTS) & 1) != 0;
}

static int attached;

static int32_t attach_at_once(void *argument) {
    InterruptSetup setup = {.Size = sizeof setup, .Handler = nothing, .Context = &other, .Cpu = -1};
    if (Kernel_AttachInterrupt(*(int *)argument, 1, &setup)) {
        __atomic_fetch_add(&attached, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

// The i-th interrupt is on the i-th CPU of the device's node, or else of some other node, and wraps around.
static void check_spread(int device, int count) {
    int cpus[128], of_node = 0;
    InterruptInfo first = info_of(device, 0);
    DeviceInfo about = {.Size = sizeof about};
    CHECK(Kernel_GetDeviceInfo(device, &about));
    for (int cpu = 0; cpu < online_cpus() && of_node < 128; cpu++) {
        if (about.Node == -1 || Kernel_GetNumaNodeForCpu(cpu) == first.Node) {
            cpus[of_node++] = cpu;
        }
    }
    NumaNodeInfo node = {0};
    bool has_cpus = about.Node != -1 && Kernel_GetNumaNodeInfo(about.Node, &node) && node.CpuCount > 0;
    CHECK(!has_cpus || first.Node == about.Node);
    for (int i = 0; i < count; i++) {
        CHECK(info_of(device, i).Cpu == cpus[i % of_node]);
    }
    log_number("interrupts are handled by CPUs of node ", (uint64_t)first.Node);
}

static void nvme_misuse(void) {
    InterruptSetup setup = {.Size = sizeof setup, .Handler = nvme_handler, .Context = &nvme, .Cpu = -1};
    struct {
        InterruptSetup setup;
        uint64_t more;
    } longer = {.setup = setup, .more = 1};
    longer.setup.Size = sizeof longer;
    int device = nvme.device;
    CHECK(!Kernel_AttachInterrupt(device, 0, NULL));
    CHECK(!Kernel_AttachInterrupt(device, 0, (InterruptSetup *)((char *)&setup + 1)));
    CHECK(!Kernel_AttachInterrupt(device, 0, (InterruptSetup *)0x1000));
    CHECK(!Kernel_AttachInterrupt(device, -1, &setup) && !Kernel_AttachInterrupt(device, 1 << 20, &setup));
    CHECK(!Kernel_AttachInterrupt(device, 0, &longer.setup));
    setup.Size = 8;
    CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    setup.Size = sizeof setup;
    setup.Flags = 1;
    CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    setup.Flags = 0;
    setup.Reserved = 1;
    CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    setup.Reserved = 0;
    setup.Handler = NULL;
    CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    setup.Handler = (InterruptHandler)(uintptr_t)&errors;
    CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    setup.Handler = nvme_handler;
    int wrong[] = {-2, Kernel_GetCpuCount(), 1 << 30};
    for (int i = 0; i < 3; i++) {
        setup.Cpu = wrong[i];
        CHECK(!Kernel_AttachInterrupt(device, 0, &setup));
    }
    InterruptInfo info = {.Size = 4};
    CHECK(!Kernel_GetInterruptInfo(device, 0, &info) && !Kernel_GetInterruptInfo(device, 0, NULL));
    info.Size = sizeof info;
    CHECK(!Kernel_GetInterruptInfo(device, -1, &info) && !Kernel_GetInterruptInfo(device, 1 << 20, &info));
    CHECK(!Kernel_GetInterruptInfo(0, 0, &info) && !Kernel_GetInterruptInfo(device + 1000, 0, &info));
    CHECK(Kernel_AllocateInterrupts(0, 1, 1, INTERRUPT_MSIX) == -1);
    CHECK(Kernel_AllocateInterrupts(-1, 1, 1, INTERRUPT_MSIX) == -1);
    CHECK(!Kernel_SetInterruptCpu(device + 1000, 0, 0) && !Kernel_MaskInterrupt(device + 1000, 0, true));
    CHECK(!Kernel_DetachInterrupt(device + 1000, 0));
}

// The messages are in the device's memory, so a driver that has turned that off masks none. The kernel moves them nevertheless.
static void nvme_without_memory(void) {
    int to = (info_of(nvme.device, 0).Cpu + 1) % online_cpus();
    CHECK(Kernel_EnableDevice(nvme.device, DEVICE_BUS_MASTER));
    CHECK(!Kernel_MaskInterrupt(nvme.device, 0, true) && !Kernel_MaskInterrupt(nvme.device, 0, false));
    CHECK(Kernel_SetInterruptCpu(nvme.device, 0, to) && info_of(nvme.device, 0).Cpu == to);
    CHECK((Kernel_ReadDeviceConfig(nvme.device, 4, 2) & 7) == DEVICE_BUS_MASTER);
    CHECK(Kernel_EnableDevice(nvme.device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    uint64_t before = seen_count(&nvme);
    nvme_raise(&nvme);
    CHECK(reaches(&nvme, before + 1) && nvme.cpu == to);
}

// Over a reset, interrupts keep their handlers, CPUs and masks.
static void nvme_reset(void) {
    set(nvme.registers, NVME_CC, 0);
    int cpu = info_of(nvme.device, 0).Cpu;
    CHECK(Kernel_MaskInterrupt(nvme.device, 0, true));
    CHECK(Kernel_ResetDevice(nvme.device));
    CHECK((Kernel_ReadDeviceConfig(nvme.device, 4, 2) & 7) == 0);
    CHECK(Kernel_EnableDevice(nvme.device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    head = tail = 0;
    phase = 1;
    CHECK(nvme_start());
    uint64_t before = seen_count(&nvme);
    nvme_raise(&nvme);
    Kernel_SleepThread(2 * MS);
    CHECK(seen_count(&nvme) == before);
    CHECK(Kernel_MaskInterrupt(nvme.device, 0, false));
    CHECK(reaches(&nvme, before + 1));
    nvme_raise(&nvme);
    CHECK(reaches(&nvme, before + 2) && info_of(nvme.device, 0).Cpu == cpu);
}

static void nvme_tests(void) {
    nvme.device = find(DEVICE_ANY, DEVICE_ANY, NVME_CLASS);
    if (nvme.device == -1 || !Kernel_ClaimDevice(nvme.device)) {
        return;
    }
    InterruptSetup setup = {.Size = sizeof setup, .Handler = nvme_handler, .Context = &nvme, .Cpu = -1};
    // The table is in memory, which is off.
    CHECK(Kernel_EnableDevice(nvme.device, 0));
    CHECK(Kernel_AllocateInterrupts(nvme.device, 1, 1, INTERRUPT_MSIX) == -1);
    CHECK(Kernel_EnableDevice(nvme.device, DEVICE_MEMORY | DEVICE_BUS_MASTER));
    CHECK(Kernel_AllocateInterrupts(nvme.device, 4096, 4096, INTERRUPT_MSIX) == -1);
    int granted = Kernel_AllocateInterrupts(nvme.device, 2, 16, INTERRUPT_MSIX | INTERRUPT_MSI | INTERRUPT_INTX);
    CHECK(granted == 16 && info_of(nvme.device, 0).Kind == INTERRUPT_MSIX);
    nvme.registers = Kernel_MapDeviceMemory(nvme.device, 0, 0, 0x2000, DEVICE_UNCACHED);
    CHECK(nvme.registers != NULL);
    if (granted != 16 || nvme.registers == NULL) {
        return;
    }
    nvme_misuse();
    CHECK(nvme_start());
    CHECK(Kernel_AttachInterrupt(nvme.device, 0, &setup));
    // Of two threads, one attaches.
    int threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i] = Kernel_CreateThread("attaches", attach_at_once, &nvme.device, -1);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(Kernel_JoinThread(threads[i], NULL) == 0);
    }
    CHECK(attached == 1);
    for (int i = 2; i < granted; i++) {
        setup.Handler = nothing;
        CHECK(Kernel_AttachInterrupt(nvme.device, i, &setup));
    }
    check_spread(nvme.device, granted);
    uint64_t start = seen_count(&nvme);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        nvme_raise(&nvme);
        CHECK(reaches(&nvme, start + i));
    }
    on_each_cpu(&nvme, nvme_raise);
    move_while_firing(&nvme, nvme_raise);
    // A masked one arrives when it is unmasked, also if it was moved meanwhile.
    for (int moved = 0; moved < 2; moved++) {
        uint64_t before = seen_count(&nvme);
        CHECK(Kernel_MaskInterrupt(nvme.device, 0, true));
        nvme_raise(&nvme);
        Kernel_SleepThread(2 * MS);
        if (moved) {
            CHECK(Kernel_SetInterruptCpu(nvme.device, 0, online_cpus() - 1));
            Kernel_SleepThread(2 * MS);
        }
        CHECK(seen_count(&nvme) == before);
        CHECK(Kernel_MaskInterrupt(nvme.device, 0, false));
        CHECK(reaches(&nvme, before + 1));
    }
    // The handler runs no more once it is detached.
    CHECK(Kernel_DetachInterrupt(nvme.device, 0));
    uint64_t before = seen_count(&nvme);
    nvme_raise(&nvme);
    Kernel_SleepThread(2 * MS);
    CHECK(seen_count(&nvme) == before);
    setup.Handler = nvme_handler;
    CHECK(Kernel_AttachInterrupt(nvme.device, 0, &setup));
    CHECK(reaches(&nvme, before + 1));
    nvme_without_memory();
    nvme_reset();
    CHECK(nvme.overlaps == 0);
    log_number("interrupts of MSI-X: ", seen_count(&nvme) - start);
    set(nvme.registers, NVME_CC, 0);
    Kernel_ReleaseDevice(nvme.device);
    CHECK(!Kernel_DetachInterrupt(nvme.device, 0));
    // Again and again, so that a vector that is not freed shows.
    for (int i = 0; i < 400; i++) {
        CHECK(Kernel_ClaimDevice(nvme.device) && Kernel_EnableDevice(nvme.device, DEVICE_MEMORY));
        CHECK(Kernel_AllocateInterrupts(nvme.device, 2, 2, INTERRUPT_MSIX) == 2);
        setup.Handler = nothing;
        CHECK(Kernel_AttachInterrupt(nvme.device, 0, &setup) && Kernel_AttachInterrupt(nvme.device, 1, &setup));
        Kernel_ReleaseDevice(nvme.device);
    }
}

int Driver_Init(void) {
    edu_tests();
    nvme_tests();
    log_number("checks that failed: ", (uint64_t)errors);
    return errors;
}
