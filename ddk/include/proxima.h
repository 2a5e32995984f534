/*
 * The driver ABI of Proxima: all that a driver may call, and what it defines.
 *
 * Generated from ddk/abi by `cargo run -p header`. Do not edit.
 *
 * Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none. A structure that a driver fills starts
 * with Size, set by the driver to sizeof. Nothing that a driver passes faults the kernel: a pointer that is null,
 * misaligned or not mapped, an index out of range or a value without a meaning is refused as each function says.
 */
#ifndef PROXIMA_H
#define PROXIMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The driver itself ---- */

// Every driver defines this. The kernel calls it once, when the driver is loaded, on a thread that has no
// preferred node and no policy set, and whose affinity is the boot CPU; what it sets of these ends with the call.
//
// Returns 0 when the driver has started. Anything else, by custom a negative number, refuses: the number goes into
// the log, the driver's memory is taken back, and boot goes on. Pages and memory that the driver was given, it
// frees before it refuses.
extern int Driver_Init(void);

// A driver that can be unloaded defines this. The kernel calls it once, before it takes the driver's memory back.
extern void Driver_Exit(void);

/* ---- NUMA ---- */

// NumaPolicy.Kind: the running CPU's node, else the nearest to it.
#define NUMA_POLICY_LOCAL 0

// NumaPolicy.Kind: Node, else the nearest to it.
#define NUMA_POLICY_PREFERRED 1

// NumaPolicy.Kind: Node, and no other.
#define NUMA_POLICY_STRICT 2

// NumaPolicy.Kind: the nearest of Nodes, and no other.
#define NUMA_POLICY_SET 3

// NumaPolicy.Kind: each of Nodes in turn, ascending; else the nearest to the one whose turn it is.
#define NUMA_POLICY_INTERLEAVE 4

// NumaPolicy.Kind: the same, each node as often in a row as its weight says.
#define NUMA_POLICY_WEIGHTED 5

// One node.
typedef struct {
    // Firmware's name for the node, its proximity domain. Not the kernel's index.
    uint32_t NodeId;
    // CPUs on the node; 0 is possible.
    uint32_t CpuCount;
    // The lowest address of the node's memory.
    uint64_t MemoryBase;
    // Bytes of the node's memory, holes not counted; 0 is possible.
    uint64_t MemorySize;
    // The node has CPUs or memory.
    bool IsValid;
} NumaNodeInfo;

// Which nodes' memory to take. The driver sets Size; what a kind does not read is zero.
typedef struct {
    // Bytes in this structure.
    uint32_t Size;
    // One of the NUMA_POLICY_ numbers.
    uint32_t Kind;
    // The node of a preferred or strict policy.
    int32_t Node;
    // Zero.
    uint32_t Reserved;
    // The nodes of a set, interleaved or weighted policy: bit n of word n/64 is node n.
    uint64_t Nodes[2];
    // The weights of a weighted policy, one for each node of the machine; a node of weight 0 has no turn. Else null.
    const uint8_t *Weights;
} NumaPolicy;

// The number of nodes: at least 1.
extern int Kernel_GetNumaNodeCount(void);

// Describes the node with this index.
//
// Returns false, and writes nothing, when there is no such node or info is null, misaligned or not mapped.
extern bool Kernel_GetNumaNodeInfo(int node, NumaNodeInfo *info);

// The node of the CPU with this index; -1: no such CPU.
extern int Kernel_GetNumaNodeForCpu(int cpu);

// The node of the CPU that runs the caller.
extern int Kernel_GetCurrentNumaNode(void);

// The distance from one node to another, as firmware's SLIT has it: 10 is local, 20 twice as far.
//
// 10 and 20 where there is no SLIT. -1: one of the two is no node.
extern int Kernel_GetNumaDistance(int from, int to);

// The node of the memory at this physical address; -1: no memory that the kernel manages.
extern int Kernel_GetNumaNodeForAddress(uint64_t address);

// The same, for a page's address.
extern int Kernel_GetPageNumaNode(uint64_t page);

// Whether there is more than one node.
extern bool Kernel_IsNumaAvailable(void);

// Whether the distances came from a SLIT.
extern bool Kernel_HasNumaDistanceMatrix(void);

// Sets the calling thread's preferred node, whose memory it then gets first; -1 clears it.
//
// Returns the node that was preferred before, -1 for none. -2: no such node, and nothing is changed.
extern int Kernel_SetPreferredNumaNode(int node);

// The calling thread's preferred node; -1: none.
extern int Kernel_GetPreferredNumaNode(void);

// Sets the calling thread's policy, which goes before its preferred node. Turns begin at the lowest node.
//
// Nodes without memory have no part in a policy of several, nor have those of weight 0. The weights are copied.
//
// Returns 0. -1, and nothing is changed: policy is null, misaligned or not mapped, its Size is too small or
// its tail is not zero, its Kind is unknown, its Node is no node, Reserved is not zero, Nodes has a bit for
// a node that the machine does not have or none for one that has a part, or Weights is null or not mapped.
extern int Kernel_SetNumaPolicy(const NumaPolicy *policy);

// Reads the calling thread's policy. The driver sets policy->Size and policy->Weights first.
//
// A thread that has set none is answered by what it gets: preferred with its preferred node, or local without
// one. Nodes are those that have a part in the policy. The weights of a weighted one are written to Weights, a
// byte for each node of the machine, unless that is null; of any other it becomes null. Returns 0. -1, and nothing
// is written: policy is null, misaligned or not mapped, its Size is too small or its tail is not zero, or the
// weights cannot be written.
extern int Kernel_GetNumaPolicy(NumaPolicy *policy);

/* ---- Memory: pages and the heap ---- */

// Bytes in a page.
#define KERNEL_PAGE_SIZE 4096

// PageRequest.Flags: the pages are filled with zeros. Without it they hold what was there before.
#define PAGE_REQUEST_ZEROED 1

// What Kernel_AllocatePages is asked for. The driver sets Size.
typedef struct {
    // Bytes in this structure.
    uint32_t Size;
    // PAGE_REQUEST_ZEROED, or 0.
    uint32_t Flags;
    // Pages, one behind the other; at least 1.
    uint64_t Count;
    // What the first page's address is a multiple of: a power of two, in bytes; 0: a page.
    uint64_t Alignment;
    // The highest address that the pages' last byte may have; 0: any.
    uint64_t HighestAddress;
    // Whose memory; null: as the thread's policy says.
    const NumaPolicy *Policy;
} PageRequest;

// What Kernel_AllocatePages gave. The driver sets Size, the kernel the rest.
typedef struct {
    // Bytes in this structure.
    uint32_t Size;
    // The node that all the pages are on.
    int32_t Node;
    // The first page's physical address.
    uint64_t Address;
    // Pages; as many as were asked for.
    uint64_t Count;
    // How far Node is from the running CPU's node, as Kernel_GetNumaDistance has it.
    uint32_t Distance;
    // 1: the node that the policy names first had none, and another gave. Else 0.
    uint32_t FellBack;
} PageGrant;

// One zeroed page: by the calling thread's policy, else from its preferred node, else from this CPU's node, else
// from the nearest that has one.
//
// Returns its physical address; 0: none to be had.
extern uint64_t Kernel_AllocatePage(void);

// One zeroed page from this CPU's node, else from the nearest to it. 0: none to be had.
extern uint64_t Kernel_AllocatePageLocal(void);

// One zeroed page from this node, else from the nearest to it. 0: none to be had, or no such node.
extern uint64_t Kernel_AllocatePageFromNode(int node);

// count zeroed pages, one behind the other, from this node, else all from the nearest to it that has them.
//
// Returns the first one's physical address. 0: none to be had, no such node, or count is 0.
extern uint64_t Kernel_AllocatePagesFromNode(uint64_t count, int node);

// Pages as the request says.
//
// Returns true, with grant filled. False, and nothing is written: none to be had; either pointer is null,
// misaligned or not mapped; a Size is too small or the tail behind what the kernel knows is not zero; Count
// is 0; Alignment is no power of two; a flag is unknown; or the policy is one that Kernel_SetNumaPolicy
// refuses.
extern bool Kernel_AllocatePages(const PageRequest *request, PageGrant *grant);

// Gives back one page.
//
// False, nothing is changed, and one line is logged: page is no page's address, was not handed out or is free
// already, or was one of several that one call granted.
extern bool Kernel_FreePage(uint64_t page);

// Gives back pages, exactly those that one call granted.
//
// False, nothing is changed, and one line is logged: they are not that, or are free already.
extern bool Kernel_FreePages(uint64_t page, uint64_t count);

// The address at which memory is read and written; null: there is no memory at this physical address.
extern void *Kernel_PhysToVirt(uint64_t address);

// The physical address of mapped memory; 0: nothing is mapped there.
extern uint64_t Kernel_VirtToPhys(const void *address);

// Memory of size bytes for the driver's own data, its content undefined, from the heap.
//
// alignment is a power of two; 0 is 16. Null: none to be had, size is 0, or alignment is no power of two.
extern void *Kernel_AllocateMemory(size_t size, size_t alignment);

// The same on this node, else on the nearest to it. Null also: no such node.
extern void *Kernel_AllocateMemoryFromNode(size_t size, size_t alignment, int node);

// Gives back what one of the two gave. Null is nothing.
//
// An address that is not the heap's is refused: nothing is changed, and one line is logged.
extern void Kernel_FreeMemory(void *memory);

/* ---- CPUs ---- */

// CpuInfo.AcpiProcessorId of a CPU whose ACPI processor UID does not fit in 8 bits.
#define CPU_ACPI_PROCESSOR_ID_NONE 255

// One CPU.
typedef struct {
    // The kernel's dense index.
    uint32_t CpuIndex;
    // The local APIC's id.
    uint32_t ApicId;
    // The ACPI processor UID; 255: it does not fit.
    uint8_t AcpiProcessorId;
    // The CPU's node, as the kernel's dense index.
    uint32_t NumaNode;
    // The CPU that booted the machine.
    bool IsBsp;
    // The CPU runs.
    bool IsOnline;
    // Firmware lists the CPU as enabled.
    bool IsEnabled;
} CpuInfo;

// The number of CPUs that firmware lists as enabled, online or not: at least 1.
extern int Kernel_GetCpuCount(void);

// The index of the CPU that runs the caller.
extern int Kernel_GetCurrentCpu(void);

// Describes the CPU with this index.
//
// Returns false, and writes nothing, when there is no such CPU or info is null, misaligned or not mapped.
extern bool Kernel_GetCpuInfo(int cpu, CpuInfo *info);

// Whether the CPU with this index runs. False when there is no such CPU.
extern bool Kernel_IsCpuOnline(int cpu);

// The index of the CPU that booted the machine. It need not be 0.
extern int Kernel_GetBspIndex(void);

/* ---- Threads ---- */

// The most bytes of a thread's name; what is longer is cut.
#define KERNEL_THREAD_NAME_SIZE 32

// What a thread does. Returning is the same as Kernel_ExitThread with the value returned.
typedef int (*ThreadEntry)(void *argument);

// Creates a thread that calls entry with argument, and lets it run.
//
// It prefers node's memory, and begins on a CPU of that node, the least busy one; with -1 it prefers what its
// creator does. Its stack and its control block are on that node, as far as there is memory, else on the nearest.
// It may run on every CPU. name ends with a zero byte; null is a thread without a name.
//
// Returns its id, above 0, which stays taken until somebody joins the thread. -1: entry is null or not code,
// name is not mapped, there is no such node, no memory, or too many threads.
extern int Kernel_CreateThread(const char *name, ThreadEntry entry, void *argument, int node);

// The calling thread's id.
extern int Kernel_GetCurrentThread(void);

// Ends the calling thread. Never returns. A thread that a driver did not create, such as that of Driver_Init, is
// not ended so: the call is logged, and the thread sleeps for good.
extern void Kernel_ExitThread(int code);

// Waits until the thread has ended, and takes its id away. code receives its exit code, unless it is null.
//
// Returns 0. -1, at once: no driver created such a thread, somebody joins it or has joined it already, it is the
// calling thread, or code is misaligned or not mapped.
extern int Kernel_JoinThread(int thread, int *code);

// Lets the other threads of this CPU have their turn.
extern void Kernel_YieldThread(void);

// Sleeps at least this long.
extern void Kernel_SleepThread(uint64_t nanoseconds);

// Lets the thread, the calling one or one that a driver created, run on these CPUs only: CPU n is bit n % 64 of
// cpus[n / 64], and words says how many elements there are. CPUs that are not online are passed over.
//
// Returns 0; the thread leaves any other CPU at once. -1, and nothing is changed: no such thread, none of the CPUs
// is online, or cpus is null, misaligned or not mapped.
extern int Kernel_SetThreadAffinity(int thread, const uint64_t *cpus, size_t words);

// Reads on which of the CPUs that are online the thread may run, in the same form. What is left of cpus is zero.
//
// Returns 0. -1, and nothing is written: no such thread, a CPU has no place in so few words, or cpus is null,
// misaligned or not mapped.
extern int Kernel_GetThreadAffinity(int thread, uint64_t *cpus, size_t words);

/* ---- Log ---- */

// Log level: something failed.
#define KERNEL_LOG_ERROR 1

// Log level: something is not as it should be, and work goes on.
#define KERNEL_LOG_WARN 2

// Log level: what whoever watches the machine wants to know.
#define KERNEL_LOG_INFO 3

// Log level: what whoever works on the driver wants to know.
#define KERNEL_LOG_DEBUG 4

// Log level: each step.
#define KERNEL_LOG_TRACE 5

// Writes one line to the kernel's log, with the driver's name in front.
//
// level is one of the KERNEL_LOG_ numbers; any other number counts as KERNEL_LOG_INFO. text is UTF-8 of length
// bytes and needs no end mark; control characters, line ends among them, and bytes that are not UTF-8 are
// escaped, and a line of more than 4096 bytes is cut. Nothing is written when text is null or not mapped, or the
// level is not logged.
extern void Kernel_Log(int level, const char *text, size_t length);

/* ---- The structures' layout, as the kernel has it ---- */

#ifdef __cplusplus
#define PROXIMA_ASSERT(condition) static_assert(condition, #condition)
#else
#define PROXIMA_ASSERT(condition) _Static_assert(condition, #condition)
#endif

PROXIMA_ASSERT(sizeof(NumaNodeInfo) == 32);
PROXIMA_ASSERT(offsetof(NumaNodeInfo, NodeId) == 0);
PROXIMA_ASSERT(offsetof(NumaNodeInfo, CpuCount) == 4);
PROXIMA_ASSERT(offsetof(NumaNodeInfo, MemoryBase) == 8);
PROXIMA_ASSERT(offsetof(NumaNodeInfo, MemorySize) == 16);
PROXIMA_ASSERT(offsetof(NumaNodeInfo, IsValid) == 24);

PROXIMA_ASSERT(sizeof(NumaPolicy) == 40);
PROXIMA_ASSERT(offsetof(NumaPolicy, Size) == 0);
PROXIMA_ASSERT(offsetof(NumaPolicy, Kind) == 4);
PROXIMA_ASSERT(offsetof(NumaPolicy, Node) == 8);
PROXIMA_ASSERT(offsetof(NumaPolicy, Reserved) == 12);
PROXIMA_ASSERT(offsetof(NumaPolicy, Nodes) == 16);
PROXIMA_ASSERT(offsetof(NumaPolicy, Weights) == 32);

PROXIMA_ASSERT(sizeof(PageRequest) == 40);
PROXIMA_ASSERT(offsetof(PageRequest, Size) == 0);
PROXIMA_ASSERT(offsetof(PageRequest, Flags) == 4);
PROXIMA_ASSERT(offsetof(PageRequest, Count) == 8);
PROXIMA_ASSERT(offsetof(PageRequest, Alignment) == 16);
PROXIMA_ASSERT(offsetof(PageRequest, HighestAddress) == 24);
PROXIMA_ASSERT(offsetof(PageRequest, Policy) == 32);

PROXIMA_ASSERT(sizeof(PageGrant) == 32);
PROXIMA_ASSERT(offsetof(PageGrant, Size) == 0);
PROXIMA_ASSERT(offsetof(PageGrant, Node) == 4);
PROXIMA_ASSERT(offsetof(PageGrant, Address) == 8);
PROXIMA_ASSERT(offsetof(PageGrant, Count) == 16);
PROXIMA_ASSERT(offsetof(PageGrant, Distance) == 24);
PROXIMA_ASSERT(offsetof(PageGrant, FellBack) == 28);

PROXIMA_ASSERT(sizeof(CpuInfo) == 20);
PROXIMA_ASSERT(offsetof(CpuInfo, CpuIndex) == 0);
PROXIMA_ASSERT(offsetof(CpuInfo, ApicId) == 4);
PROXIMA_ASSERT(offsetof(CpuInfo, AcpiProcessorId) == 8);
PROXIMA_ASSERT(offsetof(CpuInfo, NumaNode) == 12);
PROXIMA_ASSERT(offsetof(CpuInfo, IsBsp) == 16);
PROXIMA_ASSERT(offsetof(CpuInfo, IsOnline) == 17);
PROXIMA_ASSERT(offsetof(CpuInfo, IsEnabled) == 18);

#undef PROXIMA_ASSERT

#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_H */
