// policies: checks pages from a set of nodes, interleaved and weighted, under a call's policy and under the thread's.
//
// All nodes of the machine must have memory. The driver logs each check that fails, and then refuses to start with the
// number of failures as its code.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"

#define PAGE KERNEL_PAGE_SIZE
#define MAX_NODES 128
#define PAGES 400

static NumaPolicy policy_of_all(uint32_t kind, int nodes) {
    NumaPolicy policy = {.Size = sizeof policy, .Kind = kind};
    for (int node = 0; node < nodes; node++) {
        policy.Nodes[node / 64] |= 1ull << node % 64;
    }
    return policy;
}

static NumaPolicy policy_of_one(uint32_t kind, int node) {
    NumaPolicy policy = {.Size = sizeof policy, .Kind = kind};
    policy.Nodes[node / 64] = 1ull << node % 64;
    return policy;
}

static PageGrant allocate(uint64_t count, const NumaPolicy *policy) {
    PageRequest request = {.Size = sizeof request, .Count = count, .Policy = policy};
    PageGrant grant = {.Size = sizeof grant};
    return Kernel_AllocatePages(&request, &grant) ? grant : (PageGrant){.Node = -1};
}

// Allocates and frees a page under this policy. Returns its node, which the page's address confirms; -1 if there is no page.
static int node_of_page(const NumaPolicy *policy) {
    PageGrant grant = allocate(1, policy);
    if (grant.Address != 0) {
        CHECK(Kernel_GetPageNumaNode(grant.Address) == grant.Node);
        CHECK(Kernel_FreePage(grant.Address));
    }
    return grant.Node;
}

static int node_of_plain_page(void) {
    uint64_t page = Kernel_AllocatePage();
    int node = page == 0 ? -1 : Kernel_GetPageNumaNode(page);
    CHECK(page != 0 && Kernel_FreePage(page));
    return node;
}

// ---- Turns ----

static void interleave(int nodes) {
    NumaPolicy turns = policy_of_all(NUMA_POLICY_INTERLEAVE, nodes);
    CHECK(Kernel_SetNumaPolicy(&turns) == 0);
    for (int i = 0; i < PAGES; i++) {
        CHECK(node_of_plain_page() == i % nodes);
    }
    // The pages of one call come from one node and take one turn.
    for (int i = 0; i < 2 * nodes; i++) {
        PageGrant grant = allocate(5, NULL);
        CHECK(grant.Node == (PAGES + i) % nodes && grant.FellBack == 0);
        CHECK(Kernel_GetPageNumaNode(grant.Address + 4 * PAGE) == grant.Node);
        CHECK(Kernel_FreePages(grant.Address, 5));
    }
}

static void weigh(int nodes) {
    static uint8_t weights[MAX_NODES], found_weights[MAX_NODES];
    int taken[MAX_NODES] = {0};
    for (int node = 0; node < nodes; node++) {
        weights[node] = node == 0 ? 3 : 1;
    }
    NumaPolicy weighted = policy_of_all(NUMA_POLICY_WEIGHTED, nodes);
    weighted.Weights = weights;
    CHECK(Kernel_SetNumaPolicy(&weighted) == 0);
    for (int i = 0; i < PAGES; i++) {
        int node = node_of_plain_page();
        taken[node >= 0 && node < nodes ? node : MAX_NODES - 1]++;
    }
    CHECK(nodes != 2 || (taken[0] == 300 && taken[1] == 100));

    NumaPolicy found = {.Size = sizeof found, .Weights = found_weights};
    CHECK(Kernel_GetNumaPolicy(&found) == 0);
    CHECK(found.Kind == NUMA_POLICY_WEIGHTED && found.Weights == found_weights);
    CHECK(memcmp(found.Nodes, weighted.Nodes, sizeof found.Nodes) == 0);
    CHECK(memcmp(found_weights, weights, sizeof weights) == 0);
    found.Weights = NULL;
    CHECK(Kernel_GetNumaPolicy(&found) == 0 && found.Weights == NULL);

    // The kernel keeps a copy of the weights, and a node of weight 0 has no turn.
    memset(weights, 0, sizeof weights);
    CHECK(node_of_plain_page() >= 0);
    weights[nodes - 1] = 1;
    for (int i = 0; i < 10; i++) {
        CHECK(node_of_page(&weighted) == nodes - 1);
    }
}

// A policy for single calls, while the thread has another policy: the turns continue from one call to the next.
static void turns_of_calls(int nodes) {
    NumaPolicy strict = {.Size = sizeof strict, .Kind = NUMA_POLICY_STRICT, .Node = nodes - 1};
    NumaPolicy turns = policy_of_all(NUMA_POLICY_INTERLEAVE, nodes);
    CHECK(Kernel_SetNumaPolicy(&strict) == 0);
    for (int i = 0; i < 3 * nodes; i++) {
        CHECK(node_of_page(&turns) == i % nodes);
        CHECK(node_of_plain_page() == nodes - 1);
    }
}

// ---- A set ----

// A list of allocated runs of pages. Each entry lies in the first page of its run.
typedef struct Run {
    struct Run *before;
    uint64_t address, count;
} Run;

static void bind(int nodes) {
    int far = nodes - 1;
    NumaPolicy set = policy_of_one(NUMA_POLICY_SET, far);
    CHECK(Kernel_SetNumaPolicy(&set) == 0);
    NumaPolicy found = {.Size = sizeof found};
    CHECK(Kernel_GetNumaPolicy(&found) == 0);
    CHECK(found.Kind == NUMA_POLICY_SET && memcmp(found.Nodes, set.Nodes, sizeof found.Nodes) == 0);

    Run *last = NULL;
    uint64_t held = 0;
    for (uint64_t count = 1 << 14; count > 0; count /= 2) {
        for (;;) {
            PageGrant grant = allocate(count, NULL);
            if (grant.Address == 0) {
                break;
            }
            // The first choice of a set is its nearest node, even if this CPU is on a node outside the set.
            CHECK(grant.Node == far && grant.FellBack == 0);
            Run *run = Kernel_PhysToVirt(grant.Address);
            *run = (Run){.before = last, .address = grant.Address, .count = count};
            last = run;
            held += count;
        }
    }
    CHECK(held > 1000);
    CHECK(Kernel_AllocatePage() == 0); // refused, though other nodes have pages
    uint64_t other = Kernel_AllocatePageFromNode(0);
    CHECK(nodes == 1 || (other != 0 && Kernel_GetPageNumaNode(other) != far && Kernel_FreePage(other)));
    NumaPolicy turns = policy_of_one(NUMA_POLICY_INTERLEAVE, far);
    PageGrant elsewhere = allocate(1, &turns); // an interleaved policy goes on to the nearest node
    CHECK(nodes == 1 || (elsewhere.Address != 0 && elsewhere.Node != far && elsewhere.FellBack == 1));
    CHECK(nodes == 1 || Kernel_FreePage(elsewhere.Address));
    while (last != NULL) {
        Run run = *last;
        CHECK(Kernel_FreePages(run.address, run.count));
        last = run.before;
    }
    CHECK(node_of_plain_page() == far);

    // The nearest of all nodes is this CPU's own.
    NumaPolicy all = policy_of_all(NUMA_POLICY_SET, nodes);
    CHECK(node_of_page(&all) == Kernel_GetCurrentNumaNode());
}

// ---- What a thread inherits from its creator ----

static int take_turn(void *policy) {
    return Kernel_GetNumaPolicy(policy) == 0 ? node_of_plain_page() : -2;
}

static void inherit(int nodes) {
    static uint8_t weights[MAX_NODES], found_weights[MAX_NODES];
    weights[nodes - 1] = 9;
    NumaPolicy policies[3] = {
        policy_of_one(NUMA_POLICY_SET, nodes - 1),
        policy_of_all(NUMA_POLICY_INTERLEAVE, nodes),
        policy_of_all(NUMA_POLICY_WEIGHTED, nodes),
    };
    policies[2].Weights = weights;
    const int first[3] = {nodes - 1, 0, nodes - 1};
    for (int i = 0; i < 3; i++) {
        CHECK(Kernel_SetNumaPolicy(&policies[i]) == 0);
        node_of_plain_page(); // the new thread begins with the first turn, not with its creator's
        NumaPolicy found = {.Size = sizeof found, .Weights = found_weights};
        int node = -3;
        CHECK(Kernel_JoinThread(Kernel_CreateThread("child", take_turn, &found, -1), &node) == 0);
        CHECK(node == first[i]);
        CHECK(found.Kind == policies[i].Kind);
    }
    CHECK(memcmp(weights, found_weights, sizeof weights) == 0);
}

int Driver_Init(void) {
    int nodes = Kernel_GetNumaNodeCount();
    interleave(nodes);
    weigh(nodes);
    turns_of_calls(nodes);
    bind(nodes);
    inherit(nodes);
    return -errors;
}
