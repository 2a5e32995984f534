// refusals: calls every function that can refuse, by random arguments, on nodes that are free, nearly full and full, and checks
// that a refused call changes nothing: no node's number of free pages, no policy, no affinity, no thread, and no block device.
//
// The random numbers are the same in each run. The driver logs each call that changes something, and then refuses to start with
// the number of these calls as its code.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define PAGE KERNEL_PAGE_SIZE
#define MAX_NODES 128
#define AFFINITY_WORDS 32

// Blocks of the heap that are granted are no larger than this.
#define LARGEST_BLOCK (256ull << 10)

// The calls for each number of free pages.
#define CALLS 60

// The calls about block devices for each number of free pages.
#define BLOCK_CALLS 16

// Pages of each node that are allocated one by one, so that a few of them can be freed.
#define SPARE_PAGES 64

// Bytes of memory that no machine has.
#define HUGE_SIZE (1ull << 50)

static int nodes;
static int refused_blocks;

// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016).
static uint64_t random_state = 20260417;

static uint64_t random_below(uint64_t limit) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * 0x2545f4914f6cdd1dull >> 11) % limit;
}

// A number around a limit, or one that is far from it.
static uint64_t number_around(uint64_t limit) {
    switch (random_below(9)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return limit;
    case 3: return limit + 1;
    case 4: return limit + 1 + random_below(16);
    case 5: return limit > 16 ? limit - random_below(16) : limit;
    case 6: return 1ull << random_below(64);
    case 7: return UINT64_MAX - random_below(8192);
    default: return random_below(limit + 2);
    }
}

static int any_node(void) {
    switch (random_below(8)) {
    case 0: return -1;
    case 1: return nodes;
    case 2: return random_below(2) ? INT32_MIN : INT32_MAX;
    default: return (int)random_below((uint64_t)nodes);
    }
}

// Pages that the driver holds: runs that are linked through their first page.
struct run {
    uint64_t count;
    uint64_t next;
};

static struct run *run_at(uint64_t address) {
    return Kernel_PhysToVirt(address);
}

static bool take(int node, uint64_t count, uint64_t *list) {
    NumaPolicy policy = {.Size = sizeof policy, .Kind = NUMA_POLICY_STRICT, .Node = node};
    PageRequest request = {.Size = sizeof request, .Count = count, .Policy = &policy};
    PageGrant grant = {.Size = sizeof grant};
    if (!Kernel_AllocatePages(&request, &grant)) {
        return false;
    }
    *run_at(grant.Address) = (struct run){.count = count, .next = *list};
    *list = grant.Address;
    return true;
}

// Takes all pages of the node. Returns how many there were.
static uint64_t take_all(int node, uint64_t *list) {
    uint64_t taken = 0;
    for (uint64_t count = 512; count > 0; count /= 8) {
        while (take(node, count, list)) {
            taken += count;
        }
    }
    return taken;
}

static void free_one_run(uint64_t *list) {
    struct run run = *run_at(*list);
    CHECK(Kernel_FreePages(*list, run.count));
    *list = run.next;
}

static void free_all(uint64_t *list) {
    while (*list) {
        free_one_run(list);
    }
}

static uint64_t count_free(int node) {
    uint64_t list = 0, count = take_all(node, &list);
    free_all(&list);
    return count;
}

// What a refused call must leave as it is.
struct state {
    uint64_t free[MAX_NODES];
    uint64_t affinity[AFFINITY_WORDS];
    NumaPolicy policy;
    int preferred, thread;
};

static void read_state(struct state *state) {
    memset(state, 0, sizeof *state);
    for (int node = 0; node < nodes; node++) {
        state->free[node] = count_free(node);
    }
    state->thread = Kernel_GetCurrentThread();
    CHECK(Kernel_GetThreadAffinity(state->thread, state->affinity, AFFINITY_WORDS) == 0);
    state->policy.Size = sizeof state->policy;
    CHECK(Kernel_GetNumaPolicy(&state->policy) == 0);
    state->preferred = Kernel_GetPreferredNumaNode();
}

// Whether the second state is what a refused call leaves. A node may have more free pages: the heaps' trimmer returns some at any time.
static bool is_unchanged(const struct state *before, const struct state *after) {
    struct state expected = *before;
    for (int node = 0; node < nodes; node++) {
        if (after->free[node] > expected.free[node]) {
            expected.free[node] = after->free[node];
        }
    }
    return memcmp(&expected, after, sizeof expected) == 0;
}

static uint64_t most_free(const struct state *state) {
    uint64_t most = 0;
    for (int node = 0; node < nodes; node++) {
        most = state->free[node] > most ? state->free[node] : most;
    }
    return most;
}

// Whether a call was refused, was granted and undone, or may have left pages behind.
enum outcome { REFUSED, UNDONE, GRANTED };

static enum outcome free_again(uint64_t page, uint64_t count) {
    if (page == 0) {
        return REFUSED;
    }
    CHECK(Kernel_FreePages(page, count));
    return UNDONE;
}

static enum outcome call_pages(uint64_t most) {
    uint64_t count = number_around(most);
    switch (random_below(5)) {
    case 0: return free_again(Kernel_AllocatePage(), 1);
    case 1: return free_again(Kernel_AllocatePageLocal(), 1);
    case 2: return free_again(Kernel_AllocatePageFromNode(any_node()), 1);
    case 3: return free_again(Kernel_AllocatePagesFromNode(count, any_node()), count);
    default: {
        NumaPolicy policy = {.Size = sizeof policy, .Kind = (uint32_t)random_below(7), .Node = any_node()};
        policy.Nodes[0] = random_below(1ull << nodes % 53);
        PageRequest request = {.Size = sizeof request, .Count = count};
        request.Flags = random_below(4) ? PAGE_REQUEST_ZEROED : (uint32_t)random_below(4);
        request.Alignment = random_below(2) ? 0 : 1ull << random_below(64);
        request.HighestAddress = random_below(2) ? 0 : number_around(512ull << 20);
        request.Policy = random_below(2) ? NULL : &policy;
        PageGrant grant = {.Size = sizeof grant};
        return free_again(Kernel_AllocatePages(&request, &grant) ? grant.Address : 0, count);
    }
    }
}

static enum outcome call_heap(uint64_t most) {
    uint64_t size = number_around(most * PAGE), alignment = number_around(4096);
    if (size > LARGEST_BLOCK && size < most * PAGE) {
        size = random_below(LARGEST_BLOCK);
    }
    if (random_below(2)) {
        alignment = 1ull << random_below(23);
    }
    void *block = random_below(2) ? Kernel_AllocateMemory(size, alignment)
                                  : Kernel_AllocateMemoryFromNode(size, alignment, any_node());
    if (block == NULL) {
        return REFUSED;
    }
    CHECK(size > 0 && size < HUGE_SIZE);
    ((volatile char *)block)[0] = 1;
    ((volatile char *)block)[size - 1] = 1;
    // Wrong frees of the heap's memory.
    Kernel_FreeMemory((char *)block + 16);
    Kernel_FreeMemory((char *)block - 16);
    Kernel_FreeMemory(&block);
    Kernel_FreeMemory(block);
    Kernel_FreeMemory(block);
    return GRANTED;
}

static int nothing(void *argument) {
    (void)argument;
    return 5;
}

static enum outcome call_threads(void) {
    uint64_t cpus[AFFINITY_WORDS] = {0};
    int code = 0, other = (int)number_around(8192);
    switch (random_below(6)) {
    case 0:
        CHECK(Kernel_SetThreadAffinity(other == Kernel_GetCurrentThread() ? 0 : other, cpus, AFFINITY_WORDS) == -1);
        return REFUSED;
    case 1:
        CHECK(Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, number_around(AFFINITY_WORDS)) == -1);
        return REFUSED;
    case 2:
        CHECK(Kernel_JoinThread(other, &code) == -1);
        return REFUSED;
    case 3:
        CHECK(Kernel_GetThreadAffinity(0, cpus, AFFINITY_WORDS) == -1);
        return REFUSED;
    default: {
        int thread = Kernel_CreateThread("refusals", random_below(8) ? nothing : NULL, NULL, any_node());
        if (thread == -1) {
            return REFUSED;
        }
        CHECK(Kernel_JoinThread(thread, &code) == 0 && code == 5);
        return GRANTED;
    }
    }
}

// `held` begins with a run that the driver holds.
static enum outcome call_frees(uint64_t held) {
    uint64_t kernels = Kernel_VirtToPhys(&held) & ~(uint64_t)(PAGE - 1);
    CHECK(!Kernel_FreePage(kernels));
    CHECK(!Kernel_FreePages(kernels, number_around(16)));
    CHECK(!Kernel_FreePage(PAGE * number_around(1ull << 52)) || held == 0);
    if (held) {
        uint64_t count = run_at(held)->count, wrong = number_around(count);
        CHECK(!Kernel_FreePages(held, wrong == count ? 0 : wrong));
        CHECK(!Kernel_FreePage(held + 1 + random_below(PAGE - 1)));
        CHECK(count == 1 || !Kernel_FreePage(held + PAGE * (1 + random_below(count - 1))));
    }
    return REFUSED;
}

static enum outcome call_policies(void) {
    static const uint8_t weights[MAX_NODES];
    NumaPolicy policy = {.Size = sizeof policy, .Kind = 3 + (uint32_t)random_below(UINT32_MAX - 3), .Weights = weights};
    CHECK(Kernel_SetNumaPolicy(&policy) == -1);
    policy.Kind = NUMA_POLICY_PREFERRED;
    policy.Node = random_below(2) ? nodes : -1;
    CHECK(Kernel_SetNumaPolicy(&policy) == -1);
    policy.Size = (uint32_t)random_below(sizeof policy);
    CHECK(Kernel_GetNumaPolicy(&policy) == -1);
    CHECK(Kernel_SetPreferredNumaNode(nodes + (int)random_below(1000)) == -2);
    CHECK(!Kernel_GetNumaNodeInfo(nodes, NULL));
    CHECK(!Kernel_GetCpuInfo(Kernel_GetCpuCount(), NULL));
    CHECK(Kernel_PhysToVirt(1ull << (52 + random_below(12))) == NULL);
    CHECK(Kernel_VirtToPhys((void *)random_below(PAGE)) == 0);
    return REFUSED;
}

static int accept_none(void *context, int queue, BlockRequest *const *requests, int count) {
    (void)context, (void)queue, (void)requests, (void)count;
    return 0;
}

static int complete_none(void *context, int queue) {
    (void)context, (void)queue;
    return 0;
}

static enum outcome call_blocks(void) {
    BlockDriver driver = {
        .Size = sizeof driver,
        .BlockSize = 512,
        .Blocks = 1 + random_below(4096),
        .MaxBytes = 512,
        .MaxSegments = 1,
        .Queues = (uint32_t)(random_below(4) ? 1 + random_below(24) : number_around(KERNEL_BLOCK_MAX_QUEUES)),
        .Depth = (uint32_t)(random_below(4) ? 1 + random_below(1ull << random_below(12)) : number_around(KERNEL_BLOCK_MAX_DEPTH)),
        .Name = "refusals",
        .Submit = random_below(8) ? accept_none : NULL,
        .Poll = complete_none,
    };
    BlockInfo info = {.Size = sizeof info};
    BlockRequest request = {.Size = sizeof request, .Count = 1, .Queue = -1}, *requests = &request;
    int other = (int)number_around(INT32_MAX);
    CHECK(!Kernel_UnregisterBlock(other) && !Kernel_GetBlockInfo(-1, &info));
    CHECK(Kernel_OpenBlock("refusals", 0) == -1);
    int block = Kernel_RegisterBlock(&driver);
    if (block == -1) {
        CHECK(Kernel_OpenBlock("refusals", 0) == -1);
        return REFUSED;
    }
    CHECK(Kernel_OpenBlock("refusals", 0) == block);
    CHECK(Kernel_RegisterBlock(&driver) == -1); // the name is taken
    CHECK(Kernel_SubmitBlock(block, &requests, 1) == 0 && Kernel_PollBlock(block, -1) == 0);
    Kernel_CompleteBlock(&request, BLOCK_OK);
    CHECK(Kernel_UnregisterBlock(block));
    return UNDONE;
}

// Longer than the heaps' trimmer waits before it returns free pages to the nodes.
#define TRIMMED 60000000

// Reads the state once the trimmer has nothing to do: it is the same as a while before.
static void read_settled_state(struct state *state) {
    static struct state before;
    read_state(state);
    do {
        before = *state;
        Kernel_SleepThread(TRIMMED);
        read_state(state);
    } while (memcmp(&before, state, sizeof before) != 0);
}

// Calls about block devices, refused or undone, change nothing. What they have allocated in the heaps and freed again is back only when
// the trimmer has been there.
static void block_calls(void) {
    static struct state before, after;
    read_settled_state(&before);
    for (int call = 0; call < BLOCK_CALLS; call++) {
        refused_blocks += call_blocks() == REFUSED;
    }
    for (int waits = 0; waits < 20; waits++) {
        read_settled_state(&after);
        if (is_unchanged(&before, &after)) {
            return;
        }
    }
    CHECK(is_unchanged(&before, &after));
}

// There are fewer pages than the parts of all CPUs need. The first call may leave page tables behind, which the next ones use.
static void per_cpu_calls(void) {
    static struct state before, after;
    PerCpuGrant grant = {.Size = sizeof grant};
    CHECK(!Kernel_AllocatePerCpu(KERNEL_LARGEST_PER_CPU, &grant));
    read_state(&before);
    for (int call = 0; call < 3; call++) {
        CHECK(!Kernel_AllocatePerCpu(KERNEL_LARGEST_PER_CPU, &grant));
        read_state(&after);
        CHECK(is_unchanged(&before, &after));
    }
}

static void one_call(struct state *before, uint64_t held) {
    struct state after;
    enum outcome outcome;
    switch (random_below(8)) {
    case 0: outcome = call_policies(); break;
    case 1: outcome = call_frees(held); break;
    case 2: case 3: outcome = call_threads(); break;
    case 4: case 5: outcome = call_heap(most_free(before)); break;
    default: outcome = call_pages(most_free(before)); break;
    }
    read_state(&after);
    CHECK(outcome == GRANTED || is_unchanged(before, &after));
    *before = after;
}

static void calls(uint64_t held) {
    static struct state before;
    read_state(&before);
    for (int call = 0; call < CALLS; call++) {
        one_call(&before, held);
    }
}

// Takes all pages but `left` of node 0 and `others` of each other node, or less where a node has not that many.
static void leave(int left, int others, uint64_t *spare, uint64_t *held) {
    for (int node = 0; node < nodes; node++) {
        for (int page = 0; page < SPARE_PAGES; page++) {
            take(node, 1, &spare[node]);
        }
        take_all(node, &held[node]);
        for (int page = 0; page < (node == 0 ? left : others) && spare[node]; page++) {
            free_one_run(&spare[node]);
        }
    }
}

static void give_back(uint64_t *spare, uint64_t *held) {
    for (int node = 0; node < nodes; node++) {
        free_all(&spare[node]);
        free_all(&held[node]);
    }
}

static void calls_with(int left) {
    uint64_t spare[MAX_NODES] = {0}, held[MAX_NODES] = {0};
    leave(left, left, spare, held);
    calls(held[random_below((uint64_t)nodes)]);
    if (left == 2 || left == 40) { // not each time: this waits for the trimmer
        block_calls();
        per_cpu_calls();
    }
    give_back(spare, held);
}

// The request that once took all pages of all nodes.
static void more_memory_than_a_node_has(void) {
    static struct state before, after;
    const uint64_t sizes[] = {1ull << 30, 1ull << 36, 1ull << 40, HUGE_SIZE, SIZE_MAX / 2, SIZE_MAX};
    read_state(&before);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(sizes[i] < 2 * most_free(&before) * PAGE || Kernel_AllocateMemory(sizes[i], 16) == NULL);
        CHECK(sizes[i] < 2 * most_free(&before) * PAGE || Kernel_AllocateMemoryFromNode(sizes[i], 4096, 0) == NULL);
    }
    read_state(&after);
    CHECK(is_unchanged(&before, &after));
}

// Refused creations of threads use up no ids: there are 8191, so 9000 would leave none.
static void refused_threads_leave_no_ids(void) {
    uint64_t held[MAX_NODES] = {0};
    for (int node = 0; node < nodes; node++) {
        take_all(node, &held[node]);
    }
    for (int i = 0; i < 9000; i++) {
        CHECK(Kernel_CreateThread("refused", nothing, NULL, -1) == -1);
    }
    for (int node = 0; node < nodes; node++) {
        free_all(&held[node]);
    }
    int code = 0, thread = Kernel_CreateThread("granted", nothing, NULL, -1);
    CHECK(thread > 0 && Kernel_JoinThread(thread, &code) == 0 && code == 5);
}

static volatile bool stop;

static int sleeper(void *argument) {
    (void)argument;
    while (!stop) {
        Kernel_SleepThread(10000000);
    }
    return 5;
}

// Threads that cannot be created where the next stack may need a new page table: each of 35 threads takes the next stack.
static void stacks_at_every_place(void) {
    static struct state before, after;
    int threads[35], count = sizeof threads / sizeof *threads, code = 0;
    for (int i = 0; i < count; i++) {
        for (int left = 15; left < 19; left++) {
            uint64_t spare[MAX_NODES] = {0}, held[MAX_NODES] = {0};
            leave(left, i % 2, spare, held);
            read_state(&before);
            int thread = Kernel_CreateThread("granted", nothing, NULL, 0);
            CHECK(thread == -1 || Kernel_JoinThread(thread, &code) == 0);
            read_state(&after);
            CHECK(thread != -1 || is_unchanged(&before, &after));
            give_back(spare, held);
        }
        threads[i] = Kernel_CreateThread("sleeper", sleeper, NULL, 0);
        CHECK(threads[i] > 0);
    }
    stop = true;
    for (int i = 0; i < count; i++) {
        CHECK(Kernel_JoinThread(threads[i], &code) == 0 && code == 5);
    }
}

// Threads that have ended keep their ids, and nothing else but a page each, until they are joined.
static void too_many_threads(void) {
    static struct state before, after;
    static int threads[8192];
    int count = 0, code = 0;
    for (int waits = 0; count < 8192 && waits < 20;) {
        int thread = Kernel_CreateThread("one of many", nothing, NULL, -1);
        if (thread > 0) {
            threads[count++] = thread;
            waits = 0;
        } else {
            // There may be no memory until the kernel has freed the stacks of threads that have ended.
            Kernel_SleepThread(5000000);
            waits++;
        }
    }
    CHECK(count > 8000 && count < 8192);
    // The kernel frees the last stacks while this thread goes on.
    do {
        before = after;
        Kernel_SleepThread(20000000);
        read_state(&after);
    } while (memcmp(&before, &after, sizeof after) != 0);
    CHECK(Kernel_CreateThread("one too many", nothing, NULL, -1) == -1);
    read_state(&after);
    CHECK(is_unchanged(&before, &after));
    for (int i = 0; i < count; i++) {
        code = 0;
        CHECK(Kernel_JoinThread(threads[i], &code) == 0 && code == 5);
    }
}

int Driver_Init(void) {
    static const int left[] = {0, 1, 2, 3, 5, 16, 17, 18, 19, 24, 40, SPARE_PAGES};
    nodes = Kernel_GetNumaNodeCount();
    more_memory_than_a_node_has();
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        calls_with(left[i]);
    }
    calls(0);
    CHECK(refused_blocks >= 12);
    stacks_at_every_place();
    refused_threads_leave_no_ids();
    too_many_threads();
    more_memory_than_a_node_has();
    return -errors;
}
