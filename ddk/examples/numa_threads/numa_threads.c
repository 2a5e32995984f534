// numa_threads: creates threads on the nodes of a NUMA machine, and checks that the kernel does what proxima.h says.
//
// First, one thread at a time on each node: it checks where it runs and where its stack and its memory lie, and moves to
// each CPU of its node. Then one thread on each node at the same time: they take turns, and yield and sleep while they wait.
// The driver logs whatever contradicts proxima.h as an error, and then refuses to start with the number of errors as its code.
//
// A thread of a node without CPUs or memory gets those of the nearest node. So the checks compare distances, not nodes.
#include <proxima.h>
#include <proxima_freestanding.h>

// The largest machine that the kernel supports.
#define MAX_NODES 128
#define CPU_WORDS 16

// A smaller node may have no memory left after boot. Requests to it then get memory of another node.
#define ENOUGH_MEMORY (8ull << 20)

#define MICROSECOND 1000ull

// ---- Logging ----

typedef struct {
    char text[160];
    size_t length;
} Line;

static void put_text(Line *line, const char *text) {
    while (*text && line->length < sizeof line->text) {
        line->text[line->length++] = *text++;
    }
}

static void put_number(Line *line, int number) {
    char digits[12]; // enough for the longest number, its sign and the zero byte
    size_t at = sizeof digits - 1;
    unsigned rest = number < 0 ? 0u - (unsigned)number : (unsigned)number;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    put_text(line, &digits[at]);
}

static void put_named(Line *line, const char *name, int number) {
    put_text(line, name);
    put_number(line, number);
}

static void say(int level, const Line *line) {
    Kernel_Log(level, line->text, line->length);
}

// ---- Checking ----

// Threads on several CPUs add to this.
static int errors;

static void failed(const char *what, int line_number) {
    Line line = {.length = 0};
    __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
    put_named(&line, "line ", line_number);
    put_named(&line, ", on CPU ", Kernel_GetCurrentCpu());
    put_text(&line, ": this does not hold: ");
    put_text(&line, what);
    say(KERNEL_LOG_ERROR, &line);
}

#define CHECK(holds) ((holds) ? (void)0 : failed(#holds, __LINE__))

static bool has_memory(int node) {
    NumaNodeInfo info;
    return Kernel_GetNumaNodeInfo(node, &info) && info.MemorySize >= ENOUGH_MEMORY;
}

static bool has_cpus(int node) {
    for (int cpu = 0; cpu < Kernel_GetCpuCount(); cpu++) {
        if (Kernel_IsCpuOnline(cpu) && Kernel_GetNumaNodeForCpu(cpu) == node) {
            return true;
        }
    }
    return false;
}

// Returns true if `found` is a node, and no node for which `has` is true is nearer to `node`.
static bool is_nearest(int node, int found, bool (*has)(int node)) {
    int distance = Kernel_GetNumaDistance(node, found);
    bool is_near = distance >= 0;
    for (int other = 0; other < Kernel_GetNumaNodeCount(); other++) {
        is_near = is_near && (!has(other) || distance <= Kernel_GetNumaDistance(node, other));
    }
    return is_near;
}

static int node_of(const void *memory) {
    return Kernel_GetPageNumaNode(Kernel_VirtToPhys(memory));
}

// ---- One thread on a node ----

// A thread's exit code is this number plus its node.
#define EXIT_CODE 1000

typedef struct {
    int node;   // the node that it is created on
    int thread; // its id, as the thread itself reads it
    int began;  // the node that it started on
} Visitor;

static void go_to_each_cpu(int node, int *visited) {
    int self = Kernel_GetCurrentThread();
    uint64_t before[CPU_WORDS], found[CPU_WORDS];
    CHECK(Kernel_GetThreadAffinity(self, before, CPU_WORDS) == 0);
    for (int cpu = 0; cpu < Kernel_GetCpuCount(); cpu++) {
        if (!Kernel_IsCpuOnline(cpu) || !is_nearest(node, Kernel_GetNumaNodeForCpu(cpu), has_cpus)) {
            continue;
        }
        uint64_t only[CPU_WORDS] = {0};
        only[cpu / 64] = 1ull << cpu % 64;
        CHECK(before[cpu / 64] & only[cpu / 64]);
        CHECK(Kernel_SetThreadAffinity(self, only, CPU_WORDS) == 0);
        CHECK(Kernel_GetCurrentCpu() == cpu);
        Kernel_YieldThread();
        CHECK(Kernel_GetCurrentCpu() == cpu);
        Kernel_SleepThread(10 * MICROSECOND);
        CHECK(Kernel_GetCurrentCpu() == cpu);
        CHECK(Kernel_GetThreadAffinity(self, found, CPU_WORDS) == 0);
        for (int word = 0; word < CPU_WORDS; word++) {
            CHECK(found[word] == only[word]);
        }
        ++*visited;
    }
    CHECK(Kernel_SetThreadAffinity(self, before, CPU_WORDS) == 0);
}

static int visit(void *argument) {
    Visitor *visitor = argument;
    visitor->began = Kernel_GetCurrentNumaNode();
    visitor->thread = Kernel_GetCurrentThread();
    int node = visitor->node, visited = 0;
    CHECK(Kernel_GetPreferredNumaNode() == node);

    int stack = node_of(&visited);
    CHECK(is_nearest(node, stack, has_memory));
    uint64_t page = Kernel_AllocatePage();
    int home = Kernel_GetPageNumaNode(page);
    CHECK(is_nearest(node, home, has_memory));
    CHECK(Kernel_FreePage(page));
    void *memory = Kernel_AllocateMemory(100, 0);
    CHECK(is_nearest(node, node_of(memory), has_memory));
    Kernel_FreeMemory(memory);

    go_to_each_cpu(node, &visited);
    CHECK(visited > 0);

    // Another thread is created for the node otherwise.
    if (is_nearest(node, visitor->began, has_cpus)) {
        Line line = {.length = 0};
        put_named(&line, "a thread of node ", node);
        put_named(&line, " has its stack on node ", stack);
        put_named(&line, ", its page on node ", home);
        put_named(&line, ", and was on ", visited);
        put_text(&line, visited == 1 ? " CPU" : " CPUs");
        say(KERNEL_LOG_INFO, &line);
    }
    if (node % 2 == 1) {
        Kernel_ExitThread(EXIT_CODE + node);
        CHECK(!"reached");
    }
    return EXIT_CODE + node;
}

// Creates and joins one visitor. Returns true if it started on a CPU of its node.
static bool visit_once(int node) {
    Visitor visitor = {.node = node};
    int code = 0;
    int thread = Kernel_CreateThread("visitor", visit, &visitor, node);
    CHECK(thread > 0);
    CHECK(Kernel_JoinThread(thread, &code) == 0);
    CHECK(code == EXIT_CODE + node);
    CHECK(visitor.thread == thread);
    CHECK(Kernel_JoinThread(thread, &code) == -1); // the id is no longer in use
    return is_nearest(node, visitor.began, has_cpus);
}

// While the CPUs of the node are busy, an idle CPU of another node may take the thread first. That does not happen each time.
#define ATTEMPTS 10

static void visit_node(int node) {
    bool began_there = false;
    for (int attempt = 0; attempt < ATTEMPTS && !began_there; attempt++) {
        began_there = visit_once(node);
    }
    CHECK(began_there);
}

// ---- What a thread inherits from its creator ----

static int report_preference(void *argument) {
    NumaPolicy *policy = argument;
    return Kernel_GetNumaPolicy(policy) == 0 ? Kernel_GetPreferredNumaNode() : -2;
}

// Returns the policy of a new thread on `node`, and checks that the thread prefers `expected`, or no node for -1.
static NumaPolicy policy_of_thread_on(int node, int expected) {
    NumaPolicy policy = {.Size = sizeof policy};
    int preferred = -2;
    int thread = Kernel_CreateThread(NULL, report_preference, &policy, node);
    CHECK(Kernel_JoinThread(thread, &preferred) == 0);
    CHECK(preferred == expected);
    return policy;
}

static void inherit(int nodes) {
    int last = nodes - 1;
    CHECK(policy_of_thread_on(-1, -1).Kind == NUMA_POLICY_LOCAL);
    CHECK(Kernel_SetPreferredNumaNode(last) == -1);
    CHECK(policy_of_thread_on(-1, last).Kind == NUMA_POLICY_PREFERRED);
    CHECK(policy_of_thread_on(0, 0).Node == 0);
    NumaPolicy own = {.Size = sizeof own, .Kind = NUMA_POLICY_LOCAL};
    CHECK(Kernel_SetNumaPolicy(&own) == 0);
    CHECK(policy_of_thread_on(-1, last).Kind == NUMA_POLICY_LOCAL);
    CHECK(policy_of_thread_on(last, last).Kind == NUMA_POLICY_PREFERRED); // its own node, not its creator's policy
    CHECK(Kernel_SetPreferredNumaNode(-1) == last);
}

// ---- A thread on each node, all at once ----

#define ROUNDS 3

typedef struct {
    int index;
    int count;
} Player;

static int turn; // counts the turns; modulo the number of players, the index of the player whose turn it is
static bool called_off; // a player is missing

static int play(void *argument) {
    const Player *player = argument;
    for (int round = 0; round < ROUNDS; round++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != round * player->count + player->index) {
            if (__atomic_load_n(&called_off, __ATOMIC_RELAXED)) {
                return -1;
            }
            Kernel_YieldThread();
            Kernel_SleepThread(10 * MICROSECOND);
        }
        __atomic_fetch_add(&turn, 1, __ATOMIC_RELEASE);
    }
    return player->index;
}

static void play_together(int nodes) {
    static Player players[MAX_NODES];
    static int threads[MAX_NODES];
    int count = nodes < MAX_NODES ? nodes : MAX_NODES;
    for (int node = 0; node < count; node++) {
        players[node] = (Player){.index = node, .count = count};
        threads[node] = Kernel_CreateThread("player", play, &players[node], node);
        CHECK(threads[node] > 0);
        if (threads[node] <= 0) {
            // The other players would wait for this one forever.
            __atomic_store_n(&called_off, true, __ATOMIC_RELAXED);
        }
    }
    for (int node = 0; node < count; node++) {
        int code = -1;
        CHECK(Kernel_JoinThread(threads[node], &code) == 0);
        CHECK(code == node);
    }
    CHECK(turn == ROUNDS * count);
}

// Checks that the thread of Driver_Init may run on the boot CPU only, whatever an earlier driver has set.
static void stay_on_boot_cpu(void) {
    uint64_t cpus[CPU_WORDS];
    CHECK(Kernel_GetCurrentCpu() == Kernel_GetBspIndex());
    CHECK(Kernel_GetThreadAffinity(Kernel_GetCurrentThread(), cpus, CPU_WORDS) == 0);
    for (int cpu = 0; cpu < Kernel_GetCpuCount(); cpu++) {
        bool may_run = cpus[cpu / 64] >> cpu % 64 & 1;
        CHECK(may_run == (cpu == Kernel_GetBspIndex()));
    }
}

int Driver_Init(void) {
    int nodes = Kernel_GetNumaNodeCount();
    stay_on_boot_cpu();
    for (int node = 0; node < nodes; node++) {
        visit_node(node);
    }
    inherit(nodes);
    play_together(nodes);
    Line line = {.length = 0};
    put_named(&line, "done, ", errors);
    put_text(&line, " errors");
    say(errors == 0 ? KERNEL_LOG_INFO : KERNEL_LOG_ERROR, &line);
    return -errors;
}

void Driver_Exit(void) {}
