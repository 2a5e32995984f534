/*
 * The driver ABI of Proxima: the functions that a driver may call, and those that it defines.
 *
 * Generated from ddk/abi by `cargo run -p header`. Do not edit.
 *
 * Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none. A structure that a driver fills begins
 * with Size, which the driver sets to sizeof. Nothing that a driver passes faults the kernel: a pointer that is null,
 * misaligned or not mapped, an index out of range and an invalid value are refused as each function's text says.
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

// Starts the driver. Every driver defines this function. The kernel calls it once, when the driver is loaded, on a
// thread of its own, which has no preferred node and no policy, and whose affinity is the boot CPU. The thread ends
// when the function returns. If that takes longer than 10 s, the kernel names the driver and continues to boot.
//
// Returns 0 if the driver has started. Any other number, by convention a negative one, means that it does not
// start: the kernel logs the number, takes back what the driver has, unloads it and continues to boot.
extern int Driver_Init(void);

// Stops the driver. A driver may define this function. The kernel calls it once when it unloads the driver, on a thread of its
// own, after Driver_RemoveDevice for each of its devices. Then it takes back all that the driver still has.
extern void Driver_Exit(void);

/* ---- NUMA ---- */

// NumaPolicy.Kind: memory comes from the running CPU's node, or from the nearest node that has some.
#define NUMA_POLICY_LOCAL 0

// NumaPolicy.Kind: memory comes from Node, or from the nearest node that has some.
#define NUMA_POLICY_PREFERRED 1

// NumaPolicy.Kind: memory comes from Node only.
#define NUMA_POLICY_STRICT 2

// NumaPolicy.Kind: memory comes from the nearest of Nodes that has some, and from no other node.
#define NUMA_POLICY_SET 3

// NumaPolicy.Kind: memory comes from each of Nodes in turn, ascending. If the node whose turn it is has none, memory
// comes from the nearest node that has some.
#define NUMA_POLICY_INTERLEAVE 4

// NumaPolicy.Kind: memory comes from each of Nodes in turn, ascending, as many times in a row as the node's weight
// says. If the node whose turn it is has none, memory comes from the nearest node that has some.
#define NUMA_POLICY_WEIGHTED 5

// One node.
typedef struct NumaNodeInfo {
    // The node's proximity domain, which is firmware's number for it. This is not the kernel's index.
    uint32_t NodeId;
    // The number of CPUs on the node; may be 0.
    uint32_t CpuCount;
    // The lowest address of the node's memory.
    uint64_t MemoryBase;
    // The size of the node's memory in bytes, without holes; may be 0.
    uint64_t MemorySize;
    // True if the node has CPUs or memory.
    bool IsValid;
} NumaNodeInfo;

// A policy: which nodes memory comes from. The driver sets Size. Fields that a kind does not use are zero.
typedef struct NumaPolicy {
    // The size of this structure in bytes.
    uint32_t Size;
    // One of the NUMA_POLICY_ numbers.
    uint32_t Kind;
    // The node of a preferred or strict policy.
    int32_t Node;
    // Must be zero.
    uint32_t Reserved;
    // The nodes of a set, interleaved or weighted policy: bit n of word n/64 is node n.
    uint64_t Nodes[2];
    // The weights of a weighted policy, one byte for each node of the machine. A node of weight 0 has no turn. Null for
    // the other kinds.
    const uint8_t *Weights;
} NumaPolicy;

// The numbers of a node, in pages. The driver sets Size, the kernel sets the rest. All but the first four count since boot, as Linux does.
typedef struct NumaNodeStatistics {
    // The size of this structure in bytes.
    uint32_t Size;
    // 0.
    uint32_t Reserved;
    // The pages of the node's memory, including those in use since boot.
    uint64_t Total;
    // The pages that the kernel hands out: the free and the granted ones.
    uint64_t Managed;
    // The free pages.
    uint64_t Free;
    // The pages of the largest free chunk of a power of two, at most 1 GiB; 0 if no page is free outside of CPUs' caches.
    uint64_t LargestFree;
    // Pages that were granted from here and wanted from here.
    uint64_t Hit;
    // Pages that were granted from here and wanted from another node.
    uint64_t Miss;
    // Pages that were wanted from here and came from another node.
    uint64_t Foreign;
    // Pages that were granted from here as interleaving chose: a part of Hit.
    uint64_t InterleaveHit;
    // Pages that were granted from here to a CPU of this node.
    uint64_t Local;
    // Pages that were granted from here to a CPU of another node.
    uint64_t Other;
    // Frees of pages of this node that were refused. This counts calls and not pages.
    uint64_t Refused;
} NumaNodeStatistics;

// Returns the number of nodes: at least 1.
extern int Kernel_GetNumaNodeCount(void);

// Describes the node with this index.
//
// Returns true, and fills info. Returns false, and writes nothing, if there is no such node, or if info is null,
// misaligned or not mapped.
extern bool Kernel_GetNumaNodeInfo(int node, NumaNodeInfo *info);

// Returns the node of the CPU with this index; -1 if there is no such CPU.
extern int Kernel_GetNumaNodeForCpu(int cpu);

// Returns the node of the CPU that runs the caller.
extern int Kernel_GetCurrentNumaNode(void);

// Returns the distance between two nodes, as firmware's SLIT gives it: 10 is local, 20 is twice as far.
//
// Without a SLIT, a node is at distance 10 from itself and at distance 20 from every other node. Returns -1 if one of
// the two nodes does not exist.
extern int Kernel_GetNumaDistance(int from, int to);

// Returns the node of the memory at this physical address; -1 if the kernel manages no memory there.
extern int Kernel_GetNumaNodeForAddress(uint64_t address);

// Returns the node of the page at this physical address; -1 if the kernel manages no memory there.
extern int Kernel_GetPageNumaNode(uint64_t page);

// Returns true if there is more than one node.
extern bool Kernel_IsNumaAvailable(void);

// Returns true if the distances come from a SLIT.
extern bool Kernel_HasNumaDistanceMatrix(void);

// Sets the calling thread's preferred node, from which its memory comes first; -1 clears it.
//
// Returns the node that was preferred before; -1 if there was none. Returns -2, and changes nothing, if there is no
// such node.
extern int Kernel_SetPreferredNumaNode(int node);

// Returns the calling thread's preferred node; -1 if there is none.
extern int Kernel_GetPreferredNumaNode(void);

// Sets the calling thread's policy, which takes precedence over its preferred node. Turns begin at the lowest node.
//
// A policy of several nodes leaves out nodes without memory and nodes of weight 0. The kernel copies the weights.
//
// Returns 0. Returns -1, and changes nothing, if policy is null, misaligned or not mapped; if Size is too small,
// or the tail is not zero; if Kind is unknown; if Node does not exist; if Reserved is not zero; if Nodes names a
// node that does not exist, or none that the policy can use; or if Weights is null or not mapped.
extern int Kernel_SetNumaPolicy(const NumaPolicy *policy);

// Reads the calling thread's policy. The driver sets policy->Size and policy->Weights first.
//
// For a thread without a policy, the answer is preferred with its preferred node, or local if it has none. Nodes
// are the nodes that the policy uses. For a weighted policy, the kernel writes the weights to Weights, one byte for
// each node of the machine, unless that is null. For any other kind it sets Weights to null.
//
// Returns 0. Returns -1, and writes nothing, if policy is null, misaligned or not mapped; if Size is too small, or
// the tail is not zero; or if the weights cannot be written.
extern int Kernel_GetNumaPolicy(NumaPolicy *policy);

// [thread] Returns the numbers of a node at this moment. The caller sets statistics->Size.
//
// Returns true, and fills *statistics. Returns false, and changes nothing, if there is no such node, if statistics is null,
// misaligned or not writable, if its Size or the tail behind the known part is wrong, in a handler, and with interrupts off.
extern bool Kernel_GetNumaNodeStatistics(int node, NumaNodeStatistics *statistics);

/* ---- Memory: pages and the heap ---- */

// Bytes in a page.
#define KERNEL_PAGE_SIZE 4096

// PageRequest.Flags: the kernel fills the pages with zeros. Without this flag their content is undefined.
#define PAGE_REQUEST_ZEROED 1

// A request for Kernel_AllocatePages. The driver sets Size.
typedef struct PageRequest {
    // The size of this structure in bytes.
    uint32_t Size;
    // PAGE_REQUEST_ZEROED, or 0.
    uint32_t Flags;
    // The number of contiguous pages: at least 1.
    uint64_t Count;
    // The alignment of the first page's address, in bytes: a power of two; 0 means one page.
    uint64_t Alignment;
    // The highest address that the last byte of the pages may have; 0 means any.
    uint64_t HighestAddress;
    // The policy for this request; null means the thread's policy.
    const NumaPolicy *Policy;
} PageRequest;

// The result of Kernel_AllocatePages. The driver sets Size, the kernel sets the rest.
typedef struct PageGrant {
    // The size of this structure in bytes.
    uint32_t Size;
    // The node of all the pages.
    int32_t Node;
    // The physical address of the first page.
    uint64_t Address;
    // The number of pages: as many as were requested.
    uint64_t Count;
    // The distance from the running CPU's node to Node, as Kernel_GetNumaDistance returns it.
    uint32_t Distance;
    // 1 if the pages come from another node than the policy's first choice, which had none; otherwise 0.
    uint32_t FellBack;
} PageGrant;

// Allocates one zeroed page under the calling thread's policy. A thread without a policy gets the page from its
// preferred node; a thread without either, from this CPU's node. If that node has none, the nearest node that has
// one gives it.
//
// Returns the page's physical address; 0 if no page is available.
extern uint64_t Kernel_AllocatePage(void);

// Allocates one zeroed page from this CPU's node, or from the nearest node that has one.
//
// Returns the page's physical address; 0 if no page is available.
extern uint64_t Kernel_AllocatePageLocal(void);

// Allocates one zeroed page from node, or from the nearest node that has one.
//
// Returns the page's physical address; 0 if no page is available or there is no such node.
extern uint64_t Kernel_AllocatePageFromNode(int node);

// Allocates count contiguous zeroed pages, all from node, or all from the nearest node that has them.
//
// Returns the first page's physical address; 0 if there are no such pages or no such node, or if count is 0.
extern uint64_t Kernel_AllocatePagesFromNode(uint64_t count, int node);

// Allocates contiguous pages for request.
//
// Returns true, and fills grant. Returns false, and writes nothing, if no such pages are available; if a pointer
// is null, misaligned or not mapped; if a Size is too small, or the tail behind what the kernel knows is not zero;
// if Count is 0; if Alignment is not a power of two; if a flag is unknown; or if the policy is one that
// Kernel_SetNumaPolicy refuses.
extern bool Kernel_AllocatePages(const PageRequest *request, PageGrant *grant);

// Frees one page.
//
// Returns true. Returns false, and changes nothing, if page is not the address of a page, if the page was not handed
// out or is free already, if it belongs to another driver, or if one call granted it together with others. The log has one
// line for a driver's first mistake of each kind.
extern bool Kernel_FreePage(uint64_t page);

// Frees exactly the pages that one call granted.
//
// Returns true. Returns false, and changes nothing, if the pages are not exactly one grant of the driver, or are free already.
// The log has one line for a driver's first mistake of each kind.
extern bool Kernel_FreePages(uint64_t page, uint64_t count);

// Returns the address at which a driver reads and writes the memory at a physical address; null if there is no memory.
extern void *Kernel_PhysToVirt(uint64_t address);

// Returns the physical address of mapped memory; 0 if nothing is mapped at address.
extern uint64_t Kernel_VirtToPhys(const void *address);

// Allocates size bytes for the driver's own data from the heap. Their content is undefined.
//
// alignment is a power of two in bytes, at most 2 MiB; 0 means 16. Returns null if no memory is available, if size is 0,
// or if alignment is neither.
extern void *Kernel_AllocateMemory(size_t size, size_t alignment);

// Allocates size bytes for the driver's own data from the heap of node, or from the nearest node that has memory.
// Their content is undefined.
//
// alignment is a power of two in bytes, at most 2 MiB; 0 means 16. Returns null if no memory is available, if there is no
// such node, if size is 0, or if alignment is neither.
extern void *Kernel_AllocateMemoryFromNode(size_t size, size_t alignment, int node);

// Frees memory from Kernel_AllocateMemory or Kernel_AllocateMemoryFromNode. Null is ignored.
//
// An address that is not that of an allocated block is refused, and nothing is changed. The log has one line for a
// driver's first such mistake.
extern void Kernel_FreeMemory(void *memory);

/* ---- Memory of each CPU ---- */

// The most bytes that each CPU's part may have.
#define KERNEL_LARGEST_PER_CPU (1 << 20)

// What Kernel_AllocatePerCpu granted.
typedef struct PerCpuGrant {
    // The size of the structure in bytes, set by the driver.
    uint32_t Size;
    // 0.
    uint32_t Reserved;
    // Where the part of CPU 0 begins. That of CPU n begins n * Stride bytes further.
    void *Memory;
    // The distance from one CPU's part to the next one's, in bytes.
    uint64_t Stride;
} PerCpuGrant;

// [thread] Allocates size bytes for each CPU that Kernel_GetCpuCount counts. Each part lies on its CPU's node, or on the
// nearest node that has memory, begins on a page, and is zeroed. No function frees the memory: the kernel takes it back if the
// driver refuses to start.
//
// Returns true. Returns false if size is 0 or above KERNEL_LARGEST_PER_CPU, if there is not enough memory, if grant is
// null, misaligned, read-only or not mapped, if its Size is too small or its tail is not zero, in a handler, and with
// interrupts off.
extern bool Kernel_AllocatePerCpu(size_t size, PerCpuGrant *grant);

/* ---- CPUs ---- */

// CpuInfo.AcpiProcessorId of a CPU whose ACPI processor UID does not fit in 8 bits.
#define CPU_ACPI_PROCESSOR_ID_NONE 255

// One CPU.
typedef struct CpuInfo {
    // The kernel's dense index.
    uint32_t CpuIndex;
    // The local APIC's id.
    uint32_t ApicId;
    // The ACPI processor UID; 255 if it does not fit in 8 bits.
    uint8_t AcpiProcessorId;
    // The CPU's node, as the kernel's dense index.
    uint32_t NumaNode;
    // True for the CPU that booted the machine.
    bool IsBsp;
    // True if the CPU runs.
    bool IsOnline;
    // True if firmware lists the CPU as enabled.
    bool IsEnabled;
} CpuInfo;

// Returns the number of CPUs that firmware lists as enabled, whether online or not: at least 1.
extern int Kernel_GetCpuCount(void);

// Returns the index of the CPU that runs the caller.
extern int Kernel_GetCurrentCpu(void);

// Describes the CPU with this index.
//
// Returns true, and fills info. Returns false, and writes nothing, if there is no such CPU, or if info is null,
// misaligned or not mapped.
extern bool Kernel_GetCpuInfo(int cpu, CpuInfo *info);

// Returns true if the CPU with this index runs; false if it does not, or if there is no such CPU.
extern bool Kernel_IsCpuOnline(int cpu);

// Returns the index of the CPU that booted the machine. It need not be 0.
extern int Kernel_GetBspIndex(void);

/* ---- Threads ---- */

// The longest name of a thread, in bytes. The rest of a longer name is cut off.
#define KERNEL_THREAD_NAME_SIZE 32

// A thread's entry function. Returning a value ends the thread as Kernel_ExitThread with that value does.
typedef int (*ThreadEntry)(void *argument);

// Creates a thread that calls entry with argument, and starts it.
//
// The thread prefers the memory of node and starts on the least busy CPU of that node. With -1 it inherits its
// creator's preference. Its stack and its control block lie on that node, or on the nearest node that has memory. It
// may run on every CPU. name ends with a zero byte; null means a thread without a name.
//
// Returns the thread's id, which is above 0 and stays in use until a thread joins it. Returns -1 if entry is null or
// not code, if name is not mapped, if there is no such node or not enough memory, or if there are too many threads.
extern int Kernel_CreateThread(const char *name, ThreadEntry entry, void *argument, int node);

// Returns the calling thread's id.
extern int Kernel_GetCurrentThread(void);

// Ends the calling thread, and never returns. In Driver_Init, the call is the same as returning code.
extern void Kernel_ExitThread(int code);

// Waits until the thread has ended, and releases its id. code receives the exit code, unless it is null.
//
// Returns 0. Returns -1 at once if no driver created such a thread, if another thread joins it or one has joined it
// already, if it is the calling thread or that of a Driver_Init, or if code is misaligned or not mapped.
extern int Kernel_JoinThread(int thread, int *code);

// Lets the other threads that wait for this CPU run.
extern void Kernel_YieldThread(void);

// Makes the calling thread sleep for at least this time.
extern void Kernel_SleepThread(uint64_t nanoseconds);

// Restricts a thread to these CPUs. The thread runs a driver's code. CPU n is bit n % 64
// of cpus[n / 64], and cpus has words elements. CPUs that are not online are ignored.
//
// Returns 0; on return the thread runs on none of the other CPUs. Returns -1, and changes nothing, if there is no such
// thread, if none of the CPUs is online, or if cpus is null, misaligned or not mapped.
extern int Kernel_SetThreadAffinity(int thread, const uint64_t *cpus, size_t words);

// Reads the online CPUs that a thread may run on. CPU n is bit n % 64 of cpus[n / 64], and cpus has words
// elements. The other bits become zero.
//
// Returns 0. Returns -1, and writes nothing, if there is no such thread, if words is too small for one of the CPUs
// or above 131,072, or if cpus is null, misaligned or not mapped.
extern int Kernel_GetThreadAffinity(int thread, uint64_t *cpus, size_t words);

/* ---- Devices ---- */

// Any vendor, device, subsystem vendor or subsystem device, in a DeviceMatch.
#define DEVICE_ANY 65535

// Kernel_EnableDevice: the device answers in its memory BARs.
#define DEVICE_MEMORY 1

// Kernel_EnableDevice: the device answers in its I/O BARs.
#define DEVICE_IO 2

// Kernel_EnableDevice: the device may access memory and send messages.
#define DEVICE_BUS_MASTER 4

// Kernel_MapDeviceMemory: the CPU caches nothing.
#define DEVICE_UNCACHED 0

// Kernel_MapDeviceMemory: the CPU may combine writes, and caches nothing.
#define DEVICE_WRITE_COMBINED 1

// DeviceInfo.NodeSource: the node is unknown.
#define DEVICE_NODE_NONE 0

// DeviceInfo.NodeSource: the _PXM object of the device itself.
#define DEVICE_NODE_PXM 1

// DeviceInfo.NodeSource: an SRAT structure of type 5.
#define DEVICE_NODE_SRAT 2

// DeviceInfo.NodeSource: a bridge above the device.
#define DEVICE_NODE_INHERITED 3

// DeviceBar.Flags: the BAR exists.
#define DEVICE_BAR_PRESENT 1

// DeviceBar.Flags: the BAR is in the space of I/O ports. Otherwise it is in memory.
#define DEVICE_BAR_IO 2

// DeviceBar.Flags: the memory is prefetchable.
#define DEVICE_BAR_PREFETCHABLE 4

// DeviceBar.Flags: the BAR has 64 bits. The next BAR is its upper half, and is not present.
#define DEVICE_BAR_64 8

// Kernel_FindDeviceCapability: added to the id of an extended capability.
#define DEVICE_CAPABILITY_EXTENDED 65536

// Which devices a driver wants. The driver sets Size.
typedef struct DeviceMatch {
    // The size of this structure in bytes.
    uint32_t Size;
    // Must be zero.
    uint32_t Flags;
    // The vendor's id, or DEVICE_ANY.
    uint16_t Vendor;
    // The device's id, or DEVICE_ANY.
    uint16_t Device;
    // The subsystem vendor's id, or DEVICE_ANY.
    uint16_t SubVendor;
    // The subsystem's id, or DEVICE_ANY.
    uint16_t SubDevice;
    // class << 16 | subclass << 8 | interface, in the bits that ClassMask has.
    uint32_t Class;
    // The bits of the class that must be those of Class; 0 means any class.
    uint32_t ClassMask;
} DeviceMatch;
// The end of a driver's table Driver_Devices.
#define DeviceMatch_END (DeviceMatch){ .Size = 0 }

// One base address register of a device.
typedef struct DeviceBar {
    // The first address, or the first port; 0 if the BAR has no address.
    uint64_t Address;
    // Bytes.
    uint64_t Size;
    // The DEVICE_BAR_ bits; 0 if there is no such BAR.
    uint32_t Flags;
    // Zero.
    uint32_t Reserved;
} DeviceBar;

// One device: a function of PCI. The driver sets Size, the kernel sets the rest.
typedef struct DeviceInfo {
    // The size of this structure in bytes.
    uint32_t Size;
    // The segment of PCI.
    uint32_t Segment;
    // The bus.
    uint8_t Bus;
    // The slot on the bus.
    uint8_t Slot;
    // The function in the slot.
    uint8_t Function;
    // The device's revision.
    uint8_t Revision;
    // The vendor's id.
    uint16_t VendorId;
    // The device's id.
    uint16_t DeviceId;
    // The subsystem vendor's id.
    uint16_t SubVendorId;
    // The subsystem's id.
    uint16_t SubDeviceId;
    // class << 16 | subclass << 8 | interface.
    uint32_t Class;
    // The device's node; -1 if it is unknown.
    int32_t Node;
    // Where the node comes from: one of the DEVICE_NODE_ numbers.
    uint32_t NodeSource;
    // The vectors of MSI-X; 0 if the device has no MSI-X.
    uint16_t MsixVectors;
    // The vectors of MSI; 0 if the device has no MSI.
    uint16_t MsiVectors;
    // The pin of INTx, 1 to 4; 0 if the device has none.
    uint32_t IntxPin;
    // The base address registers.
    DeviceBar Bars[6];
    // The name of the driver that owns the device, with a zero byte at its end; empty if none does.
    char Owner[32];
} DeviceInfo;

// Starts a device that matches the driver's Driver_Devices. A driver with that table defines this function. The kernel
// calls it after Driver_Init has returned 0, once for each match that no driver owns. The driver owns the device already. The
// function runs on a thread of its own, on the device's node if that is known. The thread ends when the function returns.
//
// Returns 0 or more if the driver handles the device. A negative number gives the device back, which the kernel resets if it has a
// function-level reset.
extern int Driver_AddDevice(int device);

// Ends the use of a device: nothing answers at its address any more, or the driver is unloaded. A driver may define this function.
// The kernel calls it on a thread of its own, on the device's node if that is known, when Driver_AddDevice has returned. By then the
// kernel has taken the device's interrupts back and unregistered the block devices that it serves. The driver still owns the device,
// its mappings and its DMA memory. When the function returns, the kernel takes these back: nothing of the driver uses them any more. A driver
// without this function keeps those of a device that is gone. The id of such a device then finds nothing.
extern void Driver_RemoveDevice(int device);

// Finds the next device that matches, in the order of addresses. after is the id of the device before; 0 means from
// the first.
//
// Returns the device's id, which is above 0. Returns -1 if no further device matches, if match is null, misaligned or
// not mapped, if its Size is too small or its tail not zero, if Flags is not zero, if after is no id of a device, or in a
// handler.
extern int Kernel_FindDevice(const DeviceMatch *match, int after);

// Describes a device, whoever owns it. Handlers may call this function.
//
// Returns true, and fills info. Returns false, and writes nothing, if there is no such device, if info is null,
// misaligned or not mapped, if its Size is too small, or if its tail is not zero.
extern bool Kernel_GetDeviceInfo(int device, DeviceInfo *info);

// Makes the calling driver the owner of a device.
//
// Returns true, also if the driver owns it already. Returns false if there is no such device; if another driver
// owns it, or the kernel, as it does bridges; or in a handler.
extern bool Kernel_ClaimDevice(int device);

// Gives a device back: turns its bus mastering off, and removes its interrupts, its mappings and its DMA memory. It does not
// reset the device. Nothing happens if the driver does not own the device, or in a handler.
extern void Kernel_ReleaseDevice(int device);

// Sets what a device may do: the sum of DEVICE_MEMORY, DEVICE_IO and DEVICE_BUS_MASTER. What is left out is
// turned off.
//
// Returns true. Returns false, and changes nothing, if the driver does not own the device, if a bit is unknown, if the
// device has a BAR of that kind without an address, if it is gone, or in a handler.
extern bool Kernel_EnableDevice(int device, uint32_t what);

// Resets a device (function-level reset). Afterwards it decodes nothing and masters no bus. Its BARs keep their
// addresses, and its interrupts their handlers, CPUs and masks. Waits until the device is ready again.
//
// Returns true. Returns false if the driver does not own the device, if the device has no such reset, if it is not ready
// in time, or in a handler.
extern bool Kernel_ResetDevice(int device);

// Reads a device's configuration space. width is 1, 2 or 4 bytes, and offset a multiple of it. Handlers may call this
// function.
//
// Returns the value. Returns all ones if the driver does not own the device, if the device is gone, if width is another number,
// or if offset is no multiple of it or above 4095.
extern uint32_t Kernel_ReadDeviceConfig(int device, uint32_t offset, uint32_t width);

// Writes a device's configuration space. width is 1, 2 or 4 bytes, and offset a multiple of it. Handlers may call this
// function.
//
// Returns true. Returns false, and writes nothing, if the driver does not own the device, if width is another number, if offset is
// no multiple of it or above 4095, or if the register is the kernel's: the header with BARs and command, except for the status,
// the size of cache lines and the latency timer; MSI and MSI-X; what resets the device, moves its BARs or takes its power.
extern bool Kernel_WriteDeviceConfig(int device, uint32_t offset, uint32_t width, uint32_t value);

// Finds the next capability with this id. after is the offset of the one before; 0 means from the first. The id of
// an extended capability has DEVICE_CAPABILITY_EXTENDED added. The driver need not own the device. Handlers may call
// this function.
//
// Returns the offset of the capability in configuration space; -1 if there is no other, no such device, or if after is no
// capability.
extern int Kernel_FindDeviceCapability(int device, uint32_t id, int after);

// Maps a part of a BAR that lies in memory. caching is DEVICE_UNCACHED or DEVICE_WRITE_COMBINED. Pages that
// hold the MSI-X table are mapped read-only.
//
// Returns the address of the byte at offset. Returns null if the driver does not own the device; if the BAR has no
// such part or no address, or lies over RAM or over registers of the kernel; if size is 0; if caching is another
// number, or if a page is mapped with the other caching; if there is no memory for the mapping; or in a handler.
extern void *Kernel_MapDeviceMemory(int device, int bar, uint64_t offset, uint64_t size, uint32_t caching);

// Unmaps what one call of Kernel_MapDeviceMemory mapped.
//
// Returns true. Returns false, and changes nothing, if the driver has no such mapping, or in a handler.
extern bool Kernel_UnmapDeviceMemory(void *memory);

// The devices that the driver wants. A driver may define this table. It ends with an element of Size 0. The kernel reads it
// before any code of the driver runs, and then calls Driver_AddDevice for the devices that match. Flags and the bytes
// behind the known part of an element are 0; all elements have the same Size.
extern const DeviceMatch Driver_Devices[];

/* ---- DMA ---- */

// DmaRequest.Flags: the content of the memory is undefined. Without this flag the kernel fills it with zeros.
#define DMA_NOT_ZEROED 1

// The most bytes that Kernel_MapDma takes in a handler, in a function of a block device and with interrupts off.
#define KERNEL_DMA_HANDLER_BYTES (256 << 10)

// Kernel_MapDma: the device reads the memory.
#define DMA_TO_DEVICE 1

// Kernel_MapDma: the device writes the memory.
#define DMA_FROM_DEVICE 2

// A request for Kernel_AllocateDma. The driver sets Size.
typedef struct DmaRequest {
    // The size of this structure in bytes.
    uint32_t Size;
    // DMA_NOT_ZEROED, or 0.
    uint32_t Flags;
    // The device that accesses the memory. The driver owns it.
    int32_t Device;
    // Must be zero.
    uint32_t Reserved;
    // Bytes, at least 1. The memory is contiguous for the device and for the driver.
    uint64_t Bytes;
    // The alignment of the device address: a power of two; 0 means one page.
    uint64_t Alignment;
    // A power of two that the memory does not cross a multiple of; 0 means none.
    uint64_t Boundary;
    // The highest device address of the last byte; 0 means the device's limit: none with PCI Express, else 4 GiB - 1.
    uint64_t HighestAddress;
    // Where the memory comes from; null means the device's node, or the nearest that has some.
    const NumaPolicy *Policy;
} DmaRequest;

// The result of Kernel_AllocateDma. The driver sets Size, the kernel sets the rest.
typedef struct DmaGrant {
    // The size of this structure in bytes.
    uint32_t Size;
    // The node of the memory.
    int32_t Node;
    // The address for the driver.
    void *Memory;
    // The address for the device.
    uint64_t DeviceAddress;
    // The bytes that were granted: at least those requested.
    uint64_t Bytes;
    // The distance from the device's node to Node, as Kernel_GetNumaDistance returns it; from the running CPU's node if
    // the device's is unknown.
    uint32_t Distance;
    // 1 if the memory is of another node than the policy's first choice, which had none; otherwise 0.
    uint32_t FellBack;
} DmaGrant;

// A contiguous part of memory, for a device.
typedef struct DmaSegment {
    // The device address of the first byte.
    uint64_t Address;
    // Bytes.
    uint64_t Bytes;
} DmaSegment;

// Allocates memory that a device accesses. It is contiguous, and freed when the driver gives the device back, if not
// before.
//
// Returns true, and fills grant. Returns false, and writes nothing, if there is no such memory; if the driver does
// not own the device; if a pointer is null, misaligned or not mapped; if a Size is too small, or a tail not zero; if
// Bytes is 0; if Alignment or Boundary is no power of two, or Bytes exceeds Boundary; if a flag is unknown; if
// the policy is one that Kernel_SetNumaPolicy refuses; or in a handler.
extern bool Kernel_AllocateDma(const DmaRequest *request, DmaGrant *grant);

// Frees memory from Kernel_AllocateDma, by the device address of its first byte. The device no longer accesses it.
//
// Returns true. Returns false, and changes nothing, if the driver has no such memory, or in a handler.
extern bool Kernel_FreeDma(uint64_t deviceAddress);

// Makes the driver's memory accessible to a device. direction is the sum of DMA_TO_DEVICE and
// DMA_FROM_DEVICE. segments has room for count elements; the kernel joins neighbouring
// parts. The memory stays the driver's, which does not free it before it ends the mapping. Handlers may call this function.
//
// Returns the number of segments used. Returns -1, and writes nothing, if the driver does not own the device, and the device
// serves no block device, to which any driver submits requests; if the memory is not mapped, or is not the driver's image, the
// heap, a stack, memory of Kernel_AllocatePerCpu, or pages through Kernel_PhysToVirt; if the device would write memory that
// is read-only; if size is 0 or above 1 GiB, or above KERNEL_DMA_HANDLER_BYTES in a handler, in a function of a block device
// or with interrupts off; if direction is 0 or has an unknown bit; if more than count
// segments are needed; or if segments is null, misaligned or not mapped.
extern int Kernel_MapDma(int device, void *memory, size_t size, uint32_t direction, DmaSegment *segments, int count);

// Ends what Kernel_MapDma began. The device no longer accesses the memory. Handlers may call this function.
//
// Returns true. Returns false, and changes nothing, if Kernel_MapDma refuses the device to the driver, if segments is null,
// misaligned or not mapped, or if count is negative.
extern bool Kernel_UnmapDma(int device, const DmaSegment *segments, int count);

/* ---- Interrupts of devices ---- */

// A handler returns this if its device did not raise the interrupt.
#define INTERRUPT_NOT_MINE 0

// A handler returns this if its device raised the interrupt.
#define INTERRUPT_HANDLED 1

// The kind MSI-X: a message for each vector, and each may go to another CPU.
#define INTERRUPT_MSIX 1

// The kind MSI: one message.
#define INTERRUPT_MSI 2

// The kind INTx: one line, which devices may share. It goes to one CPU, where the handlers of all of its devices run in turn.
#define INTERRUPT_INTX 4

// An interrupt handler. It runs with interrupts off, and calls only functions that are allowed in handlers.
typedef uint32_t (*InterruptHandler)(void *context);

// How an interrupt is handled. The driver sets Size.
typedef struct InterruptSetup {
    // The size of this structure in bytes.
    uint32_t Size;
    // Must be zero.
    uint32_t Flags;
    // The handler.
    InterruptHandler Handler;
    // The handler's argument.
    void *Context;
    // The CPU that handles the interrupt. With -1, interrupt i goes to the i-th CPU of the device's node, wrapping around; if
    // that node has no CPU, to those of the nearest node that has; if the node is unknown, to those of all nodes. A line that
    // has a handler already stays where it is.
    int32_t Cpu;
    // Must be zero.
    uint32_t Reserved;
} InterruptSetup;

// One interrupt of a device. The driver sets Size, the kernel sets the rest.
typedef struct InterruptInfo {
    // The size of this structure in bytes.
    uint32_t Size;
    // [INTERRUPT_MSIX], [INTERRUPT_MSI] or [INTERRUPT_INTX].
    uint32_t Kind;
    // The vector on the CPU; 0 if no handler is attached.
    uint32_t Vector;
    // The CPU; -1 if no handler is attached.
    int32_t Cpu;
    // The CPU's node; -1 if no handler is attached.
    int32_t Node;
    // Zero.
    uint32_t Reserved;
    // How many times the handler ran since it was attached.
    uint64_t Count;
    // How many times it returned [INTERRUPT_NOT_MINE].
    uint64_t Unclaimed;
    // The longest run of the handler, in nanoseconds.
    uint64_t LongestNanoseconds;
} InterruptInfo;

// Gives a device interrupts: at least least, and at most most. kinds is the sum of the kinds that the driver
// accepts. The kernel takes the best of them that gives least: MSI-X, then MSI, then INTx. The log says why a kind is
// not taken. MSI-X needs DEVICE_MEMORY to be enabled before, and messages of both kinds reach a CPU only while
// DEVICE_BUS_MASTER is enabled: Kernel_EnableDevice.
//
// Returns the number of interrupts, which then have the indices from 0. They have no handlers, and are masked. Returns -1,
// and changes nothing, if the driver does not own the device; if the device has interrupts already; if least is not at
// least 1, or above most; if kinds is 0, or a kind is unknown, or none gives least; if there is no memory; or in a
// handler. Kernel_ReleaseDevice takes the interrupts back.
extern int Kernel_AllocateInterrupts(int device, int least, int most, uint32_t kinds);

// Attaches a handler to an interrupt, and unmasks it.
//
// Returns true. Returns false, and changes nothing, if the driver does not own the device, or the device has no such
// interrupt; if it has a handler; if setup is null, misaligned or not mapped; if Size is too small, or the tail
// not zero; if Flags or Reserved is not zero; if the handler is null or not code; if the CPU is not online, has no free
// vector, or cannot be named by a device (its APIC's id is above 254); if the device does not keep what is written; or in a
// handler.
extern bool Kernel_AttachInterrupt(int device, int index, const InterruptSetup *setup);

// Describes an interrupt. Handlers may call it.
//
// Returns true, and fills info. Returns false, and writes nothing, if there is no such device or interrupt, if
// info is null, misaligned or not mapped, if Size is too small, or if the tail is not zero.
extern bool Kernel_GetInterruptInfo(int device, int index, InterruptInfo *info);

// Moves an interrupt to another CPU. None is lost meanwhile, and the handler never runs on both CPUs at once. The handlers
// of all devices at a line move together.
//
// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
// handler, if the CPU is not online, has no free vector or cannot be named by a device, or in a handler.
extern bool Kernel_SetInterruptCpu(int device, int index, int cpu);

// Masks or unmasks an interrupt. One that arrives while it is masked is delivered when it is unmasked. One that the device has
// sent before may still arrive after the call. At a shared line, the kernel still calls the handler for the interrupts of other
// devices. Handlers may call this function.
//
// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
// handler, if the device has no mask for it (some devices with MSI, and with INTx those older than PCI 2.3), or with MSI-X
// while the device's memory is not enabled.
extern bool Kernel_MaskInterrupt(int device, int index, bool masked);

// Masks an interrupt and takes its handler away. On return no CPU runs the handler.
//
// Returns true. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
// handler, or in a handler.
extern bool Kernel_DetachInterrupt(int device, int index);

/* ---- Waiting at an address ---- */

// The time of a wait that has no limit.
#define KERNEL_WAIT_FOREVER UINT64_MAX

// Kernel_WaitAddress: the thread was woken, or the word has another value than expected.
#define KERNEL_WAIT_WOKEN 0

// Kernel_WaitAddress: the time has passed.
#define KERNEL_WAIT_TIMED_OUT 1

// Kernel_WaitAddress: the driver is being stopped, and its threads should end.
#define KERNEL_WAIT_STOPPING 2

// [thread] Waits until another thread or a handler wakes this address, if *word has the value expected. No wake-up is
// lost whose caller has changed the word before. The kernel reads the word once, atomically, before the thread waits.
//
// Returns KERNEL_WAIT_WOKEN if the thread was woken, or at once if the word has another value. Returns
// KERNEL_WAIT_TIMED_OUT if it was not woken within so many nanoseconds, which the tick may make a millisecond longer;
// with 0 it does not wait. KERNEL_WAIT_FOREVER is no limit. Returns -1 if word is null, misaligned or not mapped, in a
// handler, and with interrupts off.
extern int Kernel_WaitAddress(const uint32_t *word, uint32_t expected, uint64_t nanoseconds);

// [any] Wakes threads that wait at this address, those that have waited longest first, count of them at most. The
// kernel does not read the word, so the memory may be gone.
//
// In a handler, in a function of a block device and with interrupts off, it wakes 8 threads, and the last of them wakes the others
// before Kernel_WaitAddress returns there.
//
// Returns how many it has woken, without those that another thread wakes.
extern int Kernel_WakeAddress(const uint32_t *word, int count);

/* ---- Time and timers ---- */

// The longest delay in a handler or with interrupts off, in nanoseconds.
#define KERNEL_LONGEST_DELAY 100000

// A timer's callback. It runs like an interrupt handler, with interrupts off: it may call the functions marked [any] alone.
typedef void (*TimerCallback)(void *context);

// [any] Returns the nanoseconds since the kernel has started its clock. No CPU reads an earlier time than another CPU has
// read before, if their counters are equal, as they are on most machines; otherwise they differ by less than 1 us.
extern uint64_t Kernel_GetTime(void);

// [any] Spins for at least this time. In a handler and with interrupts off, the kernel refuses more than
// KERNEL_LONGEST_DELAY, returns at once, and logs the driver's first such call.
extern void Kernel_Delay(uint64_t nanoseconds);

// [thread] Creates a timer on a CPU, or with -1 on the calling one. The timer is not set. When it is due, that CPU calls
// callback with context. The kernel destroys the timer when the driver does not start, or goes.
//
// Returns the timer's id, which is above 0. Returns -1 if callback is null or not code, if the CPU is not online, if it has
// 511 timers already, if there is no memory, in a handler, and with interrupts off.
extern int Kernel_CreateTimer(TimerCallback callback, void *context, int cpu);

// [any] Sets a timer: it is due when Kernel_GetTime returns when, and then each period nanoseconds, unless that is 0. A
// timer that was set before is due at the new time only; its callback may be running meanwhile. With when 0, the timer
// stops. A time that has passed is due at once. Times of a period that pass unnoticed are left out.
//
// Returns true. Returns false if the driver has no such timer; the first such call of a driver is logged.
extern bool Kernel_SetTimer(int timer, uint64_t when, uint64_t period);

// [thread] Destroys a timer. On return its callback does not run, and will not run again.
//
// Returns true. Returns false if the driver has no such timer, in a handler, and with interrupts off; the first such call
// of a driver is logged.
extern bool Kernel_DestroyTimer(int timer);

/* ---- Log ---- */

// Log level: something failed.
#define KERNEL_LOG_ERROR 1

// Log level: something is wrong, and the driver continues.
#define KERNEL_LOG_WARN 2

// Log level: information for the operator of the machine.
#define KERNEL_LOG_INFO 3

// Log level: information for the driver's developer.
#define KERNEL_LOG_DEBUG 4

// Log level: each step of the driver's work.
#define KERNEL_LOG_TRACE 5

// Writes one line to the kernel's log, with the driver's name in front.
//
// level is one of the KERNEL_LOG_ numbers; any other number counts as KERNEL_LOG_INFO. text is length bytes
// of UTF-8 without an end mark. Control characters, line ends among them, and bytes that are not UTF-8 are escaped.
// Text after the first 4096 bytes is cut off, at the end of a character. Nothing is written if text is null or not mapped, or if the level is
// not logged.
extern void Kernel_Log(int level, const char *text, size_t length);

/* ---- Block devices ---- */

// The longest name of a block device, in bytes, with its zero byte.
#define KERNEL_BLOCK_NAME_SIZE 32

// The most queues of a block device.
#define KERNEL_BLOCK_MAX_QUEUES 1024

// The most requests that a queue holds.
#define KERNEL_BLOCK_MAX_DEPTH 65536

// The most segments of a request.
#define KERNEL_BLOCK_MAX_SEGMENTS 1024

// BlockRequest.Operation: reads blocks.
#define BLOCK_READ 0

// BlockRequest.Operation: writes blocks.
#define BLOCK_WRITE 1

// BlockRequest.Operation: when it completes, the medium keeps all blocks whose writes completed before it was submitted.
// It has no blocks and no segments.
#define BLOCK_FLUSH 2

// BlockRequest.Flags: the submitter polls, so the device raises no interrupt for this request.
#define BLOCK_POLLED 1

// BlockRequest.Status: the request has succeeded.
#define BLOCK_OK 0

// BlockRequest.Status: the device reported an error.
#define BLOCK_ERROR -1

// BlockRequest.Status: the device or its driver is gone.
#define BLOCK_GONE -2

// BlockRequest.State: these bits are the request's tag while it is outstanding. The tag is below BlockDriver.Depth,
// and no two outstanding requests of a queue have the same tag. A driver may use it as the number of its command.
#define BLOCK_STATE_TAG 1048575

// A request to a block device. It stays its submitter's, and unchanged, until Done is called; so do its segments. The
// submitter sets Size. A request that is aligned to 64 bytes costs the kernel one cache line.
typedef struct BlockRequest {
    // The size of this structure in bytes.
    uint32_t Size;
    // BLOCK_READ, BLOCK_WRITE or BLOCK_FLUSH.
    uint16_t Operation;
    // BLOCK_POLLED, or 0.
    uint16_t Flags;
    // The number of blocks: at least 1, and 0 for a flush.
    uint32_t Count;
    // The number of segments: at least 1, and 0 for a flush.
    uint32_t SegmentCount;
    // The first block; 0 for a flush.
    uint64_t Block;
    // The memory, as addresses of the device. Its bytes are those of the blocks.
    const DmaSegment *Segments;
    // Called when the request has completed, possibly in an interrupt handler. From then on the request is the submitter's again,
    // who may submit it from here. It does not block. A submitter that only counts its requests names Kernel_CountDown, which
    // the kernel does itself.
    void (*Done)(struct BlockRequest *request);
    // For the submitter; the address of the word that Kernel_CountDown counts down.
    void *Context;
    // The queue; -1 means that of the calling CPU.
    int32_t Queue;
    // The result: BLOCK_OK, BLOCK_ERROR or BLOCK_GONE. The kernel sets it.
    int32_t Status;
    // For the kernel. Zero before the request is submitted for the first time; the submitter leaves it alone afterwards. The bits
    // of BLOCK_STATE_TAG are for the driver of the block device to read.
    uint32_t State;
    // Zero.
    uint32_t Reserved;
    // For the driver of the block device.
    uint64_t ForDriver[4];
} BlockRequest;

// A driver's function that accepts requests for one queue. Returns how many of them it accepted, in their order; fewer
// than count means that the queue is full. One doorbell is for all. The kernel has checked the requests. The function does not
// block. Whoever submits, the caller of an export in it is the driver of the block device.
typedef int (*BlockSubmit)(void *context, int queue, BlockRequest *const *requests, int count);

// A driver's function that completes what the device has done on one queue. Returns the number of completions. It does not block.
// The caller in it is the same as in BlockSubmit.
typedef int (*BlockPoll)(void *context, int queue);

// A block device that a driver registers. The driver sets Size.
typedef struct BlockDriver {
    // The size of this structure in bytes.
    uint32_t Size;
    // Must be zero.
    uint32_t Flags;
    // The device that serves the requests, which the driver owns; 0 if there is none, as for a disk in memory.
    int32_t Device;
    // Bytes of a block: a power of two, from 512 to 2^30.
    uint32_t BlockSize;
    // The number of blocks: at least 1. All together have less than 2^63 bytes.
    uint64_t Blocks;
    // The most bytes of a request: at least one block.
    uint64_t MaxBytes;
    // The most segments of a request: from 1 to KERNEL_BLOCK_MAX_SEGMENTS.
    uint32_t MaxSegments;
    // The number of queues: from 1 to KERNEL_BLOCK_MAX_QUEUES. Queue i is for the CPUs whose index modulo Queues is i.
    uint32_t Queues;
    // The most requests that a queue holds: from 1 to KERNEL_BLOCK_MAX_DEPTH.
    uint32_t Depth;
    // Must be zero.
    uint32_t Reserved;
    // The name, with a zero byte at its end.
    char Name[KERNEL_BLOCK_NAME_SIZE];
    // The argument of the driver's functions.
    void *Context;
    // Accepts requests. May run on several CPUs at once, also for one queue, and in handlers.
    BlockSubmit Submit;
    // Completes what the device has done. May run on several CPUs at once, also for one queue, and in handlers.
    BlockPoll Poll;
} BlockDriver;

// What is known of a block device. The driver sets Size, the kernel sets the rest.
typedef struct BlockInfo {
    // The size of this structure in bytes.
    uint32_t Size;
    // Bytes of a block.
    uint32_t BlockSize;
    // The number of blocks.
    uint64_t Blocks;
    // The node of its device; -1 if it is unknown.
    int32_t Node;
    // The number of queues.
    uint32_t Queues;
    // The most bytes of a request.
    uint64_t MaxBytes;
    // The most segments of a request.
    uint32_t MaxSegments;
    // The most requests that a queue holds.
    uint32_t Depth;
    // Its device, for Kernel_MapDma; 0 if there is none.
    int32_t Device;
    // Zero.
    uint32_t Reserved;
    // The name, with a zero byte at its end.
    char Name[KERNEL_BLOCK_NAME_SIZE];
    // The name of its driver, with a zero byte at its end; a longer name is cut.
    char Driver[32];
} BlockInfo;

// Registers a block device.
//
// Returns its id, which is above 0. Returns -1, and changes nothing, if driver is null, misaligned or not mapped; if
// its Size is too small, or its tail not zero; if one of its fields is not as it says; if the name is empty or taken; if
// there are too many block devices or not enough memory; or in a handler.
extern int Kernel_RegisterBlock(const BlockDriver *driver);

// Takes a block device back. Outstanding requests end with BLOCK_GONE. On return no CPU runs one of its functions.
//
// Returns true. Returns false, and changes nothing, if the driver has no such block device, or in a handler.
extern bool Kernel_UnregisterBlock(int block);

// Ends a request with BLOCK_OK, BLOCK_ERROR or BLOCK_GONE, and calls its Done. Only the driver that accepted the
// request does so. Another status counts as BLOCK_ERROR.
//
// The kernel refuses a request that is not outstanding, and another driver's. It logs a driver's first such mistake.
extern void Kernel_CompleteBlock(BlockRequest *request, int status);

// Finds a block device by its name; or, if name is null, the next one after the id after, where 0 means from the
// first.
//
// Returns its id, which is above 0; -1 if there is none, if name is not mapped, or in a handler.
extern int Kernel_OpenBlock(const char *name, int after);

// Describes a block device.
//
// Returns true, and fills info. Returns false, and writes nothing, if there is no such block device, if info is
// null, misaligned or not mapped, if Size is too small, or if the tail is not zero.
extern bool Kernel_GetBlockInfo(int block, BlockInfo *info);

// Submits requests in their order, all to the queue that the first one names.
//
// Returns how many were accepted. Fewer than count means that the queue is full, or that the next request is not
// valid: it is null, misaligned or not mapped; it is outstanding; its operation or a flag is unknown; its blocks do not exist
// or are too many; its segments are too many, or not as long as its blocks; or Done is not code. Returns -1 if there is no
// such block device or queue, if requests is null or not mapped, or if count is negative.
extern int Kernel_SubmitBlock(int block, BlockRequest *const *requests, int count);

// A Done for submitters that count their requests: subtracts 1 from the uint32_t to which the request's Context leads, and
// wakes all threads that wait at it if it is 0 then. This is the last access to the request and to the word, so the word's memory may
// go when it is 0. As a Done, it is not called: the kernel does the same itself, in fewer instructions.
//
// Does nothing if the request or its Context is misaligned, or not mapped and writable. Kernel_SubmitBlock refuses a
// request with such a Context when it is submitted to a queue for the first time.
extern void Kernel_CountDown(BlockRequest *request);

// Completes what a queue's device has done; -1 means the queue of the calling CPU.
//
// Returns the number of requests that completed, as the driver says; 0 also if there is no such block device or queue.
extern int Kernel_PollBlock(int block, int queue);

/* ---- Drivers and each other ---- */

// The most bytes of an interface's name, with the zero that ends it.
#define KERNEL_INTERFACE_NAME_SIZE 64

// The most bytes of a counter's name, with the zero that ends it.
#define KERNEL_COUNTER_NAME_SIZE 48

// The most bytes of the key of a parameter, with the zero that ends it.
#define KERNEL_PARAMETER_NAME_SIZE 64

// The most counters that a driver can publish.
#define KERNEL_MOST_COUNTERS 256

// What a driver has, and its counts. The driver that asks sets Size, the kernel sets the rest.
typedef struct DriverStatistics {
    // The size of this structure in bytes.
    uint32_t Size;
    // 0.
    uint32_t Reserved;
    // Pages that were granted to it, and those of its memory for each CPU.
    uint64_t Pages;
    // Bytes of its heap blocks, as the kernel rounds them up.
    uint64_t HeapBytes;
    // Bytes of its memory for DMA, in whole pages.
    uint64_t DmaBytes;
    // Threads that have not exited.
    uint64_t Threads;
    // Interrupts of its devices that it has allocated.
    uint64_t Interrupts;
    // Timers.
    uint64_t Timers;
    // Mappings of device memory.
    uint64_t Mappings;
    // How often its code has failed since boot, also before it was loaded again.
    uint64_t Faults;
} DriverStatistics;

// [thread] Loads the driver of this name from the ramdisk, starts it, and gives it its devices. The name is that of its file, without
// .so.
//
// Returns 0. Returns -1 if there is no such driver, if it is loaded already, if it cannot be loaded or refuses to start, or if
// Driver_Init does not return within 10 s: then it goes on starting. The log has the reason. Returns -1 if name is
// null or not mapped, in a handler, with interrupts off, and in the functions of a block device.
extern int Kernel_LoadDriver(const char *name);

// [thread] Unloads a driver: ends it in the order that docs/driver-abi.md has, takes back all that it has, and unmaps it. The log and
// the event driver have what was left.
//
// Returns 0. Returns -1, and changes nothing, if no driver of this name has started, if it is the caller, if another thread stops it
// already, or if another driver uses an interface of it. Returns -1 if threads of it do not end: then its memory stays, and
// another call tries again. The log has the reason. Returns -1 if name is null or not mapped, in a handler, with interrupts off, and in the functions
// of a block device.
extern int Kernel_UnloadDriver(const char *name);

// [any] Returns true if the calling driver is being stopped: its threads should end.
extern bool Kernel_IsStopping(void);

// [thread] Publishes a table of size bytes under a name and a version, for other drivers. The kernel keeps the address and does not
// read the table, which stays until the driver has ended.
//
// Returns true. Returns false, and changes nothing, if the name is empty or has KERNEL_INTERFACE_NAME_SIZE bytes or more, if it
// is null or not mapped, if table is null or not mapped, if size is 0, if there is an interface of this name and
// version, if there is no memory, if the driver is being stopped, in a handler, with interrupts off, and in the functions of a
// block device.
extern bool Kernel_PublishInterface(const char *name, uint32_t version, const void *table, size_t size);

// [thread] Returns the table that another driver has published under this name and version, if it has size bytes or more. Until
// Kernel_ReleaseInterface, called as often as this, its publisher cannot be unloaded. The kernel ends the uses of a driver that has
// ended.
//
// Returns null if there is no such interface, if there is no memory, if the driver is being stopped, if name is
// null or not mapped, in a handler, with interrupts off, and in the functions of a block device.
extern const void *Kernel_UseInterface(const char *name, uint32_t version, size_t size);

// [thread] Ends one use of an interface. A table that the driver does not use is ignored, and so is a call in a handler, with
// interrupts off, or in the functions of a block device.
extern void Kernel_ReleaseInterface(const void *table);

// [thread] Copies the value of a parameter of the calling driver: the word driver.NAME.key=value of the kernel's parameters, where
// NAME is the driver's name and name is the key. Of two such words, the later one applies. A word without = has the empty value.
//
// Returns the value's length in bytes. value gets at most size bytes: the value, cut if it is longer than size - 1, and a zero. If
// size is 0, value is not used. Returns -1, and writes nothing, if the parameter is not given, if name is null, not
// mapped, not UTF-8, or has KERNEL_PARAMETER_NAME_SIZE bytes or more, if value cannot be written, in a handler, with interrupts off, and in the functions of a block device.
extern int Kernel_GetParameter(const char *name, char *value, size_t size);

// [thread] Publishes a counter: a number that the driver changes, and that the kernel shows with the driver's statistics. The kernel
// reads it at any time until the driver has ended. If the memory is unmapped meanwhile, the counter has no value. If counter is null,
// the driver's counter of this name is withdrawn: the kernel does not read its memory any more.
//
// Returns true. Returns false, and changes nothing, if the name is empty, has KERNEL_COUNTER_NAME_SIZE bytes or more, or bytes other than
// ASCII letters, digits, ., - and _, if it is null or not mapped, if counter is misaligned or not mapped, if the driver has a counter of this name or
// KERNEL_MOST_COUNTERS, if it has none of this name to withdraw, if there is no memory, if the driver is being stopped and counter is not
// null, in a handler, with interrupts off, and in the functions of a block device.
extern bool Kernel_PublishCounter(const char *name, const uint64_t *counter);

// [thread] Tells what the driver of this name has, or the calling driver if name is null. While the driver works, each number is
// that of another moment.
//
// Returns true, and fills statistics. Returns false, and writes nothing, if no driver of this name is loaded, if it is about to be
// unloaded, if name is not mapped, if statistics cannot be written or its Size is wrong, in a handler, with interrupts off, and
// in the functions of a block device.
extern bool Kernel_GetDriverStatistics(const char *name, DriverStatistics *statistics);

// [any] Returns the kernel's version: the major number in the upper 16 bits, the minor one in the lower.
extern uint32_t Kernel_GetVersion(void);

/* ---- The layout of the structures in the kernel ---- */

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

PROXIMA_ASSERT(sizeof(PerCpuGrant) == 24);
PROXIMA_ASSERT(offsetof(PerCpuGrant, Size) == 0);
PROXIMA_ASSERT(offsetof(PerCpuGrant, Reserved) == 4);
PROXIMA_ASSERT(offsetof(PerCpuGrant, Memory) == 8);
PROXIMA_ASSERT(offsetof(PerCpuGrant, Stride) == 16);

PROXIMA_ASSERT(sizeof(CpuInfo) == 20);
PROXIMA_ASSERT(offsetof(CpuInfo, CpuIndex) == 0);
PROXIMA_ASSERT(offsetof(CpuInfo, ApicId) == 4);
PROXIMA_ASSERT(offsetof(CpuInfo, AcpiProcessorId) == 8);
PROXIMA_ASSERT(offsetof(CpuInfo, NumaNode) == 12);
PROXIMA_ASSERT(offsetof(CpuInfo, IsBsp) == 16);
PROXIMA_ASSERT(offsetof(CpuInfo, IsOnline) == 17);
PROXIMA_ASSERT(offsetof(CpuInfo, IsEnabled) == 18);

PROXIMA_ASSERT(sizeof(DeviceMatch) == 24);
PROXIMA_ASSERT(offsetof(DeviceMatch, Size) == 0);
PROXIMA_ASSERT(offsetof(DeviceMatch, Flags) == 4);
PROXIMA_ASSERT(offsetof(DeviceMatch, Vendor) == 8);
PROXIMA_ASSERT(offsetof(DeviceMatch, Device) == 10);
PROXIMA_ASSERT(offsetof(DeviceMatch, SubVendor) == 12);
PROXIMA_ASSERT(offsetof(DeviceMatch, SubDevice) == 14);
PROXIMA_ASSERT(offsetof(DeviceMatch, Class) == 16);
PROXIMA_ASSERT(offsetof(DeviceMatch, ClassMask) == 20);

PROXIMA_ASSERT(sizeof(DeviceBar) == 24);
PROXIMA_ASSERT(offsetof(DeviceBar, Address) == 0);
PROXIMA_ASSERT(offsetof(DeviceBar, Size) == 8);
PROXIMA_ASSERT(offsetof(DeviceBar, Flags) == 16);
PROXIMA_ASSERT(offsetof(DeviceBar, Reserved) == 20);

PROXIMA_ASSERT(sizeof(DeviceInfo) == 216);
PROXIMA_ASSERT(offsetof(DeviceInfo, Size) == 0);
PROXIMA_ASSERT(offsetof(DeviceInfo, Segment) == 4);
PROXIMA_ASSERT(offsetof(DeviceInfo, Bus) == 8);
PROXIMA_ASSERT(offsetof(DeviceInfo, Slot) == 9);
PROXIMA_ASSERT(offsetof(DeviceInfo, Function) == 10);
PROXIMA_ASSERT(offsetof(DeviceInfo, Revision) == 11);
PROXIMA_ASSERT(offsetof(DeviceInfo, VendorId) == 12);
PROXIMA_ASSERT(offsetof(DeviceInfo, DeviceId) == 14);
PROXIMA_ASSERT(offsetof(DeviceInfo, SubVendorId) == 16);
PROXIMA_ASSERT(offsetof(DeviceInfo, SubDeviceId) == 18);
PROXIMA_ASSERT(offsetof(DeviceInfo, Class) == 20);
PROXIMA_ASSERT(offsetof(DeviceInfo, Node) == 24);
PROXIMA_ASSERT(offsetof(DeviceInfo, NodeSource) == 28);
PROXIMA_ASSERT(offsetof(DeviceInfo, MsixVectors) == 32);
PROXIMA_ASSERT(offsetof(DeviceInfo, MsiVectors) == 34);
PROXIMA_ASSERT(offsetof(DeviceInfo, IntxPin) == 36);
PROXIMA_ASSERT(offsetof(DeviceInfo, Bars) == 40);
PROXIMA_ASSERT(offsetof(DeviceInfo, Owner) == 184);

PROXIMA_ASSERT(sizeof(DmaRequest) == 56);
PROXIMA_ASSERT(offsetof(DmaRequest, Size) == 0);
PROXIMA_ASSERT(offsetof(DmaRequest, Flags) == 4);
PROXIMA_ASSERT(offsetof(DmaRequest, Device) == 8);
PROXIMA_ASSERT(offsetof(DmaRequest, Reserved) == 12);
PROXIMA_ASSERT(offsetof(DmaRequest, Bytes) == 16);
PROXIMA_ASSERT(offsetof(DmaRequest, Alignment) == 24);
PROXIMA_ASSERT(offsetof(DmaRequest, Boundary) == 32);
PROXIMA_ASSERT(offsetof(DmaRequest, HighestAddress) == 40);
PROXIMA_ASSERT(offsetof(DmaRequest, Policy) == 48);

PROXIMA_ASSERT(sizeof(DmaGrant) == 40);
PROXIMA_ASSERT(offsetof(DmaGrant, Size) == 0);
PROXIMA_ASSERT(offsetof(DmaGrant, Node) == 4);
PROXIMA_ASSERT(offsetof(DmaGrant, Memory) == 8);
PROXIMA_ASSERT(offsetof(DmaGrant, DeviceAddress) == 16);
PROXIMA_ASSERT(offsetof(DmaGrant, Bytes) == 24);
PROXIMA_ASSERT(offsetof(DmaGrant, Distance) == 32);
PROXIMA_ASSERT(offsetof(DmaGrant, FellBack) == 36);

PROXIMA_ASSERT(sizeof(DmaSegment) == 16);
PROXIMA_ASSERT(offsetof(DmaSegment, Address) == 0);
PROXIMA_ASSERT(offsetof(DmaSegment, Bytes) == 8);

PROXIMA_ASSERT(sizeof(InterruptSetup) == 32);
PROXIMA_ASSERT(offsetof(InterruptSetup, Size) == 0);
PROXIMA_ASSERT(offsetof(InterruptSetup, Flags) == 4);
PROXIMA_ASSERT(offsetof(InterruptSetup, Handler) == 8);
PROXIMA_ASSERT(offsetof(InterruptSetup, Context) == 16);
PROXIMA_ASSERT(offsetof(InterruptSetup, Cpu) == 24);
PROXIMA_ASSERT(offsetof(InterruptSetup, Reserved) == 28);

PROXIMA_ASSERT(sizeof(InterruptInfo) == 48);
PROXIMA_ASSERT(offsetof(InterruptInfo, Size) == 0);
PROXIMA_ASSERT(offsetof(InterruptInfo, Kind) == 4);
PROXIMA_ASSERT(offsetof(InterruptInfo, Vector) == 8);
PROXIMA_ASSERT(offsetof(InterruptInfo, Cpu) == 12);
PROXIMA_ASSERT(offsetof(InterruptInfo, Node) == 16);
PROXIMA_ASSERT(offsetof(InterruptInfo, Reserved) == 20);
PROXIMA_ASSERT(offsetof(InterruptInfo, Count) == 24);
PROXIMA_ASSERT(offsetof(InterruptInfo, Unclaimed) == 32);
PROXIMA_ASSERT(offsetof(InterruptInfo, LongestNanoseconds) == 40);

PROXIMA_ASSERT(sizeof(BlockRequest) == 96);
PROXIMA_ASSERT(offsetof(BlockRequest, Size) == 0);
PROXIMA_ASSERT(offsetof(BlockRequest, Operation) == 4);
PROXIMA_ASSERT(offsetof(BlockRequest, Flags) == 6);
PROXIMA_ASSERT(offsetof(BlockRequest, Count) == 8);
PROXIMA_ASSERT(offsetof(BlockRequest, SegmentCount) == 12);
PROXIMA_ASSERT(offsetof(BlockRequest, Block) == 16);
PROXIMA_ASSERT(offsetof(BlockRequest, Segments) == 24);
PROXIMA_ASSERT(offsetof(BlockRequest, Done) == 32);
PROXIMA_ASSERT(offsetof(BlockRequest, Context) == 40);
PROXIMA_ASSERT(offsetof(BlockRequest, Queue) == 48);
PROXIMA_ASSERT(offsetof(BlockRequest, Status) == 52);
PROXIMA_ASSERT(offsetof(BlockRequest, State) == 56);
PROXIMA_ASSERT(offsetof(BlockRequest, Reserved) == 60);
PROXIMA_ASSERT(offsetof(BlockRequest, ForDriver) == 64);

PROXIMA_ASSERT(sizeof(BlockDriver) == 104);
PROXIMA_ASSERT(offsetof(BlockDriver, Size) == 0);
PROXIMA_ASSERT(offsetof(BlockDriver, Flags) == 4);
PROXIMA_ASSERT(offsetof(BlockDriver, Device) == 8);
PROXIMA_ASSERT(offsetof(BlockDriver, BlockSize) == 12);
PROXIMA_ASSERT(offsetof(BlockDriver, Blocks) == 16);
PROXIMA_ASSERT(offsetof(BlockDriver, MaxBytes) == 24);
PROXIMA_ASSERT(offsetof(BlockDriver, MaxSegments) == 32);
PROXIMA_ASSERT(offsetof(BlockDriver, Queues) == 36);
PROXIMA_ASSERT(offsetof(BlockDriver, Depth) == 40);
PROXIMA_ASSERT(offsetof(BlockDriver, Reserved) == 44);
PROXIMA_ASSERT(offsetof(BlockDriver, Name) == 48);
PROXIMA_ASSERT(offsetof(BlockDriver, Context) == 80);
PROXIMA_ASSERT(offsetof(BlockDriver, Submit) == 88);
PROXIMA_ASSERT(offsetof(BlockDriver, Poll) == 96);

PROXIMA_ASSERT(sizeof(BlockInfo) == 112);
PROXIMA_ASSERT(offsetof(BlockInfo, Size) == 0);
PROXIMA_ASSERT(offsetof(BlockInfo, BlockSize) == 4);
PROXIMA_ASSERT(offsetof(BlockInfo, Blocks) == 8);
PROXIMA_ASSERT(offsetof(BlockInfo, Node) == 16);
PROXIMA_ASSERT(offsetof(BlockInfo, Queues) == 20);
PROXIMA_ASSERT(offsetof(BlockInfo, MaxBytes) == 24);
PROXIMA_ASSERT(offsetof(BlockInfo, MaxSegments) == 32);
PROXIMA_ASSERT(offsetof(BlockInfo, Depth) == 36);
PROXIMA_ASSERT(offsetof(BlockInfo, Device) == 40);
PROXIMA_ASSERT(offsetof(BlockInfo, Reserved) == 44);
PROXIMA_ASSERT(offsetof(BlockInfo, Name) == 48);
PROXIMA_ASSERT(offsetof(BlockInfo, Driver) == 80);

#undef PROXIMA_ASSERT

#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_H */
