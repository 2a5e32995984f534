// A device that lies. It completes commands that are not outstanding, twice, or out of range, moves the index of the used ring anywhere, and
// overwrites all memory that it reaches. Whatever it does, the driver ends a request at most once and only if it is outstanding, accesses nothing
// beyond its memory (compile with -fsanitize=address,undefined), and comes to an end. A restart then ends each request that is left.
#include "tests.h"

#include "device.h"
#include "disk_use.h"

#define STEPS 300
#define REQUESTS RING

static Device device;
static Io ios[REQUESTS];
static bool is_out[REQUESTS];

static uint64_t below(uint64_t *seed, uint64_t end) {
    return any_number(seed) % end;
}

static void overwrite_all(uint64_t *seed) {
    uint64_t address, bytes;
    for (size_t piece = 0; Mock_Writable(device.id, piece, &address, &bytes); piece++) {
        for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
            uint64_t word = any_number(seed);
            Mock_WriteMemory(device.id, address + at, &word, sizeof word);
        }
    }
}

static void act(uint64_t *seed, bool has_tables) {
    uint32_t chain = has_tables ? 1 : 8, id = (uint32_t)below(seed, RING / chain) * chain;
    int queue = (int)below(seed, 2);
    uint32_t length = below(seed, 2) ? 1 : 513;
    switch (below(seed, 12)) {
    case 0: case 1: case 2: case 3: case 4: // right, if it is outstanding
        complete_as(&device, queue, id, length);
        break;
    case 5: // twice
        complete_as(&device, queue, id, length);
        complete_as(&device, queue, id, length);
        break;
    case 6: // out of range by one, or within a chain
        complete_as(&device, queue, below(seed, 2) ? RING : id + 1, 1);
        break;
    case 7:
        complete_as(&device, queue, (uint32_t)any_number(seed), (uint32_t)any_number(seed));
        break;
    case 8: // a head beyond the ring
        device.queues[queue].used = (uint16_t)any_number(seed);
        complete_as(&device, queue, id, 1);
        break;
    case 9: case 10:
        break;
    default:
        if (below(seed, 4) == 0) {
            overwrite_all(seed);
        }
    }
}

static void submit_some(int disk, uint64_t *seed, uint64_t buffer) {
    for (int i = 0; i < REQUESTS; i++) {
        if (is_out[i] || below(seed, 6) != 0) {
            continue;
        }
        uint32_t blocks = 1 + (uint32_t)below(seed, 3);
        int operation = (int)below(seed, 3);
        prepare(&ios[i], operation, below(seed, SECTORS - 4), blocks, buffer, blocks);
        if (operation == BLOCK_FLUSH) {
            prepare(&ios[i], operation, 0, 0, 0, 0);
        }
        ios[i].request.Flags = below(seed, 2) ? BLOCK_POLLED : 0;
        ios[i].request.Queue = (int)below(seed, 2);
        is_out[i] = submit(disk, &ios[i]);
    }
}

// Counts the requests that have ended, and those that have failed.
static void take_ended(unsigned *ended, unsigned *failed) {
    for (int i = 0; i < REQUESTS; i++) {
        if (is_out[i] && ios[i].has_ended) {
            MOCK_REQUIRE(ios[i].request.Status == BLOCK_OK || ios[i].request.Status == BLOCK_ERROR);
            is_out[i] = false;
            ++*ended;
            *failed += ios[i].request.Status == BLOCK_ERROR;
        }
    }
}

static void lie(uint64_t seed, uint64_t features) {
    plug(&device, FEATURE_VERSION_1 | FEATURE_QUEUES | FEATURE_FLUSH | features, 3, false);
    MOCK_REQUIRE(Mock_Load() == 0);
    device.is_silent = true;
    int disk = Kernel_OpenBlock("vblk0", 0);
    uint64_t buffer;
    Mock_Buffer(disk, 4 * SECTOR, &buffer);
    unsigned ended = 0, failed = 0;
    for (int step = 0; step < STEPS; step++) {
        submit_some(disk, &seed, buffer);
        act(&seed, features & FEATURE_INDIRECT);
        Kernel_PollBlock(disk, (int)below(&seed, 2));
        take_ended(&ended, &failed);
        if (step % 100 == 99) {
            // Those that are left are too old then: the driver resets the device.
            Mock_Advance(15000000000ull);
            take_ended(&ended, &failed);
            for (int i = 0; i < REQUESTS; i++) {
                MOCK_REQUIRE(!is_out[i]);
            }
        }
    }
    MOCK_REQUIRE(ended > STEPS / 4 && failed > 0 && failed < ended);
}

static void lie_with(void *features) {
    lie((uint64_t)features + 1, (uint64_t)features);
}

bool whatever_the_device_completes_a_request_ends_at_most_once(void) {
    uint64_t features[] = {FEATURE_INDIRECT | FEATURE_EVENT_INDEX, FEATURE_INDIRECT, FEATURE_EVENT_INDEX, 0};
    MockMachine machine = {.Allowed = ALLOWED};
    MockDriver driver = MOCK_DRIVER("virtio_blk");
    bool is_well = true;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        is_well = Mock_Run(&machine, &driver, lie_with, (void *)features[i]) && is_well;
    }
    return is_well;
}
