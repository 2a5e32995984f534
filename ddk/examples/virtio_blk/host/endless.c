// A device that completes for ever: each completion makes the client submit again, and the device completes that at once. No poll goes on
// for ever, and the watch completes what a poll has left, without an interrupt.
#include "device.h"
#include "disk_use.h"
#include "tests.h"

#define SECOND 1000000000ull
// The most rounds of a poll. In each, as many requests end as were there when it began: here one.
#define MOST_ROUNDS 9
// So often the request is submitted: far more often than a call may complete it.
#define TIMES 2000

static Device device;
static Io io;
static int disk, ended;

static void submit_again(BlockRequest *request) {
    MOCK_REQUIRE(request->Status == BLOCK_OK);
    if (++ended == TIMES) {
        return;
    }
    MOCK_REQUIRE(Kernel_SubmitBlock(disk, &request, 1) == 1);
    Kernel_GetTime(); // the device works meanwhile
}

static void completes_for_ever(void *context) {
    const uint16_t *flags = context;
    plug(&device, FEATURE_VERSION_1 | FEATURE_QUEUES | FEATURE_INDIRECT | FEATURE_EVENT_INDEX, 3, false);
    MOCK_REQUIRE(Mock_Load() == 0);
    disk = Kernel_OpenBlock("vblk0", 0);
    uint64_t at;
    Mock_Buffer(disk, SECTOR, &at);
    device.is_mute = true;
    prepare(&io, BLOCK_READ, 5, 1, at, 1);
    io.request.Flags = *flags;
    io.request.Done = submit_again;
    MOCK_REQUIRE(submit(disk, &io));
    int completed = Kernel_PollBlock(disk, -1);
    if (*flags & BLOCK_POLLED) {
        MOCK_REQUIRE(completed == 1);
        while (ended < TIMES) {
            MOCK_REQUIRE(Kernel_PollBlock(disk, -1) == 1);
        }
    } else {
        MOCK_REQUIRE(completed == MOST_ROUNDS);
        Mock_Advance(SECOND / 2);
        MOCK_REQUIRE(ended == TIMES);
    }
}

bool a_poll_ends_whatever_completes_meanwhile(void) {
    bool is_well = true;
    for (uint16_t i = 0; i < 2; i++) {
        uint16_t flags = i ? BLOCK_POLLED : 0;
        MockMachine machine = {.Allowed = ALLOWED};
        MockDriver driver = MOCK_DRIVER("virtio_blk");
        is_well = Mock_Run(&machine, &driver, completes_for_ever, &flags) && is_well;
    }
    return is_well;
}
