// bad_arguments: calls every function with invalid arguments, and checks that the kernel refuses each call.
//
// The driver logs each call that is not refused, and then refuses to start with the number of these calls as its code. A
// kernel that follows one of the pointers faults, which fails the boot.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define PAGE KERNEL_PAGE_SIZE

// Addresses at which nothing is mapped: one in the first page, and one that is not a canonical x86_64 address.
#define NOT_MAPPED ((void *)8)
#define NOT_CANONICAL ((void *)0x8000000000000000ull)

// A pointer into the object that is not aligned for its type.
#define MISALIGNED(object) ((void *)((char *)&(object) + 1))

static NumaPolicy policy_of(uint32_t kind, int node) {
    return (NumaPolicy){.Size = sizeof(NumaPolicy), .Kind = kind, .Node = node};
}

static void queries(int nodes, int cpus) {
    NumaNodeInfo node[2];
    CpuInfo cpu[2];
    CHECK(!Kernel_GetNumaNodeInfo(-1, node));
    CHECK(!Kernel_GetNumaNodeInfo(nodes, node));
    CHECK(!Kernel_GetNumaNodeInfo(INT32_MIN, node));
    CHECK(!Kernel_GetNumaNodeInfo(INT32_MAX, node));
    CHECK(!Kernel_GetNumaNodeInfo(0, NULL));
    CHECK(!Kernel_GetNumaNodeInfo(0, MISALIGNED(node)));
    CHECK(!Kernel_GetNumaNodeInfo(0, NOT_MAPPED));
    CHECK(!Kernel_GetNumaNodeInfo(0, NOT_CANONICAL));
    CHECK(!Kernel_GetCpuInfo(-1, cpu));
    CHECK(!Kernel_GetCpuInfo(cpus, cpu));
    CHECK(!Kernel_GetCpuInfo(0, NULL));
    CHECK(!Kernel_GetCpuInfo(0, MISALIGNED(cpu)));
    CHECK(!Kernel_GetCpuInfo(0, (CpuInfo *)4));
    CHECK(!Kernel_GetCpuInfo(0, NOT_CANONICAL));
    CHECK(!Kernel_IsCpuOnline(-1));
    CHECK(!Kernel_IsCpuOnline(cpus));
    CHECK(Kernel_GetNumaNodeForCpu(-1) == -1);
    CHECK(Kernel_GetNumaNodeForCpu(cpus) == -1);
    CHECK(Kernel_GetNumaDistance(-1, 0) == -1);
    CHECK(Kernel_GetNumaDistance(0, -1) == -1);
    CHECK(Kernel_GetNumaDistance(nodes, 0) == -1);
    CHECK(Kernel_GetNumaDistance(0, nodes) == -1);
}

static void addresses(void) {
    CHECK(Kernel_GetNumaNodeForAddress(1ull << 52) == -1);
    CHECK(Kernel_GetNumaNodeForAddress(UINT64_MAX) == -1);
    CHECK(Kernel_GetPageNumaNode(1ull << 52) == -1);
    CHECK(Kernel_GetPageNumaNode(UINT64_MAX) == -1);
    CHECK(Kernel_PhysToVirt(1ull << 52) == NULL);
    CHECK(Kernel_PhysToVirt(UINT64_MAX) == NULL);
    CHECK(Kernel_VirtToPhys(NULL) == 0);
    CHECK(Kernel_VirtToPhys(NOT_MAPPED) == 0);
    CHECK(Kernel_VirtToPhys(NOT_CANONICAL) == 0);
}

static void preferences(int nodes) {
    CHECK(Kernel_SetPreferredNumaNode(0) == -1);
    CHECK(Kernel_SetPreferredNumaNode(nodes) == -2);
    CHECK(Kernel_SetPreferredNumaNode(-2) == -2);
    CHECK(Kernel_SetPreferredNumaNode(INT32_MIN) == -2);
    CHECK(Kernel_GetPreferredNumaNode() == 0); // unchanged
    CHECK(Kernel_SetPreferredNumaNode(-1) == 0);
}

static void policies(int nodes) {
    static const uint8_t no_weights[128];
    NumaPolicy bad[15];
    bad[0] = policy_of(99, 0);
    bad[1] = policy_of(NUMA_POLICY_STRICT, nodes);
    bad[2] = policy_of(NUMA_POLICY_PREFERRED, -1);
    bad[3] = policy_of(NUMA_POLICY_LOCAL, 0);
    bad[3].Size = sizeof bad[3] - 1;
    bad[4] = policy_of(NUMA_POLICY_LOCAL, 0);
    bad[4].Reserved = 1;
    bad[5] = policy_of(NUMA_POLICY_SET, 0); // no node
    bad[6] = policy_of(NUMA_POLICY_INTERLEAVE, 0);
    bad[7] = policy_of(NUMA_POLICY_WEIGHTED, 0);
    bad[7].Weights = no_weights;
    for (int i = 8; i < 15; i++) {
        bad[i] = policy_of(NUMA_POLICY_WEIGHTED, 0);
        bad[i].Nodes[0] = 1;
    }
    bad[8].Kind = NUMA_POLICY_SET;
    bad[8].Nodes[nodes % 128 / 64] |= 1ull << nodes % 64; // a node that does not exist, and one that does
    bad[9].Kind = NUMA_POLICY_INTERLEAVE;
    bad[9].Nodes[1] = 1ull << 63;
    const uint8_t *weights[5] = {NULL, NOT_MAPPED, NOT_CANONICAL, no_weights, (uint8_t *)UINTPTR_MAX};
    for (int i = 0; i < 5; i++) {
        bad[10 + i].Weights = weights[i];
    }

    NumaPolicy preferred = policy_of(NUMA_POLICY_PREFERRED, nodes - 1);
    CHECK(Kernel_SetNumaPolicy(&preferred) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(Kernel_SetNumaPolicy(&bad[i]) == -1);
    }
    CHECK(Kernel_SetNumaPolicy(NULL) == -1);
    CHECK(Kernel_SetNumaPolicy(MISALIGNED(bad)) == -1);
    CHECK(Kernel_SetNumaPolicy(NOT_MAPPED) == -1);
    CHECK(Kernel_SetNumaPolicy(NOT_CANONICAL) == -1);

    NumaPolicy found = {.Size = sizeof found};
    CHECK(Kernel_GetNumaPolicy(&found) == 0);
    CHECK(found.Kind == NUMA_POLICY_PREFERRED && found.Node == nodes - 1); // unchanged
    CHECK(Kernel_GetNumaPolicy(&bad[3]) == -1);
    CHECK(Kernel_GetNumaPolicy(NULL) == -1);
    CHECK(Kernel_GetNumaPolicy(MISALIGNED(bad)) == -1);
    CHECK(Kernel_GetNumaPolicy(NOT_MAPPED) == -1);

    // If the weights cannot be written, nothing is written.
    static const uint8_t ones[128] = {1};
    NumaPolicy weighted = policy_of(NUMA_POLICY_WEIGHTED, 0);
    weighted.Nodes[0] = 1;
    weighted.Weights = ones;
    CHECK(Kernel_SetNumaPolicy(&weighted) == 0);
    found.Weights = NOT_MAPPED;
    CHECK(Kernel_GetNumaPolicy(&found) == -1);
    found.Weights = ones;
    CHECK(Kernel_GetNumaPolicy(&found) == -1);
    CHECK(found.Kind == NUMA_POLICY_PREFERRED && found.Weights == ones);
    CHECK(Kernel_SetNumaPolicy(&preferred) == 0);
}

// Structures of a later version of the ABI: longer, and accepted if the new fields are zero.
static void longer_structures(void) {
    struct {
        NumaPolicy known;
        uint64_t future;
    } policy = {.known = {.Size = sizeof policy, .Kind = NUMA_POLICY_LOCAL}};
    CHECK(Kernel_SetNumaPolicy(&policy.known) == 0);
    CHECK(Kernel_GetNumaPolicy(&policy.known) == 0);
    policy.known.Size = sizeof policy;
    policy.future = 1;
    CHECK(Kernel_SetNumaPolicy(&policy.known) == -1);
    policy.known.Size = UINT32_MAX; // reaches beyond the memory that is mapped and zero
    CHECK(Kernel_SetNumaPolicy(&policy.known) == -1);

    struct {
        PageRequest known;
        uint64_t future;
    } request = {.known = {.Size = sizeof request, .Count = 1}};
    PageGrant grant = {.Size = sizeof grant};
    CHECK(Kernel_AllocatePages(&request.known, &grant));
    CHECK(Kernel_FreePage(grant.Address));
    request.future = 1;
    CHECK(!Kernel_AllocatePages(&request.known, &grant));
}

// A structure may have any length that `Size` can say.
static void large_structures(void) {
    static struct {
        NumaPolicy known;
        uint8_t future[3 << 20];
    } policy = {.known = {.Size = sizeof policy, .Kind = NUMA_POLICY_LOCAL}};
    CHECK(Kernel_SetNumaPolicy(&policy.known) == 0);
    CHECK(Kernel_GetNumaPolicy(&policy.known) == 0);
    policy.future[sizeof policy.future - 1] = 1;
    CHECK(Kernel_SetNumaPolicy(&policy.known) == -1);
}

static void allocations(int nodes) {
    CHECK(Kernel_AllocatePageFromNode(-1) == 0);
    CHECK(Kernel_AllocatePageFromNode(nodes) == 0);
    CHECK(Kernel_AllocatePagesFromNode(0, 0) == 0);
    CHECK(Kernel_AllocatePagesFromNode(1, -1) == 0);
    CHECK(Kernel_AllocatePagesFromNode(1, nodes) == 0);
    CHECK(Kernel_AllocatePagesFromNode(UINT64_MAX, 0) == 0);
    CHECK(Kernel_AllocatePagesFromNode(1ull << 52, 0) == 0);
    CHECK(Kernel_AllocatePagesFromNode(1ull << 40, 0) == 0);
}

static void requests(int nodes) {
    NumaPolicy nowhere = policy_of(NUMA_POLICY_STRICT, nodes), empty = policy_of(NUMA_POLICY_SET, 0);
    NumaPolicy weightless = policy_of(NUMA_POLICY_WEIGHTED, 0);
    weightless.Nodes[0] = 1;
    PageGrant grant[2] = {{.Size = sizeof *grant}, {.Size = sizeof *grant}};
    const PageRequest good = {.Size = sizeof good, .Count = 1};
    PageRequest bad[11];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i] = good;
    }
    bad[0].Size = sizeof good - 1;
    bad[1].Count = 0;
    bad[2].Count = UINT64_MAX;
    bad[3].Alignment = 3;
    bad[4].Flags = 1u << 31;
    bad[5].HighestAddress = PAGE - 1; // only frame 0, which is never handed out
    bad[6].Policy = &nowhere;
    bad[7].Policy = NOT_MAPPED;
    bad[8].Policy = NOT_CANONICAL;
    bad[9].Policy = &empty;
    bad[10].Policy = &weightless;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!Kernel_AllocatePages(&bad[i], grant));
    }
    CHECK(!Kernel_AllocatePages(NULL, grant));
    CHECK(!Kernel_AllocatePages(MISALIGNED(bad), grant));
    CHECK(!Kernel_AllocatePages(NOT_MAPPED, grant));
    CHECK(!Kernel_AllocatePages(&good, NULL));
    CHECK(!Kernel_AllocatePages(&good, MISALIGNED(grant)));
    CHECK(!Kernel_AllocatePages(&good, NOT_MAPPED));
    CHECK(memcmp(&grant[0], &grant[1], sizeof *grant) == 0); // not written
    grant->Size = sizeof *grant - 1;
    CHECK(!Kernel_AllocatePages(&good, grant));
}

static void frees(void) {
    CHECK(!Kernel_FreePage(0));
    CHECK(!Kernel_FreePage(1ull << 52));
    CHECK(!Kernel_FreePage(UINT64_MAX));
    CHECK(!Kernel_FreePages(PAGE, UINT64_MAX));

    const uint64_t count = 4;
    uint64_t pages = Kernel_AllocatePagesFromNode(count, Kernel_GetCurrentNumaNode());
    CHECK(pages != 0);
    CHECK(!Kernel_FreePage(pages));
    CHECK(!Kernel_FreePage(pages + PAGE));
    CHECK(!Kernel_FreePages(pages, count - 1));
    CHECK(!Kernel_FreePages(pages, count + 1));
    CHECK(!Kernel_FreePages(pages, 0));
    CHECK(!Kernel_FreePages(pages + 1, count));
    CHECK(Kernel_FreePages(pages, count)); // the refused calls changed nothing
    CHECK(!Kernel_FreePages(pages, count));

    uint64_t page = Kernel_AllocatePage();
    CHECK(!Kernel_FreePage(page + 1));
    CHECK(Kernel_FreePage(page));
    CHECK(!Kernel_FreePage(page));
}

static void heap(int nodes) {
    CHECK(Kernel_AllocateMemory(0, 8) == NULL);
    CHECK(Kernel_AllocateMemory(8, 3) == NULL);
    CHECK(Kernel_AllocateMemory(SIZE_MAX, 8) == NULL);
    CHECK(Kernel_AllocateMemory(8, SIZE_MAX / 2 + 1) == NULL);
    CHECK(Kernel_AllocateMemoryFromNode(8, 8, -1) == NULL);
    CHECK(Kernel_AllocateMemoryFromNode(8, 8, nodes) == NULL);
    Kernel_FreeMemory(NULL);
    Kernel_FreeMemory(NOT_MAPPED);
    Kernel_FreeMemory(NOT_CANONICAL);
    Kernel_FreeMemory(&errors);
}

static int nothing(void *argument) {
    (void)argument;
    return 77;
}

static void new_threads(int nodes) {
    CHECK(Kernel_CreateThread("null", NULL, NULL, -1) == -1);
    CHECK(Kernel_CreateThread("data", (ThreadEntry)&errors, NULL, -1) == -1);
    CHECK(Kernel_CreateThread("not mapped", (ThreadEntry)NOT_MAPPED, NULL, -1) == -1);
    CHECK(Kernel_CreateThread("not canonical", (ThreadEntry)NOT_CANONICAL, NULL, -1) == -1);
    CHECK(Kernel_CreateThread(NOT_MAPPED, nothing, NULL, -1) == -1);
    CHECK(Kernel_CreateThread(NOT_CANONICAL, nothing, NULL, -1) == -1);
    CHECK(Kernel_CreateThread((char *)UINTPTR_MAX, nothing, NULL, -1) == -1);
    CHECK(Kernel_CreateThread("no such node", nothing, NULL, nodes) == -1);
    CHECK(Kernel_CreateThread("no such node", nothing, NULL, -2) == -1);
    CHECK(Kernel_CreateThread("no such node", nothing, NULL, INT32_MIN) == -1);
}

static void joins(void) {
    static const int read_only = 5;
    int code[2] = {5, 5}, self = Kernel_GetCurrentThread();
    CHECK(Kernel_JoinThread(0, code) == -1);
    CHECK(Kernel_JoinThread(-1, code) == -1);
    CHECK(Kernel_JoinThread(INT32_MIN, code) == -1);
    CHECK(Kernel_JoinThread(INT32_MAX, code) == -1);
    CHECK(Kernel_JoinThread(self, code) == -1);
    // Names of any bytes, and no name.
    const char *names[] = {NULL, "", "\n\x1b[31m", "\xff", "a name that is so long that it must be cut somewhere"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int thread = Kernel_CreateThread(names[i], nothing, NULL, -1);
        CHECK(thread > 0);
        CHECK(Kernel_JoinThread(thread, MISALIGNED(code)) == -1);
        CHECK(Kernel_JoinThread(thread, NOT_MAPPED) == -1);
        CHECK(Kernel_JoinThread(thread, NOT_CANONICAL) == -1);
        CHECK(Kernel_JoinThread(thread, (int *)&read_only) == -1);
        CHECK(code[0] == 5 && code[1] == 5);          // not written
        CHECK(Kernel_JoinThread(thread, code) == 0);  // the thread can still be joined
        CHECK(code[0] == 77 && code[1] == 5);
        CHECK(Kernel_JoinThread(thread, code) == -1); // twice
        code[0] = 5;
    }
    int thread = Kernel_CreateThread("no code", nothing, NULL, -1);
    CHECK(Kernel_JoinThread(thread, NULL) == 0);
}

// More than enough for the most CPUs that the kernel supports.
#define WORDS 32

static void affinities(int cpus) {
    static const uint64_t read_only[WORDS];
    uint64_t all[WORDS], found[WORDS], none[WORDS] = {0}, offline[WORDS] = {0};
    offline[cpus / 64] = 1ull << cpus % 64;
    offline[WORDS - 1] = UINT64_MAX;
    int self = Kernel_GetCurrentThread();
    CHECK(Kernel_GetThreadAffinity(self, all, WORDS) == 0);

    CHECK(Kernel_SetThreadAffinity(self, NULL, 1) == -1);
    CHECK(Kernel_SetThreadAffinity(self, MISALIGNED(all), 1) == -1);
    CHECK(Kernel_SetThreadAffinity(self, NOT_MAPPED, 1) == -1);
    CHECK(Kernel_SetThreadAffinity(self, NOT_CANONICAL, 1) == -1);
    CHECK(Kernel_SetThreadAffinity(self, NOT_CANONICAL, SIZE_MAX) == -1);
    CHECK(Kernel_SetThreadAffinity(self, all, 0) == -1);
    CHECK(Kernel_SetThreadAffinity(self, none, WORDS) == -1);
    CHECK(Kernel_SetThreadAffinity(self, offline, WORDS) == -1);
    CHECK(Kernel_SetThreadAffinity(0, all, WORDS) == -1);
    CHECK(Kernel_SetThreadAffinity(-1, all, WORDS) == -1);
    CHECK(Kernel_SetThreadAffinity(INT32_MAX, all, WORDS) == -1);

    found[0] = 5;
    CHECK(Kernel_GetThreadAffinity(self, NULL, 1) == -1);
    CHECK(Kernel_GetThreadAffinity(self, MISALIGNED(found), 1) == -1);
    CHECK(Kernel_GetThreadAffinity(self, NOT_MAPPED, 1) == -1);
    CHECK(Kernel_GetThreadAffinity(self, NOT_CANONICAL, 1) == -1);
    CHECK(Kernel_GetThreadAffinity(self, (uint64_t *)read_only, WORDS) == -1);
    CHECK(Kernel_GetThreadAffinity(self, found, 0) == -1);
    CHECK(Kernel_GetThreadAffinity(self, found, SIZE_MAX) == -1);
    CHECK(Kernel_GetThreadAffinity(0, found, WORDS) == -1);
    CHECK(Kernel_GetThreadAffinity(-1, found, WORDS) == -1);
    CHECK(found[0] == 5); // not written
    CHECK(Kernel_GetThreadAffinity(self, found, WORDS) == 0);
    CHECK(memcmp(all, found, sizeof all) == 0); // unchanged

    // This affinity ends with Driver_Init, so the driver does not restore the old one.
    uint64_t last[WORDS] = {0};
    last[(cpus - 1) / 64] = 1ull << (cpus - 1) % 64;
    CHECK(Kernel_SetThreadAffinity(self, last, WORDS) == 0);
    CHECK(Kernel_GetCurrentCpu() == cpus - 1);
}

// The lowest ids belong to the kernel's own threads. Some of them are idle threads, which never end and must not move.
static void kernels_threads(void) {
    uint64_t cpus[WORDS];
    memset(cpus, 0xff, sizeof cpus);
    for (int thread = 1; thread <= Kernel_GetCpuCount(); thread++) {
        if (thread != Kernel_GetCurrentThread()) {
            CHECK(Kernel_JoinThread(thread, NULL) == -1);
            CHECK(Kernel_SetThreadAffinity(thread, cpus, WORDS) == -1);
            CHECK(Kernel_GetThreadAffinity(thread, cpus, WORDS) == -1);
        }
    }
}

static void log_lines(void) {
    static const char escaped[] = "control characters \n\r\x1b[31m and bytes that are no text \xff\xc0 are escaped";
    Kernel_Log(KERNEL_LOG_INFO, escaped, sizeof escaped - 1);
    Kernel_Log(0, "level 0", 7);
    Kernel_Log(INT32_MIN, "the lowest level", 16);
    Kernel_Log(KERNEL_LOG_INFO, "", 0);
    Kernel_Log(KERNEL_LOG_INFO, NULL, 10);
    Kernel_Log(KERNEL_LOG_INFO, (char *)UINTPTR_MAX, 0);
    Kernel_Log(KERNEL_LOG_INFO, NOT_MAPPED, 10);
    Kernel_Log(KERNEL_LOG_INFO, NOT_CANONICAL, 10);
    Kernel_Log(KERNEL_LOG_INFO, NOT_MAPPED, SIZE_MAX);
    // Byte 4096 is the second one of a letter.
    static char line[5000] = "a long line";
    for (size_t i = 11; i + 1 < sizeof line; i += 2) {
        memcpy(&line[i], "\xc3\xb6", 2);
    }
    Kernel_Log(KERNEL_LOG_INFO, line, sizeof line - 1);
}

static void waits(void) {
    static uint32_t words[2];
    CHECK(Kernel_WaitAddress(NULL, 0, 0) == -1);
    CHECK(Kernel_WaitAddress(MISALIGNED(words), 0, 0) == -1);
    CHECK(Kernel_WaitAddress(NOT_MAPPED, 0, KERNEL_WAIT_FOREVER) == -1);
    CHECK(Kernel_WaitAddress(NOT_CANONICAL, 0, KERNEL_WAIT_FOREVER) == -1);
    CHECK(Kernel_WaitAddress((uint32_t *)(UINTPTR_MAX - 3), 0, 1) == -1);
    CHECK(Kernel_WaitAddress(words, 0, 0) == KERNEL_WAIT_TIMED_OUT);
    CHECK(Kernel_WakeAddress(NULL, 1) == 0);
    CHECK(Kernel_WakeAddress(MISALIGNED(words), 1) == 0);
    CHECK(Kernel_WakeAddress(NOT_MAPPED, INT32_MAX) == 0);
    CHECK(Kernel_WakeAddress(NOT_CANONICAL, 1) == 0);
    CHECK(Kernel_WakeAddress(words, 0) == 0);
    CHECK(Kernel_WakeAddress(words, -1) == 0);
    CHECK(Kernel_WakeAddress(words, INT32_MIN) == 0);
}

static void per_cpu_memory(void) {
    PerCpuGrant grant[2] = {{.Size = sizeof *grant}, {.Size = sizeof *grant}};
    CHECK(!Kernel_AllocatePerCpu(0, grant));
    CHECK(!Kernel_AllocatePerCpu(KERNEL_LARGEST_PER_CPU + 1, grant));
    CHECK(!Kernel_AllocatePerCpu(SIZE_MAX, grant));
    CHECK(!Kernel_AllocatePerCpu(8, NULL));
    CHECK(!Kernel_AllocatePerCpu(8, MISALIGNED(grant)));
    CHECK(!Kernel_AllocatePerCpu(8, NOT_MAPPED));
    CHECK(!Kernel_AllocatePerCpu(8, NOT_CANONICAL));
    CHECK(memcmp(&grant[0], &grant[1], sizeof *grant) == 0); // not written
    grant->Size = sizeof *grant - 1;
    CHECK(!Kernel_AllocatePerCpu(8, grant));
}

// What a timer's callback has tried. It calls each function that is for threads alone.
static uint32_t calls;

static void misuse(void *context) {
    uint64_t cpus[WORDS] = {1};
    NumaPolicy policy = policy_of(NUMA_POLICY_LOCAL, 0);
    PageRequest request = {.Size = sizeof request, .Count = 1};
    PageGrant grant = {.Size = sizeof grant};
    PerCpuGrant per_cpu = {.Size = sizeof per_cpu};
    int code;
    CHECK(Kernel_SetPreferredNumaNode(-1) == -2);
    CHECK(Kernel_GetPreferredNumaNode() == -1);
    CHECK(Kernel_SetNumaPolicy(&policy) == -1);
    CHECK(Kernel_GetNumaPolicy(&policy) == -1);
    CHECK(Kernel_AllocatePage() == 0);
    CHECK(Kernel_AllocatePageLocal() == 0);
    CHECK(Kernel_AllocatePageFromNode(0) == 0);
    CHECK(Kernel_AllocatePagesFromNode(1, 0) == 0);
    CHECK(!Kernel_AllocatePages(&request, &grant));
    CHECK(!Kernel_FreePage(*(uint64_t *)context));
    CHECK(!Kernel_FreePages(*(uint64_t *)context, 1));
    CHECK(Kernel_AllocateMemory(8, 8) == NULL);
    CHECK(Kernel_AllocateMemoryFromNode(8, 8, 0) == NULL);
    Kernel_FreeMemory(&errors);
    CHECK(!Kernel_AllocatePerCpu(8, &per_cpu));
    CHECK(Kernel_CreateThread("from a handler", nothing, NULL, -1) == -1);
    Kernel_ExitThread(1);
    CHECK(Kernel_JoinThread(1, &code) == -1);
    Kernel_YieldThread();
    Kernel_SleepThread(1);
    CHECK(Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, 1) == -1);
    CHECK(Kernel_GetThreadAffinity(Kernel_GetCurrentThread(), cpus, WORDS) == -1);
    CHECK(Kernel_WaitAddress(&calls, 0, KERNEL_WAIT_FOREVER) == -1);
    CHECK(Kernel_CreateTimer(misuse, NULL, -1) == -1);
    CHECK(!Kernel_DestroyTimer(1));
    uint64_t start = Kernel_GetTime();
    Kernel_Delay(UINT64_MAX);
    Kernel_Delay(KERNEL_LONGEST_DELAY + 1);
    CHECK(Kernel_GetTime() - start < 1000000000);
    Kernel_Delay(1000);
    __atomic_store_n(&calls, 1, __ATOMIC_RELEASE);
    Kernel_WakeAddress(&calls, 1);
}

static void timers(int cpus) {
    CHECK(Kernel_CreateTimer(NULL, NULL, -1) == -1);
    CHECK(Kernel_CreateTimer((TimerCallback)&errors, NULL, -1) == -1);
    CHECK(Kernel_CreateTimer((TimerCallback)NOT_MAPPED, NULL, -1) == -1);
    CHECK(Kernel_CreateTimer((TimerCallback)NOT_CANONICAL, NULL, -1) == -1);
    CHECK(Kernel_CreateTimer(misuse, NULL, cpus) == -1);
    CHECK(Kernel_CreateTimer(misuse, NULL, -2) == -1);
    CHECK(Kernel_CreateTimer(misuse, NULL, INT32_MIN) == -1);
    CHECK(Kernel_CreateTimer(misuse, NULL, INT32_MAX) == -1);
    const int wrong[] = {0, -1, 1, 511, 512, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!Kernel_SetTimer(wrong[i], 1, 0));
        CHECK(!Kernel_DestroyTimer(wrong[i]));
    }
    static uint64_t page;
    page = Kernel_AllocatePage();
    int timer = Kernel_CreateTimer(misuse, &page, cpus - 1);
    CHECK(timer > 0);
    CHECK(Kernel_SetTimer(timer, 1, 0));
    while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) == 0) {
        Kernel_WaitAddress(&calls, 0, KERNEL_WAIT_FOREVER);
    }
    CHECK(Kernel_DestroyTimer(timer));
    CHECK(!Kernel_DestroyTimer(timer)); // twice
    CHECK(!Kernel_SetTimer(timer, 1, 0));
    CHECK(Kernel_FreePage(page)); // the handler has not freed it
    // The same, with interrupts off in a thread. The driver `timers` tries to set the timer that stays.
    __asm__ volatile("cli");
    CHECK(Kernel_AllocatePage() == 0);
    Kernel_SleepThread(UINT64_MAX);
    CHECK(Kernel_WaitAddress(&calls, 1, KERNEL_WAIT_FOREVER) == -1);
    __asm__ volatile("sti");
    CHECK(Kernel_CreateTimer(misuse, NULL, 0) > 0);
}

static void about_drivers(void) {
    static uint64_t counters[2];
    char value[16], long_name[KERNEL_PARAMETER_NAME_SIZE + 1];
    for (size_t i = 0; i < sizeof long_name; i++) {
        long_name[i] = 'a';
    }
    long_name[sizeof long_name - 1] = 0;
    CHECK(Kernel_GetParameter(NULL, value, sizeof value) == -1);
    CHECK(Kernel_GetParameter(NOT_MAPPED, value, sizeof value) == -1);
    CHECK(Kernel_GetParameter(NOT_CANONICAL, value, sizeof value) == -1);
    CHECK(Kernel_GetParameter(long_name, value, sizeof value) == -1);
    CHECK(Kernel_GetParameter("absent", NOT_MAPPED, SIZE_MAX) == -1);
    CHECK(!Kernel_PublishCounter(NULL, counters));
    CHECK(!Kernel_PublishCounter(NOT_MAPPED, counters));
    CHECK(!Kernel_PublishCounter(NOT_CANONICAL, counters));
    CHECK(!Kernel_PublishCounter("", counters));
    CHECK(!Kernel_PublishCounter("a b", counters));
    CHECK(!Kernel_PublishCounter("a\n", counters));
    CHECK(!Kernel_PublishCounter("\xff", counters));
    CHECK(!Kernel_PublishCounter("a\xff", counters));
    CHECK(!Kernel_PublishCounter(long_name, counters));
    CHECK(!Kernel_PublishCounter("counter", MISALIGNED(counters)));
    CHECK(!Kernel_PublishCounter("counter", NOT_MAPPED));
    CHECK(!Kernel_PublishCounter("counter", NOT_CANONICAL));
    CHECK(!Kernel_PublishCounter("counter", NULL)); // there is none to withdraw
    DriverStatistics statistics[2] = {{.Size = sizeof *statistics}, {.Size = 0}};
    CHECK(!Kernel_GetDriverStatistics("no such driver", statistics));
    CHECK(!Kernel_GetDriverStatistics(NOT_MAPPED, statistics));
    CHECK(!Kernel_GetDriverStatistics(NOT_CANONICAL, statistics));
    CHECK(!Kernel_GetDriverStatistics(NULL, NULL));
    CHECK(!Kernel_GetDriverStatistics(NULL, MISALIGNED(statistics)));
    CHECK(!Kernel_GetDriverStatistics(NULL, NOT_MAPPED));
    CHECK(!Kernel_GetDriverStatistics(NULL, NOT_CANONICAL));
    CHECK(!Kernel_GetDriverStatistics(NULL, (DriverStatistics *)Kernel_GetDriverStatistics));
    CHECK(!Kernel_GetDriverStatistics(NULL, &statistics[1])); // its size is 0
    statistics[0].Size = sizeof statistics;
    statistics[1].Pages = 1;
    CHECK(!Kernel_GetDriverStatistics(NULL, statistics)); // its tail is not zero
    CHECK(statistics[0].Threads == 0);
    statistics[1].Pages = 0;
    CHECK(Kernel_GetDriverStatistics(NULL, statistics) && statistics[0].Threads > 0);
    // With interrupts off.
    __asm__ volatile("cli");
    CHECK(Kernel_GetParameter("absent", value, sizeof value) == -1);
    CHECK(!Kernel_PublishCounter("counter", counters));
    CHECK(!Kernel_GetDriverStatistics(NULL, statistics));
    __asm__ volatile("sti");
}

int Driver_Init(void) {
    int nodes = Kernel_GetNumaNodeCount();
    queries(nodes, Kernel_GetCpuCount());
    addresses();
    preferences(nodes);
    policies(nodes);
    longer_structures();
    large_structures();
    allocations(nodes);
    requests(nodes);
    frees();
    heap(nodes);
    new_threads(nodes);
    joins();
    affinities(Kernel_GetCpuCount());
    kernels_threads();
    log_lines();
    waits();
    per_cpu_memory();
    timers(Kernel_GetCpuCount());
    about_drivers();
    return -errors;
}
