// bad_arguments: calls every function with arguments that make no sense, and sees each refused.
//
// Refuses to start, with the number of calls that were not refused as its code; each of those is logged. A kernel that
// follows one of these pointers faults, which fails the boot.
#include <proxima.h>
#include <proxima_freestanding.h>

#define PAGE KERNEL_PAGE_SIZE

// Addresses at which nothing is mapped: one within the first page, and one that no x86_64 address can be.
#define NOT_MAPPED ((void *)8)
#define NOT_CANONICAL ((void *)0x8000000000000000ull)

// A pointer within this, but not to where the type may lie.
#define MISALIGNED(object) ((void *)((char *)&(object) + 1))

static int errors;

static void failed(const char *what, size_t length) {
    errors++;
    Kernel_Log(KERNEL_LOG_ERROR, what, length);
}

#define CHECK(holds) ((holds) ? (void)0 : failed("this does not hold: " #holds, sizeof "this does not hold: " #holds - 1))

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
    CHECK(Kernel_GetPreferredNumaNode() == 0); // as it was
    CHECK(Kernel_SetPreferredNumaNode(-1) == 0);
}

static void policies(int nodes) {
    NumaPolicy bad[5];
    bad[0] = policy_of(99, 0);
    bad[1] = policy_of(NUMA_POLICY_STRICT, nodes);
    bad[2] = policy_of(NUMA_POLICY_PREFERRED, -1);
    bad[3] = policy_of(NUMA_POLICY_LOCAL, 0);
    bad[3].Size = sizeof bad[3] - 1;
    bad[4] = policy_of(NUMA_POLICY_LOCAL, 0);
    bad[4].Reserved = 1;

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
    CHECK(found.Kind == NUMA_POLICY_PREFERRED && found.Node == nodes - 1); // as it was
    CHECK(Kernel_GetNumaPolicy(&bad[3]) == -1);
    CHECK(Kernel_GetNumaPolicy(NULL) == -1);
    CHECK(Kernel_GetNumaPolicy(MISALIGNED(bad)) == -1);
    CHECK(Kernel_GetNumaPolicy(NOT_MAPPED) == -1);
}

// A structure from the future: longer, and taken as long as what is new in it is zero.
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
    policy.known.Size = UINT32_MAX; // reaches far beyond what is mapped or zero
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
    NumaPolicy nowhere = policy_of(NUMA_POLICY_STRICT, nodes);
    PageGrant grant[2] = {{.Size = sizeof *grant}, {.Size = sizeof *grant}};
    const PageRequest good = {.Size = sizeof good, .Count = 1};
    PageRequest bad[9];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i] = good;
    }
    bad[0].Size = sizeof good - 1;
    bad[1].Count = 0;
    bad[2].Count = UINT64_MAX;
    bad[3].Alignment = 3;
    bad[4].Flags = 1u << 31;
    bad[5].HighestAddress = PAGE - 1; // frame 0 alone, which is never handed out
    bad[6].Policy = &nowhere;
    bad[7].Policy = NOT_MAPPED;
    bad[8].Policy = NOT_CANONICAL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!Kernel_AllocatePages(&bad[i], grant));
    }
    CHECK(!Kernel_AllocatePages(NULL, grant));
    CHECK(!Kernel_AllocatePages(MISALIGNED(bad), grant));
    CHECK(!Kernel_AllocatePages(NOT_MAPPED, grant));
    CHECK(!Kernel_AllocatePages(&good, NULL));
    CHECK(!Kernel_AllocatePages(&good, MISALIGNED(grant)));
    CHECK(!Kernel_AllocatePages(&good, NOT_MAPPED));
    CHECK(memcmp(&grant[0], &grant[1], sizeof *grant) == 0); // not written to
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
    CHECK(Kernel_FreePages(pages, count)); // all of that changed nothing
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

static void log_lines(void) {
    static const char escaped[] = "control characters \n\r\x1b[31m and bytes that are no text \xff\xc0 are escaped";
    Kernel_Log(KERNEL_LOG_INFO, escaped, sizeof escaped - 1);
    Kernel_Log(0, "level 0", 7);
    Kernel_Log(INT32_MIN, "the lowest level", 16);
    Kernel_Log(KERNEL_LOG_INFO, "", 0);
    Kernel_Log(KERNEL_LOG_INFO, NULL, 10);
    Kernel_Log(KERNEL_LOG_INFO, NOT_MAPPED, 10);
    Kernel_Log(KERNEL_LOG_INFO, NOT_CANONICAL, 10);
    Kernel_Log(KERNEL_LOG_INFO, NOT_MAPPED, SIZE_MAX);
}

int Driver_Init(void) {
    int nodes = Kernel_GetNumaNodeCount();
    queries(nodes, Kernel_GetCpuCount());
    addresses();
    preferences(nodes);
    policies(nodes);
    longer_structures();
    allocations(nodes);
    requests(nodes);
    frees();
    heap(nodes);
    log_lines();
    return -errors;
}
