// wild_writes: has the drivers of the disks write random numbers to random addresses, of all that is mapped. Each write is to fail the driver,
// which is then loaded again; the disk is to serve as before. The soak `wild-writes` compiles it with -DSEED=… and -DWRITES=….
//
// For each write that has not failed the driver it logs where it was, and at the end how many there were. It takes longer than the kernel waits.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../check.h"
#include "../wild.h"
#include "wild_writes.h"

#ifndef SEED
#define SEED 1
#endif
#ifndef WRITES
#define WRITES 10
#endif
#define MS 1000000

// ---- What is mapped ----

#define MOST_RANGES 4096

static struct {
    uint64_t start;
    uint64_t bytes;
} ranges[MOST_RANGES];
static int range_count;
static uint64_t mapped_bytes;

static void add_range(uint64_t start, uint64_t bytes) {
    bool is_next = range_count > 0 && ranges[range_count - 1].start + ranges[range_count - 1].bytes == start;
    if (!is_next && range_count == MOST_RANGES) {
        CHECK(!"the list of mapped memory is full");
        return;
    }
    if (!is_next) {
        ranges[range_count].start = start;
        ranges[range_count++].bytes = 0;
    }
    ranges[range_count - 1].bytes += bytes;
    mapped_bytes += bytes;
}

// Lists what a table maps, from one of its entries on. The first of them is for this address, and each for 2^shift bytes.
static void list_table(uint64_t table, int first, uint64_t address, int shift) {
    const uint64_t *entries = wild_table(table);
    for (int i = first; i < 512; i++, address += 1ull << shift) {
        uint64_t entry = entries[i];
        if ((entry & 1) == 0) {
            continue;
        }
        if (shift == 12 || (shift < 39 && entry & WILD_LARGE)) {
            add_range(address, 1ull << shift);
        } else {
            list_table(entry, 0, address, shift - 9);
        }
    }
}

// Lists all that is mapped in the kernel's half of the address space. What has no room in the list is left out, and reported. The list is made
// for each write: loading a driver changes what is mapped.
static void list_mapped(void) {
    range_count = 0;
    mapped_bytes = 0;
    list_table(wild_root(), 256, 0xffff800000000000, 39);
}

static uint64_t state = SEED;

// xorshift64*
static uint64_t random_number(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static uint64_t random_address(void) {
    uint64_t offset = random_number() % mapped_bytes;
    for (int i = 0; i < range_count; i++) {
        if (offset < ranges[i].bytes) {
            return (ranges[i].start + offset) & ~7ull;
        }
        offset -= ranges[i].bytes;
    }
    return 0;
}

// ---- The writes ----

static BlockRequest request;
static DmaSegment segment;
static uint32_t ended;
static uint64_t page;

static void done(BlockRequest *which) {
    (void)which;
    __atomic_store_n(&ended, 1, __ATOMIC_RELEASE);
}

static bool has_ended(void) {
    return __atomic_load_n(&ended, __ATOMIC_ACQUIRE) != 0;
}

// Reads a block, and waits for the end. Returns true if it has ended well. With an address, the driver writes there.
static bool read_block(int block, bool is_polled, uint64_t address) {
    BlockRequest *which = &request;
    segment = (DmaSegment){.Address = page, .Bytes = 4096};
    request = (BlockRequest){.Size = sizeof request, .Operation = BLOCK_READ, .Flags = is_polled ? BLOCK_POLLED : 0, .Count = 8,
                             .SegmentCount = 1, .Segments = &segment, .Done = done, .Queue = -1};
    if (address != 0) {
        request.ForDriver[1] = random_number();
        request.ForDriver[2] = address;
        request.ForDriver[3] = WILD_MAGIC;
    }
    __atomic_store_n(&ended, 0, __ATOMIC_RELEASE);
    if (Kernel_SubmitBlock(block, &which, 1) != 1) {
        return false;
    }
    for (int tries = 0; tries < 5000 && !has_ended(); tries++) {
        if (is_polled) {
            Kernel_PollBlock(block, -1);
        }
        if (!has_ended() && (!is_polled || tries > 100)) {
            Kernel_SleepThread(MS / 10);
        }
    }
    CHECK(has_ended());
    return has_ended() && request.Status == BLOCK_OK;
}

static bool is_loaded(const char *driver) {
    DriverStatistics statistics = {.Size = sizeof statistics};
    return Kernel_GetDriverStatistics(driver, &statistics);
}

// Loads the driver again, and waits for its disk. Returns the disk.
static int load(const char *driver, const char *disk) {
    for (int tries = 0; tries < 5000 && is_loaded(driver); tries++) {
        Kernel_SleepThread(MS);
    }
    for (int tries = 0; tries < 100 && Kernel_LoadDriver(driver) != 0; tries++) {
        Kernel_SleepThread(10 * MS);
    }
    int block = -1;
    for (int tries = 0; tries < 5000 && (block = Kernel_OpenBlock(disk, 0)) < 0; tries++) {
        Kernel_SleepThread(MS);
    }
    CHECK(block > 0);
    return block;
}

static int hits, misses;

static void report(const char *what, uint64_t address, int key) {
    char line[96];
    int length = 0;
    for (const char *letter = what; *letter; letter++) {
        line[length++] = *letter;
    }
    for (int shift = 60; shift >= 0; shift -= 4) {
        line[length++] = "0123456789abcdef"[address >> shift & 15];
    }
    for (const char *letter = ", key "; *letter; letter++) {
        line[length++] = *letter;
    }
    line[length++] = (char)('0' + key / 10);
    line[length++] = (char)('0' + key % 10);
    Kernel_Log(KERNEL_LOG_INFO, line, (size_t)length);
}

static void write_once(const char *driver, const char *disk, bool is_polled) {
    int block = Kernel_OpenBlock(disk, 0);
    CHECK(block > 0 && read_block(block, is_polled, 0));
    list_mapped();
    uint64_t address = random_address();
    int key = wild_key_of((void *)address);
    bool is_well = read_block(block, is_polled, address);
    if (!is_well && Kernel_OpenBlock(disk, 0) < 0) {
        hits++;
        load(driver, disk);
        return;
    }
    misses++;
    report(is_polled ? "the driver goes on after its Poll has written " : "the driver goes on after its handler has written ", address, key);
    // What the write has changed is the driver's own, or a stack that nothing uses.
    Kernel_UnloadDriver(driver);
    load(driver, disk);
}

// Logs how it has ended, which ends the test.
static void report_end(void) {
    char line[] = "done: 000000 failed the driver, 000000 did not; this holds: 0";
    for (int i = 0, rest = hits; i < 6; i++, rest /= 10) {
        line[11 - i] = (char)('0' + rest % 10);
    }
    for (int i = 0, rest = misses; i < 6; i++, rest /= 10) {
        line[37 - i] = (char)('0' + rest % 10);
    }
    line[sizeof line - 2] = errors == 0 ? '1' : '0';
    Kernel_Log(KERNEL_LOG_INFO, line, sizeof line - 1);
    Kernel_Log(KERNEL_LOG_INFO, "end", 3);
}

int Driver_Init(void) {
    page = Kernel_AllocatePage();
    CHECK(page != 0);
    for (int i = 0; i < WRITES && errors == 0; i++) {
        bool is_polled = i % 4 >= 2;
        if (i % 2 == 0) {
            write_once("nvme", "nvme0", is_polled);
        } else {
            write_once("virtio_blk", "vblk0", is_polled);
        }
    }
    CHECK(hits + misses == WRITES);
    for (int i = 0; i < 2; i++) {
        int block = Kernel_OpenBlock(i == 0 ? "nvme0" : "vblk0", 0);
        CHECK(block > 0 && read_block(block, false, 0));
    }
    Kernel_FreePage(page);
    report_end();
    return -errors;
}
