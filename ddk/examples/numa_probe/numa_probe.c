// numa_probe: shows what a driver sees of a NUMA machine, and checks that the kernel does what proxima.h says.
//
// It calls every function of proxima.h except those about threads, which numa_threads calls. First it logs what the machine
// has. Then it allocates, checks and frees memory on each node. Last it passes a few invalid arguments. It logs whatever
// contradicts proxima.h as an error, and then refuses to start with the number of errors as its code.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <stdarg.h>

#define PAGE KERNEL_PAGE_SIZE

// A smaller node may have no memory left after boot. Requests to it then get memory of another node.
#define ENOUGH_MEMORY (8ull << 20)

// ---- Logging: one line at a time, with the part of printf that this driver needs ----

typedef struct {
    char text[160];
    size_t length;
} Line;

static void put(Line *line, char character) {
    if (line->length < sizeof line->text) {
        line->text[line->length++] = character;
    }
}

static void put_text(Line *line, const char *text) {
    while (*text) {
        put(line, *text++);
    }
}

static void put_number(Line *line, uint64_t number, unsigned base) {
    char digits[20]; // enough for the largest number
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    while (count > 0) {
        put(line, digits[--count]);
    }
}

// Knows %d (int), %s, %lu and %lx (uint64_t).
__attribute__((format(printf, 2, 3))) static void say(int level, const char *format, ...) {
    Line line = {.length = 0};
    va_list values;
    va_start(values, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        format++;
        if (*format == 'l') {
            unsigned base = *++format == 'x' ? 16 : 10;
            put_number(&line, va_arg(values, uint64_t), base);
        } else if (*format == 'd') {
            int64_t number = va_arg(values, int);
            if (number < 0) {
                put(&line, '-');
            }
            put_number(&line, (uint64_t)(number < 0 ? -number : number), 10);
        } else {
            put_text(&line, va_arg(values, const char *));
        }
    }
    va_end(values);
    Kernel_Log(level, line.text, line.length);
}

// ---- Checking ----

static int errors;

static void failed(const char *what, int line) {
    errors++;
    say(KERNEL_LOG_ERROR, "line %d: this does not hold: %s", line, what);
}

#define CHECK(holds) ((holds) ? (void)0 : failed(#holds, __LINE__))

static bool is_filled_with(uint64_t page, uint64_t count, uint64_t value) {
    const uint64_t *words = Kernel_PhysToVirt(page);
    for (uint64_t i = 0; i < count * PAGE / sizeof *words; i++) {
        if (words[i] != value) {
            return false;
        }
    }
    return true;
}

static void fill(uint64_t page, uint64_t count, uint64_t value) {
    uint64_t *words = Kernel_PhysToVirt(page);
    for (uint64_t i = 0; i < count * PAGE / sizeof *words; i++) {
        words[i] = value;
    }
}

static bool has_memory(int node) {
    NumaNodeInfo info;
    return Kernel_GetNumaNodeInfo(node, &info) && info.MemorySize >= ENOUGH_MEMORY;
}

// A policy of one node: NUMA_POLICY_PREFERRED or NUMA_POLICY_STRICT.
static NumaPolicy policy_of(uint32_t kind, int node) {
    return (NumaPolicy){.Size = sizeof(NumaPolicy), .Kind = kind, .Node = node};
}

static PageRequest request_of(uint64_t count, const NumaPolicy *policy) {
    return (PageRequest){.Size = sizeof(PageRequest), .Count = count, .Policy = policy};
}

// ---- What the machine is ----

static void show_nodes(int nodes) {
    uint64_t cpus = 0;
    say(KERNEL_LOG_INFO, "%d nodes, NUMA %s, distances %s", nodes, Kernel_IsNumaAvailable() ? "yes" : "no",
        Kernel_HasNumaDistanceMatrix() ? "from firmware" : "assumed");
    CHECK(nodes >= 1);
    CHECK(Kernel_IsNumaAvailable() == (nodes > 1));

    for (int node = 0; node < nodes; node++) {
        NumaNodeInfo info = {0};
        CHECK(Kernel_GetNumaNodeInfo(node, &info));
        CHECK(info.IsValid == (info.CpuCount > 0 || info.MemorySize > 0));
        say(KERNEL_LOG_INFO, "node %d: proximity domain %lu, %lu CPUs, %lu MiB from 0x%lx", node,
            (uint64_t)info.NodeId, (uint64_t)info.CpuCount, info.MemorySize >> 20, info.MemoryBase);
        cpus += info.CpuCount;
    }
    CHECK(cpus == (uint64_t)Kernel_GetCpuCount());

    for (int from = 0; from < nodes; from++) {
        Line line = {.length = 0};
        put_text(&line, "distances from node ");
        put_number(&line, (uint64_t)from, 10);
        put(&line, ':');
        for (int to = 0; to < nodes; to++) {
            int distance = Kernel_GetNumaDistance(from, to);
            CHECK(distance >= 10);
            CHECK(distance == 10 || from != to);
            put(&line, ' ');
            put_number(&line, (uint64_t)distance, 10);
        }
        Kernel_Log(KERNEL_LOG_INFO, line.text, line.length);
    }
}

static void show_cpus(int nodes) {
    int cpus = Kernel_GetCpuCount();
    int boot_cpus = 0;
    for (int cpu = 0; cpu < cpus; cpu++) {
        CpuInfo info = {0};
        CHECK(Kernel_GetCpuInfo(cpu, &info));
        CHECK(info.CpuIndex == (uint32_t)cpu);
        CHECK((int)info.NumaNode == Kernel_GetNumaNodeForCpu(cpu));
        CHECK(info.NumaNode < (uint32_t)nodes);
        CHECK(info.IsOnline == Kernel_IsCpuOnline(cpu));
        CHECK(info.IsEnabled);
        CHECK(info.IsBsp == (cpu == Kernel_GetBspIndex()));
        boot_cpus += info.IsBsp;
        say(KERNEL_LOG_INFO, "CPU %d: APIC %lu, node %lu, %s%s", cpu, (uint64_t)info.ApicId,
            (uint64_t)info.NumaNode, info.IsOnline ? "online" : "offline", info.IsBsp ? ", booted" : "");
    }
    CHECK(boot_cpus == 1);

    int here = Kernel_GetCurrentCpu();
    CHECK(Kernel_IsCpuOnline(here));
    CHECK(Kernel_GetCurrentNumaNode() == Kernel_GetNumaNodeForCpu(here));
    say(KERNEL_LOG_INFO, "running on CPU %d, node %d", here, Kernel_GetCurrentNumaNode());
}

// ---- Pages ----

static void probe_one_page(int node) {
    uint64_t page = Kernel_AllocatePageFromNode(node);
    CHECK(page != 0 && page % PAGE == 0);
    if (page == 0) {
        return;
    }
    int home = Kernel_GetNumaNodeForAddress(page);
    say(KERNEL_LOG_INFO, "asked node %d for a page, got 0x%lx on node %d", node, page, home);
    CHECK(home == node || !has_memory(node));
    CHECK(Kernel_GetPageNumaNode(page) == home);
    CHECK(Kernel_GetNumaNodeForAddress(page + PAGE - 1) == home);

    char *memory = Kernel_PhysToVirt(page);
    CHECK(Kernel_VirtToPhys(memory + 5) == page + 5);
    CHECK(is_filled_with(page, 1, 0));
    fill(page, 1, 0x5aa55aa55aa55aa5);
    CHECK(is_filled_with(page, 1, 0x5aa55aa55aa55aa5));
    CHECK(Kernel_FreePage(page));
}

static void probe_pages_in_a_row(int node) {
    const uint64_t count = 4;
    uint64_t pages = Kernel_AllocatePagesFromNode(count, node);
    CHECK(pages != 0 && pages % PAGE == 0);
    if (pages == 0) {
        return;
    }
    int home = Kernel_GetPageNumaNode(pages);
    CHECK(home == node || !has_memory(node));
    for (uint64_t i = 0; i < count; i++) {
        CHECK(Kernel_GetPageNumaNode(pages + i * PAGE) == home);
    }
    CHECK(is_filled_with(pages, count, 0));
    fill(pages, count, ~0ull);
    CHECK(Kernel_FreePages(pages, count));

    // The next owner of the pages does not see what was left in them.
    uint64_t again = Kernel_AllocatePagesFromNode(count, node);
    CHECK(again != 0 && is_filled_with(again, count, 0));
    CHECK(Kernel_FreePages(again, count));
}

static void probe_request(int node) {
    NumaPolicy strict = policy_of(NUMA_POLICY_STRICT, node);
    PageRequest request = request_of(3, &strict);
    request.Flags = PAGE_REQUEST_ZEROED;
    request.Alignment = 16 * PAGE;
    PageGrant grant = {.Size = sizeof grant};
    bool granted = Kernel_AllocatePages(&request, &grant);
    say(KERNEL_LOG_INFO, "strict request to node %d: %s", node, granted ? "granted" : "refused");
    CHECK(granted || !has_memory(node));
    if (!granted) {
        return;
    }
    CHECK(grant.Address != 0 && grant.Address % request.Alignment == 0);
    CHECK(grant.Count == 3 && grant.Node == node && grant.FellBack == 0);
    CHECK((int)grant.Distance == Kernel_GetNumaDistance(Kernel_GetCurrentNumaNode(), node));
    CHECK(Kernel_GetPageNumaNode(grant.Address) == node);
    CHECK(is_filled_with(grant.Address, grant.Count, 0));
    CHECK(Kernel_FreePages(grant.Address, grant.Count));

    // A limit at the end of those pages: the pages that come must end at or below it.
    request.HighestAddress = grant.Address + grant.Count * PAGE - 1;
    CHECK(Kernel_AllocatePages(&request, &grant));
    CHECK(grant.Address + grant.Count * PAGE - 1 <= request.HighestAddress);
    CHECK(Kernel_FreePages(grant.Address, grant.Count));
}

// Tries each policy of several nodes over all nodes. ddk/tests/policies checks which page comes from which node.
static void show_policies(int nodes) {
    static const char *const names[] = {"set", "interleave", "weighted"};
    static uint8_t weights[128];
    for (size_t i = 0; i < sizeof weights; i++) {
        weights[i] = 1;
    }
    for (uint32_t kind = NUMA_POLICY_SET; kind <= NUMA_POLICY_WEIGHTED; kind++) {
        NumaPolicy policy = {.Size = sizeof policy, .Kind = kind};
        for (int node = 0; node < nodes; node++) {
            policy.Nodes[node / 64] |= 1ull << (node % 64);
        }
        policy.Weights = kind == NUMA_POLICY_WEIGHTED ? weights : NULL;
        PageRequest request = request_of(1, &policy);
        PageGrant grant = {.Size = sizeof grant};
        bool granted = Kernel_AllocatePages(&request, &grant);
        say(KERNEL_LOG_INFO, "policy %s: %s", names[kind - NUMA_POLICY_SET], granted ? "granted" : "refused");
        CHECK(granted && Kernel_FreePage(grant.Address));
    }
}

// ---- The node that this thread's memory comes from ----

static int node_of_next_page(void) {
    uint64_t page = Kernel_AllocatePage();
    int node = page == 0 ? -1 : Kernel_GetPageNumaNode(page);
    CHECK(page != 0 && Kernel_FreePage(page));
    return node;
}

static void probe_preference(int nodes) {
    int before = Kernel_GetPreferredNumaNode();
    for (int node = 0; node < nodes; node++) {
        int old = Kernel_GetPreferredNumaNode();
        CHECK(Kernel_SetPreferredNumaNode(node) == old);
        CHECK(Kernel_GetPreferredNumaNode() == node);
        CHECK(node_of_next_page() == node || !has_memory(node));
    }
    CHECK(Kernel_SetPreferredNumaNode(-1) == nodes - 1);
    CHECK(Kernel_GetPreferredNumaNode() == -1);

    int here = Kernel_GetCurrentNumaNode();
    CHECK(node_of_next_page() == here || !has_memory(here));
    uint64_t local = Kernel_AllocatePageLocal();
    CHECK(local != 0 && (Kernel_GetPageNumaNode(local) == here || !has_memory(here)));
    CHECK(Kernel_FreePage(local));
    Kernel_SetPreferredNumaNode(before);
}

static void probe_policy(int nodes) {
    for (int node = 0; node < nodes; node++) {
        NumaPolicy policy = policy_of(NUMA_POLICY_PREFERRED, node), found = {.Size = sizeof found};
        CHECK(Kernel_SetNumaPolicy(&policy) == 0);
        CHECK(Kernel_GetNumaPolicy(&found) == 0);
        CHECK(found.Kind == NUMA_POLICY_PREFERRED && found.Node == node && found.Weights == NULL);
        CHECK(node_of_next_page() == node || !has_memory(node));
    }
    NumaPolicy local = {.Size = sizeof local, .Kind = NUMA_POLICY_LOCAL};
    CHECK(Kernel_SetNumaPolicy(&local) == 0);
}

// ---- The heap ----

static void probe_heap(int node) {
    const size_t size = 1000, alignment = 64;
    unsigned char *memory = Kernel_AllocateMemoryFromNode(size, alignment, node);
    CHECK(memory != NULL && (uintptr_t)memory % alignment == 0);
    if (memory == NULL) {
        return;
    }
    int home = Kernel_GetNumaNodeForAddress(Kernel_VirtToPhys(memory));
    say(KERNEL_LOG_INFO, "asked node %d for %lu bytes, got them on node %d", node, (uint64_t)size, home);
    CHECK(home == node || !has_memory(node));
    for (size_t i = 0; i < size; i++) {
        memory[i] = (unsigned char)i;
    }
    unsigned char *other = Kernel_AllocateMemory(size, 0);
    CHECK(other != NULL && (uintptr_t)other % 16 == 0);
    CHECK(other + size <= memory || memory + size <= other);
    Kernel_FreeMemory(other);
    for (size_t i = 0; i < size; i++) {
        CHECK(memory[i] == (unsigned char)i);
    }
    Kernel_FreeMemory(memory);
}

// ---- Invalid arguments: each is refused, and none does harm ----
//
// A few of each kind; ddk/tests/bad_arguments has all of them.

static void probe_refusals(int nodes) {
    NumaNodeInfo info;
    CpuInfo cpu;
    CHECK(!Kernel_GetNumaNodeInfo(nodes, &info));
    CHECK(!Kernel_GetNumaNodeInfo(0, NULL));
    CHECK(!Kernel_GetCpuInfo(-1, &cpu));
    CHECK(!Kernel_IsCpuOnline(Kernel_GetCpuCount()));
    CHECK(Kernel_GetNumaNodeForCpu(-1) == -1);
    CHECK(Kernel_GetNumaDistance(0, nodes) == -1);
    CHECK(Kernel_GetNumaNodeForAddress(UINT64_MAX) == -1);
    CHECK(Kernel_PhysToVirt(UINT64_MAX) == NULL);
    CHECK(Kernel_VirtToPhys(NULL) == 0);
    CHECK(Kernel_AllocatePageFromNode(-1) == 0);
    CHECK(Kernel_AllocatePagesFromNode(UINT64_MAX, 0) == 0);
    CHECK(!Kernel_AllocatePages(NULL, NULL));
    CHECK(Kernel_AllocateMemoryFromNode(8, 8, nodes) == NULL);
    CHECK(Kernel_SetPreferredNumaNode(nodes) == -2);
    CHECK(Kernel_SetNumaPolicy(NULL) == -1);

    uint64_t page = Kernel_AllocatePage();
    CHECK(Kernel_FreePage(page));
    CHECK(!Kernel_FreePage(page)); // free already: the kernel logs a line
}

int Driver_Init(void) {
    int nodes = Kernel_GetNumaNodeCount();
    show_nodes(nodes);
    show_cpus(nodes);
    for (int node = 0; node < nodes; node++) {
        probe_one_page(node);
        probe_pages_in_a_row(node);
        probe_request(node);
        probe_heap(node);
    }
    show_policies(nodes);
    probe_preference(nodes);
    probe_policy(nodes);
    probe_refusals(nodes);
    say(errors == 0 ? KERNEL_LOG_INFO : KERNEL_LOG_ERROR, "done, %d errors", errors);
    return -errors;
}

void Driver_Exit(void) {
    say(KERNEL_LOG_INFO, "bye");
}
