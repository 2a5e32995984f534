// disk_segments: writes and reads every disk with segments that begin and end anywhere within pages, each a multiple of the block size, many
// requests at a time. What it writes it reads back with one segment, and the other way round. A request that a disk may refuse, with a
// segment at an odd address, does not disturb those before and behind it.
//
// It logs each thing that does not hold, and refuses to start with their number as its code.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define TIMEOUT 20000000000ull
#define PAGE ((uint64_t)KERNEL_PAGE_SIZE)
#define MOST_SEGMENTS 16
#define REQUESTS 20 // more than a driver may split at a time
#define BLOCKS 16   // of each request
#define ROUNDS 20
#define GUARD 0xee
#define GUARDS 0xeeeeeeeeeeeeeeeeull

static int block;
static BlockInfo info;
static uint64_t scattered, whole; // physical memory: some pages for each request
static uint32_t seed = 1;

#define LOG(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

typedef struct {
    _Alignas(64) BlockRequest request;
    DmaSegment segments[MOST_SEGMENTS];
    Completion completion;
} Request;

static Request requests[REQUESTS];

#define SCATTERED_PAGES (4 * BLOCKS) // room for blocks of 512 bytes, some bytes apart
#define AREA (SCATTERED_PAGES * PAGE)

static uint32_t at_random(uint32_t below) {
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void done(BlockRequest *request) {
    Completion_Complete(request->Context, request->Status);
}

static void prepare(Request *own, int operation, uint64_t first, uint32_t count, bool is_polled) {
    uint32_t state = own->request.State;
    memset(&own->completion, 0, sizeof own->completion);
    own->request = (BlockRequest){
        .Size = sizeof own->request,
        .Operation = (uint16_t)operation,
        .Flags = is_polled ? BLOCK_POLLED : 0,
        .Count = count,
        .SegmentCount = 1,
        .Block = first,
        .Segments = own->segments,
        .Done = done,
        .Context = &own->completion,
        .Queue = -1,
        .State = state,
    };
}

// Divides a request of so many blocks into segments anywhere in its area.
static void scatter(Request *own, uint64_t area, uint32_t blocks) {
    uint32_t count = 0, most = info.MaxSegments < MOST_SEGMENTS ? info.MaxSegments : MOST_SEGMENTS;
    uint64_t at = area;
    while (blocks > 0) {
        uint32_t length = count + 1 == most ? blocks : 1 + at_random(blocks < 4 ? blocks : 4);
        // At the beginning of a page, where the last one ended, or somewhere at a multiple of 4.
        switch (at_random(3)) {
        case 0:
            at = (at + PAGE - 1) / PAGE * PAGE;
            break;
        case 1:
            at += 4 * at_random(PAGE / 4);
        }
        own->segments[count++] = (DmaSegment){.Address = at, .Bytes = (uint64_t)length * info.BlockSize};
        at += (uint64_t)length * info.BlockSize;
        blocks -= length;
    }
    own->request.SegmentCount = count;
}

static void submit(BlockRequest **batch, int count) {
    for (uint64_t end = Kernel_GetTime() + TIMEOUT; count > 0 && Kernel_GetTime() < end;) {
        int accepted = Kernel_SubmitBlock(block, batch, count);
        CHECK(accepted >= 0);
        if (accepted < 0) {
            return;
        }
        batch += accepted;
        count -= accepted;
        Kernel_PollBlock(block, -1);
    }
    CHECK(count == 0);
}

static int32_t wait(Request *own) {
    int32_t status = 98;
    uint64_t end = Kernel_GetTime() + TIMEOUT;
    while (!Event_IsSet(&own->completion.Ended) && Kernel_GetTime() < end) {
        Kernel_PollBlock(block, -1);
    }
    Completion_WaitFor(&own->completion, 1, &status);
    return status;
}

static uint8_t byte_of(int round, int request, uint64_t offset) {
    return (uint8_t)(round * 13 + request * 101 + (offset >> 9) * 7 + offset);
}

// Fills a request's segments, or compares them. Returns false if one differs.
static bool walk(const Request *own, int round, int request, bool is_filled) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < own->request.SegmentCount; i++) {
        uint8_t *memory = Kernel_PhysToVirt(own->segments[i].Address);
        for (uint64_t k = 0; k < own->segments[i].Bytes; k++, offset++) {
            if (is_filled) {
                memory[k] = byte_of(round, request, offset);
            } else if (memory[k] != byte_of(round, request, offset)) {
                return false;
            }
        }
    }
    return true;
}

// Fills an area with guards. Word by word: an emulated CPU needs as long for a byte.
static void guard(uint64_t area) {
    void *to = Kernel_PhysToVirt(area);
    uint64_t words = AREA / sizeof(uint64_t);
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(GUARDS) : "memory");
}

// Returns how many bytes of an area are still those that it was filled with.
static uint64_t guards(uint64_t area) {
    const uint64_t *words = Kernel_PhysToVirt(area);
    uint64_t count = 0;
    for (uint64_t i = 0; i < AREA / sizeof *words; i++) {
        if (words[i] == GUARDS) {
            count += sizeof *words;
            continue;
        }
        const uint8_t *bytes = (const uint8_t *)&words[i];
        for (size_t k = 0; k < sizeof *words; k++) {
            count += bytes[k] == GUARD;
        }
    }
    return count;
}

// Submits one request for each number, all at once; all must end well.
static void transfer(int operation, int round, bool is_scattered) {
    BlockRequest *batch[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        uint32_t count = 1 + (uint32_t)(i + round) % BLOCKS;
        uint64_t area = (is_scattered ? scattered : whole) + (uint64_t)i * AREA;
        prepare(&requests[i], operation, (uint64_t)i * BLOCKS, count, i % 2);
        requests[i].segments[0] = (DmaSegment){.Address = area, .Bytes = (uint64_t)count * info.BlockSize};
        if (is_scattered) {
            scatter(&requests[i], area, count);
        }
        if (operation == BLOCK_WRITE) {
            walk(&requests[i], round, i, true);
        } else {
            guard(area);
        }
        batch[i] = &requests[i].request;
    }
    submit(batch, REQUESTS);
    for (int i = 0; i < REQUESTS; i++) {
        CHECK(wait(&requests[i]) == BLOCK_OK);
        if (operation == BLOCK_READ) {
            CHECK(walk(&requests[i], round, i, false));
            uint64_t bytes = (uint64_t)requests[i].request.Count * info.BlockSize;
            // Some of the bytes that were read are like the guards, so this is no equation.
            CHECK(guards((is_scattered ? scattered : whole) + (uint64_t)i * AREA) >= AREA - bytes);
        }
    }
}

// A batch whose second request has a segment at an odd address.
static void refuse(void) {
    BlockRequest *batch[3];
    transfer(BLOCK_WRITE, 0, false);
    for (int i = 0; i < 3; i++) {
        prepare(&requests[i], BLOCK_READ, (uint64_t)i * BLOCKS, 1, true);
        requests[i].segments[0] = (DmaSegment){.Address = whole + (uint64_t)i * AREA, .Bytes = info.BlockSize};
        batch[i] = &requests[i].request;
        memset(Kernel_PhysToVirt(whole + (uint64_t)i * AREA), GUARD, PAGE);
    }
    // In two pages, so that it is no usual request.
    requests[1].segments[0].Address += PAGE - 7;
    submit(batch, 3);
    CHECK(wait(&requests[0]) == BLOCK_OK && walk(&requests[0], 0, 0, false));
    int32_t status = wait(&requests[1]);
    CHECK(status == BLOCK_ERROR || (status == BLOCK_OK && walk(&requests[1], 0, 1, false)));
    CHECK(wait(&requests[2]) == BLOCK_OK && walk(&requests[2], 0, 2, false));
    for (int round = 0; round < 300; round++) {
        // Each is as right as the one before, also when the ring has begun again.
        prepare(&requests[0], BLOCK_READ, 0, 1, true);
        submit(batch, 1);
        CHECK(wait(&requests[0]) == BLOCK_OK);
    }
}

int Driver_Init(void) {
    scattered = Kernel_AllocatePagesFromNode(REQUESTS * SCATTERED_PAGES, 0);
    whole = Kernel_AllocatePagesFromNode(REQUESTS * SCATTERED_PAGES, 0);
    if (!scattered || !whole) {
        return -100;
    }
    while ((block = Kernel_OpenBlock(NULL, block)) > 0) {
        info.Size = sizeof info;
        CHECK(Kernel_GetBlockInfo(block, &info));
        memset(requests, 0, sizeof requests);
        for (int round = 0; round < ROUNDS; round++) {
            transfer(BLOCK_WRITE, round, true);
            transfer(BLOCK_READ, round, false);
            transfer(BLOCK_WRITE, round + 7, false);
            transfer(BLOCK_READ, round + 7, true);
        }
        refuse();
        LOG("a disk takes segments that begin and end anywhere");
    }
    return -errors;
}
