/*
 * Tests of drivers in C on a host: the kernel that a test talks to, and the devices that it plays.
 *
 * Compile the driver and its tests with -DPROXIMA_HOST, and link them with the library that `cargo rustc -p driver_mock --lib
 * --crate-type staticlib` builds. The library has all functions of proxima.h. docs/driver-guide.md has an example.
 *
 * Each run is a process of its own, which begins with the driver's variables as they are in its file. All functions but Mock_Run and
 * Mock_RunWithEachAllocationFailing are called in a run: in the test, and where the text says so in the functions of a device.
 */
#ifndef PROXIMA_MOCK_H
#define PROXIMA_MOCK_H

#include <proxima.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Runs ---- */

/* Any number, in MockLeft. */
#define MOCK_ANY UINT32_MAX

/* What a driver may leave at its end. What it leaves beyond that is a leak, and fails the run. */
typedef struct MockLeft {
    uint32_t Pages;      /* grants of pages */
    uint32_t Heap;       /* blocks of the heap */
    uint32_t Dma;        /* DMA memory, and memory that is mapped for devices */
    uint32_t Threads;
    uint32_t Timers;
    uint32_t Mappings;   /* of device memory */
    uint32_t Interfaces; /* uses of interfaces */
} MockLeft;

/* A machine. Zeros stand for one node with two CPUs, where interrupts come at once and threads run until they wait. */
typedef struct MockMachine {
    uint32_t Nodes;       /* 0: 1 */
    uint32_t CpusPerNode; /* 0: 2; at most 64 CPUs in all */
    bool HasSeed;         /* the order of handlers, threads and devices depends on the seed */
    bool IsScattered;     /* Kernel_MapDma returns a segment for each page */
    uint64_t Seed;
    MockLeft Allowed;
} MockMachine;

/* The functions of a driver; those that it does not have are null. */
typedef struct MockDriver {
    const char *Name;
    int (*Init)(void);
    void (*Exit)(void);
    const DeviceMatch *Devices;
    int (*AddDevice)(int device);
    void (*RemoveDevice)(int device);
} MockDriver;

#pragma weak Driver_Exit
#pragma weak Driver_Devices
#pragma weak Driver_AddDevice
#pragma weak Driver_RemoveDevice

/* The driver that is linked to the test. */
#define MOCK_DRIVER(name) \
    {(name), Driver_Init, Driver_Exit, Driver_Devices, Driver_AddDevice, Driver_RemoveDevice}

/*
 * Runs a test of a driver on a machine. At its end the driver is unloaded, if that has not been done. Returns true if the test has returned,
 * no finding is left, and the driver has left no more than is allowed. Otherwise the reason is on the standard error output.
 */
bool Mock_Run(const MockMachine *machine, const MockDriver *driver, void (*test)(void *context), void *context);

/*
 * Runs a test as Mock_Run does, once without a failed allocation, and then once for each allocation that the driver makes, which fails. The
 * test gets its number; 0 stands for none. Ends with the first run that fails, and returns false.
 */
bool Mock_RunWithEachAllocationFailing(
    const MockMachine *machine, const MockDriver *driver, void (*test)(uint64_t number, void *context), void *context);

/*
 * Runs a test for each of `count` seeds from `first` on, in a process of its own that begins with what there is now. The order of handlers, threads
 * and devices depends on the seed. Each of these ends as Mock_Run does, and the first one that fails ends the run. With the environment variable
 * PROXIMA_MOCK_SEED, runs that seed alone.
 */
void Mock_EachSeed(uint64_t first, uint64_t count, void (*test)(uint64_t seed, void *context), void *context);

/* Ends the run, which has failed for this reason. */
void Mock_Fail(const char *file, int line, const char *reason) __attribute__((noreturn));

/* Ends the run if the condition does not hold. */
#define MOCK_REQUIRE(condition) ((condition) ? (void)0 : Mock_Fail(__FILE__, __LINE__, #condition))

/* ---- The driver, and time ---- */

/* Starts the driver, and gives it the devices that it wants. Returns what Driver_Init returned. */
int Mock_Load(void);

/* Ends the driver. A run does this at its end. */
void Mock_Unload(void);

/* Lets so much time of the machine's clock pass. */
void Mock_Advance(uint64_t nanoseconds);

/* Runs a function on a thread of the test on a CPU. Returns a number for Mock_Join, which waits until it has ended. */
int Mock_Spawn(int cpu, void (*run)(void *context), void *context);
void Mock_Join(int thread);

/* Runs a function as code of the driver, on a thread of its own, and waits for it: for tests of a driver's parts. */
void Mock_AsDriver(void (*run)(void *context), void *context);

/* Makes the driver's allocation with this number fail, counted from now; or each whose number is a multiple. 0: none fails. */
void Mock_FailAllocation(uint64_t number);
void Mock_FailEvery(uint64_t multiple);

/* Sets a parameter of the driver, as the word driver.NAME.key=value does. */
void Mock_SetParameter(const char *key, const char *value);

/* Puts the value of a counter that the driver has published into `value`. Returns false if there is none of this name. */
bool Mock_Counter(const char *name, uint64_t *value);

/* Returns memory that a block device's device may access, and nothing around it. Its device address is in `address`. */
void *Mock_Buffer(int block, size_t bytes, uint64_t *address);

/* Returns true if the log has a line with this text. */
bool Mock_LogHas(const char *text);

/* Mistakes of the driver or of a device. */
typedef enum MockFinding {
    MOCK_CALL_IN_HANDLER = 1,
    MOCK_STALE_ID = 2,
    MOCK_FOREIGN_ID = 3,
    MOCK_BAD_FREE = 4,
    MOCK_OVERRUN = 5,
    MOCK_BAD_COMPLETION = 6,
    MOCK_CHANGED_REQUEST = 7,
    MOCK_FOREIGN_DMA = 8,
    MOCK_NO_BUS_MASTER = 9,
    MOCK_WILD_REGISTER = 10,
    MOCK_LONG_DELAY = 11,
    MOCK_BAD_RETURN = 12,
    MOCK_UNBALANCED_INTERRUPTS = 13,
    MOCK_UNCLAIMED = 14,
} MockFinding;

/* Takes the findings of this kind. Returns how many there were. One that is left fails the run. */
size_t Mock_TakeFindings(MockFinding kind);

/* ---- Devices ---- */

/* A capability in configuration space: its id, and the bytes behind id and next pointer. */
typedef struct MockCapability {
    uint8_t Id;
    uint8_t Length;
    uint8_t Bytes[30];
} MockCapability;

/*
 * A function of PCI Express with BARs in memory, and what it does. The functions are called when the driver accesses a register, and when the device
 * has work to do. They call none of the driver's functions, and no function of the kernel; an interrupt that they raise comes later. `device` is what
 * Mock_Plug has returned.
 */
typedef struct MockDevice {
    uint16_t Vendor, Device;
    uint32_t Class;        /* class << 16 | subclass << 8 | interface */
    int32_t Node;          /* -1: unknown */
    uint64_t BarBytes[6];  /* a power of two; 0: none */
    uint16_t MsixVectors;  /* 0: no MSI-X */
    uint16_t MsiVectors;   /* 0: no MSI */
    uint8_t Pin;           /* of the line, 1 to 4; 0: none */
    bool IsConventional;   /* no PCI Express: it reaches memory below 4 GiB */
    bool HasNoReset;
    uint8_t CapabilityCount;
    MockCapability Capabilities[8];
    void *Context;
    uint64_t (*Read)(void *context, int device, int bar, uint64_t offset, uint32_t width);
    void (*Write)(void *context, int device, int bar, uint64_t offset, uint32_t width, uint64_t value);
    void (*Work)(void *context, int device);   /* called once for each Mock_Work, some time later; may be null */
    void (*Reset)(void *context, int device);  /* may be null */
} MockDevice;

/* Plugs a device in. If the driver is loaded and wants it, it gets it. Returns the id that the driver knows it by. */
int Mock_Plug(const MockDevice *device);

/* Returns what Driver_AddDevice returned for a device; INT32_MIN if the driver did not get it. */
int Mock_Added(int device);

/* Pulls a device out, and tells the driver. */
void Mock_PullOut(int device);

/* These are also for the functions of a device. The first two return false, with a finding, where the device may not access the memory. */
bool Mock_ReadMemory(int device, uint64_t address, void *bytes, size_t count);
bool Mock_WriteMemory(int device, uint64_t address, const void *bytes, size_t count);
void Mock_Raise(int device, int vector);
void Mock_SetLine(int device, bool is_set);
void Mock_Work(int device, uint64_t nanoseconds); /* has Work called once, after this time */

/* Returns the memory that a device may write: the piece with this index, from 0; false: there are no more. */
bool Mock_Writable(int device, size_t index, uint64_t *address, uint64_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_MOCK_H */
