// gc_regions: a semispace collector with regions on each node, as the driver guide describes. A thread for each node builds a list in
// regions of its node, drops most of it, and collects, several times. It counts objects that are lost, changed or on another node.
//
// The driver refuses to start with the number of errors as its code.
#include <proxima.h>
#include <proxima_freestanding.h>

#define REGION (256ull << 10)
#define MAX_NODES 128
// The soak `faults` has fewer.
#ifndef ROUNDS
#define ROUNDS 4
#endif
#ifndef OBJECTS
#define OBJECTS 20000
#endif
// Of so many objects, one stays alive.
#define SURVIVOR 16

// The header at the start of a region, which is aligned to its size.
struct region {
    struct region *next;
    uint64_t address;
    size_t top;
    int node;
};

struct object {
    struct object *next;
    // Where the object is now, once it was copied.
    struct object *forward;
    uint64_t value;
    uint64_t padding[5];
};

// A node's part of the collected heap. One thread uses it.
struct space {
    int node, errors;
    struct region *regions;
    uint64_t copied;
};

static struct region *take_region(int node) {
    NumaPolicy strict = {.Size = sizeof strict, .Kind = NUMA_POLICY_STRICT, .Node = node};
    PageRequest request = {
        .Size = sizeof request, .Count = REGION / KERNEL_PAGE_SIZE, .Alignment = REGION, .Policy = &strict};
    PageGrant grant = {.Size = sizeof grant};
    if (!Kernel_AllocatePages(&request, &grant)) {
        return NULL;
    }
    struct region *region = Kernel_PhysToVirt(grant.Address);
    *region = (struct region){.node = node, .address = grant.Address, .top = sizeof *region};
    return region;
}

static struct region *region_of(const void *object) {
    return (struct region *)((uintptr_t)object & ~(REGION - 1));
}

static struct object *allocate(struct space *space) {
    struct region *region = space->regions;
    if (!region || region->top + sizeof(struct object) > REGION) {
        region = take_region(space->node);
        if (!region) {
            return NULL;
        }
        region->next = space->regions;
        space->regions = region;
    }
    struct object *object = (struct object *)((char *)region + region->top);
    region->top += sizeof *object;
    *object = (struct object){0};
    return object;
}

// Copies the list from `root` on to new regions of the node, and frees the old ones. Returns the new root.
static struct object *collect(struct space *space, struct object *root) {
    struct region *old = space->regions;
    struct object *first = NULL, **link = &first;
    space->regions = NULL;
    for (; root; root = root->next) {
        struct object *copy = allocate(space);
        if (!copy) {
            space->errors++;
            break;
        }
        copy->value = root->value;
        root->forward = copy;
        *link = copy;
        link = &copy->next;
        space->copied++;
    }
    while (old) {
        struct region *next = old->next;
        space->errors += !Kernel_FreePages(old->address, REGION / KERNEL_PAGE_SIZE);
        old = next;
    }
    return first;
}

// Counts what is wrong with a list whose values count down to 0 in steps of SURVIVOR.
static int check(const struct space *space, const struct object *root, uint64_t expected) {
    int errors = 0;
    uint64_t count = 0, page = 0;
    for (; root; root = root->next, count++) {
        errors += region_of(root)->node != space->node;
        // The kernel is asked once for objects in a row that are in the same page.
        if ((uintptr_t)root / KERNEL_PAGE_SIZE != page) {
            page = (uintptr_t)root / KERNEL_PAGE_SIZE;
            errors += Kernel_GetNumaNodeForAddress(Kernel_VirtToPhys(root)) != space->node;
        }
        errors += root->value % SURVIVOR != 0;
    }
    return errors + (count != expected);
}

static int mutate(void *argument) {
    struct space *space = argument;
    struct object *root = NULL;
    uint64_t alive = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t value = 0; value < OBJECTS; value++) {
            struct object *object = allocate(space);
            if (!object) {
                space->errors++;
                break;
            }
            object->value = value;
            if (value % SURVIVOR == 0) {
                object->next = root;
                root = object;
                alive++;
            }
        }
        root = collect(space, root);
        space->errors += check(space, root, alive);
    }
    collect(space, NULL);
    return space->errors;
}

int Driver_Init(void) {
    static int threads[MAX_NODES];
    int errors = 0, nodes = Kernel_GetNumaNodeCount();
    struct space *spaces[MAX_NODES];
    for (int node = 0; node < nodes; node++) {
        // The runtime's own table, on the node that uses it.
        spaces[node] = Kernel_AllocateMemoryFromNode(sizeof *spaces[node], 0, node);
        if (!spaces[node]) {
            return -1;
        }
        *spaces[node] = (struct space){.node = node};
        threads[node] = Kernel_CreateThread("mutator", mutate, spaces[node], node);
    }
    for (int node = 0; node < nodes; node++) {
        int code = 1;
        errors += Kernel_JoinThread(threads[node], &code) != 0 || code != 0;
        errors += spaces[node]->copied == 0;
        Kernel_FreeMemory(spaces[node]);
    }
    static const char done[] = "every node's objects survived their collections";
    if (errors == 0) {
        Kernel_Log(KERNEL_LOG_INFO, done, sizeof done - 1);
    }
    return -errors;
}
