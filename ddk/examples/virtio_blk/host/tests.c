// Tests of the driver on a host, against a device that device.c plays. Without an argument, runs all; otherwise those whose names begin so.
#include "tests.h"

#include <stdio.h>
#include <string.h>

#include "device.h"
#include "disk_use.h"

#define SECOND 1000000000ull
#define USUAL (FEATURE_VERSION_1 | FEATURE_QUEUES | FEATURE_FLUSH | FEATURE_INDIRECT | FEATURE_EVENT_INDEX)

static Device device;

static int start(uint64_t features, uint16_t vectors, bool has_line) {
    plug(&device, features, vectors, has_line);
    MOCK_REQUIRE(Mock_Load() == 0 && Mock_Added(device.id) == 0);
    return Kernel_OpenBlock("vblk0", 0);
}

static bool attempt(void (*test)(void *), void *context) {
    MockMachine machine = {.Allowed = ALLOWED};
    MockDriver driver = MOCK_DRIVER("virtio_blk");
    return Mock_Run(&machine, &driver, test, context);
}

// ---- What the device says ----

static void is_described(void *context) {
    (void)context;
    int disk = start(USUAL | FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE, 3, false);
    BlockInfo info = {.Size = sizeof info};
    MOCK_REQUIRE(Kernel_GetBlockInfo(disk, &info));
    MOCK_REQUIRE(info.Blocks == SECTORS && info.BlockSize == SECTOR && info.Depth == RING);
    MOCK_REQUIRE(info.Queues == 2 && info.MaxSegments == 8);
}

static bool the_disk_is_what_the_device_says(void) {
    return attempt(is_described, NULL);
}

static void is_limited(void *context) {
    const char *const values[] = {"1", "2", "1025", "0", "-1", "x", "", "99999999999"};
    size_t which = (size_t)context;
    Mock_SetParameter("queues", values[which]);
    int disk = start(USUAL, 3, false);
    BlockInfo info = {.Size = sizeof info};
    MOCK_REQUIRE(Kernel_GetBlockInfo(disk, &info) && info.Queues == (which == 0 ? 1 : 2));
    MOCK_REQUIRE(Mock_LogHas("must be a number from 1 to 1024") == (which >= 2));
}

static bool a_parameter_limits_the_queues(void) {
    bool is_well = true;
    for (size_t which = 0; which < 8; which++) {
        is_well &= attempt(is_limited, (void *)which);
    }
    return is_well;
}

static bool counts(const char *counter, uint64_t expected) {
    uint64_t value;
    return Mock_Counter(counter, &value) && value == expected;
}

// ---- Data ----

static void check_data(int disk, uint16_t flags, uint32_t segments) {
    uint64_t from_at, to_at;
    uint8_t *from = Mock_Buffer(disk, 4 * SECTOR, &from_at), *to = Mock_Buffer(disk, 4 * SECTOR, &to_at);
    for (uint32_t i = 0; i < 4 * SECTOR; i++) {
        from[i] = (uint8_t)(i * 7 + i / 251 + segments);
    }
    Io io = {0};
    prepare(&io, BLOCK_WRITE, 100, 4, from_at, segments);
    io.request.Flags = flags;
    MOCK_REQUIRE(run(disk, &io) == BLOCK_OK);
    MOCK_REQUIRE(memcmp(device.disk + 100 * SECTOR, from, 4 * SECTOR) == 0);
    prepare(&io, BLOCK_READ, 100, 4, to_at, segments);
    io.request.Flags = flags;
    MOCK_REQUIRE(run(disk, &io) == BLOCK_OK);
    MOCK_REQUIRE(memcmp(to, from, 4 * SECTOR) == 0);
    prepare(&io, BLOCK_FLUSH, 0, 0, 0, 0);
    io.request.Flags = flags;
    MOCK_REQUIRE(run(disk, &io) == BLOCK_OK);
}

typedef struct {
    uint64_t features;
    uint16_t vectors;
    bool has_line;
} Kind;

static void moves_data(void *context) {
    const Kind *kind = context;
    int disk = start(kind->features, kind->vectors, kind->has_line);
    for (uint32_t segments = 1; segments <= 4; segments *= 2) {
        check_data(disk, 0, segments);
        check_data(disk, BLOCK_POLLED, segments);
    }
}

static bool what_was_written_is_read_by_interrupt_and_by_poll(void) {
    uint64_t least = FEATURE_VERSION_1;
    Kind kinds[] = {
        {USUAL, 3, false}, {USUAL, 2, false}, {USUAL, 1, false}, {USUAL, 0, true}, {USUAL, 0, false},
        {least, 3, false}, {least | FEATURE_EVENT_INDEX, 0, true}, {least | FEATURE_INDIRECT, 3, false},
    };
    bool is_well = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        is_well = attempt(moves_data, &kinds[i]) && is_well;
    }
    return is_well;
}

// ---- Rounds ----

#define BATCH 7

static void goes_round(void *context) {
    (void)context;
    int disk = start(USUAL, 3, false);
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    static Io ios[BATCH];
    BlockRequest *batch[BATCH];
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < BATCH; i++) {
            prepare(&ios[i], BLOCK_READ, 5, 1, at, 1);
            ios[i].request.Flags = round % 2 ? BLOCK_POLLED : 0;
            batch[i] = &ios[i].request;
        }
        MOCK_REQUIRE(Kernel_SubmitBlock(disk, batch, BATCH) == BATCH);
        for (int i = 0; i < BATCH; i++) {
            MOCK_REQUIRE(finish(disk, &ios[i]) == BLOCK_OK);
        }
    }
    MOCK_REQUIRE(device.commands == 40 * BATCH && device.interrupts > 0);
}

static bool queues_go_round_with_several_completions_at_once(void) {
    return attempt(goes_round, NULL);
}

// ---- Errors ----

static void fails_requests(void *context) {
    (void)context;
    int disk = start(USUAL, 3, false);
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    Io io = {0};
    for (int i = 0; i < 4; i++) {
        device.errors = i % 2;
        prepare(&io, BLOCK_READ, 5, 1, at, 1);
        io.request.Flags = i < 2 ? 0 : BLOCK_POLLED;
        MOCK_REQUIRE(run(disk, &io) == (i % 2 ? BLOCK_ERROR : BLOCK_OK));
    }
    MOCK_REQUIRE(counts("vblk0.failed", 2) && counts("vblk0.stray", 0) && counts("vblk0.restarts", 0));
}

static bool an_error_of_the_device_ends_the_request_with_an_error(void) {
    return attempt(fails_requests, NULL);
}

static void falls_silent(void *context) {
    bool is_broken = context != NULL;
    int disk = start(USUAL, 3, false);
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    Io io = {0};
    device.is_silent = true;
    device.is_broken = is_broken;
    prepare(&io, BLOCK_READ, 5, 1, at, 1);
    uint64_t begin = Kernel_GetTime();
    int status = run(disk, &io);
    uint64_t time = Kernel_GetTime() - begin;
    MOCK_REQUIRE(time >= 10 * SECOND && time < 15 * SECOND);
    device.is_silent = false;
    Mock_Advance(2 * SECOND);
    if (is_broken) {
        MOCK_REQUIRE(status == BLOCK_GONE && Kernel_OpenBlock("vblk0", 0) == -1);
        device.is_broken = false;
        return;
    }
    MOCK_REQUIRE(status == BLOCK_ERROR && device.starts == 2 && counts("vblk0.restarts", 1));
    prepare(&io, BLOCK_READ, 5, 1, at, 1);
    MOCK_REQUIRE(run(disk, &io) == BLOCK_OK);
}

static bool a_silent_device_is_restarted_and_its_requests_end(void) {
    return attempt(falls_silent, NULL);
}

static bool a_device_that_does_not_restart_is_given_up(void) {
    return attempt(falls_silent, &device);
}

static void goes(void *context) {
    (void)context;
    int disk = start(USUAL, 3, false);
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    static Io io;
    device.is_silent = true;
    prepare(&io, BLOCK_READ, 5, 1, at, 1);
    MOCK_REQUIRE(submit(disk, &io));
    Mock_PullOut(device.id);
    MOCK_REQUIRE(io.has_ended && io.request.Status == BLOCK_GONE);
    MOCK_REQUIRE(Kernel_OpenBlock("vblk0", 0) == -1);
}

static bool a_device_that_is_pulled_out_takes_its_requests_along(void) {
    return attempt(goes, NULL);
}

// ---- No memory ----

static void fails_to_allocate(uint64_t number, void *context) {
    (void)context;
    plug(&device, USUAL, 3, false);
    MOCK_REQUIRE(Mock_Load() == 0);
    int disk = Kernel_OpenBlock("vblk0", 0);
    MOCK_REQUIRE((disk > 0) == (Mock_Added(device.id) == 0));
    if (disk <= 0) {
        MOCK_REQUIRE(number > 0);
        return;
    }
    // What is not essential may be missing: then it works without.
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    Io io = {0};
    prepare(&io, BLOCK_READ, 5, 1, at, 1);
    io.request.Flags = BLOCK_POLLED;
    MOCK_REQUIRE(run(disk, &io) == BLOCK_OK);
}

static bool without_memory_there_is_no_disk_and_no_crash(void) {
    MockMachine machine = {.Allowed = ALLOWED};
    MockDriver driver = MOCK_DRIVER("virtio_blk");
    return Mock_RunWithEachAllocationFailing(&machine, &driver, fails_to_allocate, NULL);
}

// ---- Orders ----

#define IN_FLIGHT 3

typedef struct {
    int disk, cpu;
    uint64_t seed;
    uint8_t *from, *to;
    uint64_t from_at, to_at;
    Io writes[IN_FLIGHT], reads[IN_FLIGHT];
} User;

static User users[2];

// Writes and reads blocks of its own, several at once.
static void use_disk(void *context) {
    User *user = context;
    uint64_t seed = user->seed;
    for (uint32_t i = 0; i < IN_FLIGHT * 4 * SECTOR; i += 8) {
        uint64_t word = any_number(&seed);
        memcpy(user->from + i, &word, sizeof word);
    }
    BlockRequest *batch[IN_FLIGHT];
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        uint64_t block = (uint64_t)user->cpu * 100 + i * 4, offset = i * 4ull * SECTOR;
        uint32_t segments = 1 + (uint32_t)(any_number(&seed) % 2);
        prepare(&user->writes[i], BLOCK_WRITE, block, 4, user->from_at + offset, segments);
        prepare(&user->reads[i], BLOCK_READ, block, 4, user->to_at + offset, segments);
        uint16_t flags = any_number(&seed) % 2 ? BLOCK_POLLED : 0;
        user->writes[i].request.Flags = user->reads[i].request.Flags = flags;
        batch[i] = &user->writes[i].request;
    }
    uint64_t begin = Kernel_GetTime();
    MOCK_REQUIRE(Kernel_SubmitBlock(user->disk, batch, IN_FLIGHT) == IN_FLIGHT);
    for (int i = 0; i < IN_FLIGHT; i++) {
        MOCK_REQUIRE(finish(user->disk, &user->writes[i]) == BLOCK_OK);
        MOCK_REQUIRE(run(user->disk, &user->reads[i]) == BLOCK_OK);
    }
    MOCK_REQUIRE(memcmp(user->from, user->to, IN_FLIGHT * 4 * SECTOR) == 0);
    // None has waited for the watch, which finds what an interrupt was lost for.
    MOCK_REQUIRE(Kernel_GetTime() - begin < SECOND);
}

static void runs_in_an_order(uint64_t seed, void *context) {
    (void)context;
    int threads[2];
    device.order = seed + 1;
    for (int i = 0; i < 2; i++) {
        users[i].seed = 2 * seed + (uint64_t)i;
        threads[i] = Mock_Spawn(i, use_disk, &users[i]);
    }
    Mock_Join(threads[0]);
    Mock_Join(threads[1]);
}

static uint64_t orders = 400;

static void runs_in_all_orders(void *context) {
    const Kind *kind = context;
    int disk = start(kind->features, kind->vectors, kind->has_line);
    for (int i = 0; i < 2; i++) {
        users[i].disk = disk;
        users[i].cpu = i;
        users[i].from = Mock_Buffer(disk, IN_FLIGHT * 4 * SECTOR, &users[i].from_at);
        users[i].to = Mock_Buffer(disk, IN_FLIGHT * 4 * SECTOR, &users[i].to_at);
    }
    Mock_EachSeed(0, orders / 2, runs_in_an_order, NULL);
}

static bool in_whatever_order_handlers_and_threads_run_the_data_is_right(void) {
    Kind two_queues = {USUAL, 3, false}, one_queue = {FEATURE_VERSION_1 | FEATURE_EVENT_INDEX | FEATURE_INDIRECT, 1, false};
    bool is_well = attempt(runs_in_all_orders, &two_queues);
    return attempt(runs_in_all_orders, &one_queue) && is_well;
}

// ---- All ----

#define TEST(name) {#name, name}

static const struct {
    const char *name;
    bool (*test)(void);
} tests[] = {
    TEST(the_disk_is_what_the_device_says),
    TEST(a_parameter_limits_the_queues),
    TEST(what_was_written_is_read_by_interrupt_and_by_poll),
    TEST(queues_go_round_with_several_completions_at_once),
    TEST(an_error_of_the_device_ends_the_request_with_an_error),
    TEST(a_silent_device_is_restarted_and_its_requests_end),
    TEST(a_device_that_does_not_restart_is_given_up),
    TEST(a_device_that_is_pulled_out_takes_its_requests_along),
    TEST(without_memory_there_is_no_disk_and_no_crash),
    TEST(whatever_the_device_completes_a_request_ends_at_most_once),
    TEST(a_poll_ends_whatever_completes_meanwhile),
    TEST(in_whatever_order_handlers_and_threads_run_the_data_is_right),
};

int main(int count, char **arguments) {
    int failures = 0;
#ifdef __SANITIZE_ADDRESS__
    // A process takes longer to begin.
    orders = 100;
#endif
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (count > 1 && strncmp(tests[i].name, arguments[1], strlen(arguments[1])) != 0) {
            continue;
        }
        bool is_well = tests[i].test();
        printf("%s ... %s\n", tests[i].name, is_well ? "ok" : "FAILED");
        failures += !is_well;
    }
    return failures != 0;
}
