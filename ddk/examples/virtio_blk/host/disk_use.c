#include "disk_use.h"

#include <string.h>

// The longest that a request takes.
#define LIMIT_NS 60000000000ull

static void done(BlockRequest *request) {
    Io *io = (Io *)request;
    MOCK_REQUIRE(!io->has_ended);
    io->has_ended = 1;
    Kernel_WakeAddress(&io->has_ended, 1);
}

void prepare(Io *io, int operation, uint64_t block, uint32_t blocks, uint64_t address, uint32_t segments) {
    uint32_t state = io->request.State;
    memset(io, 0, sizeof *io);
    io->request = (BlockRequest){
        .Size = sizeof io->request,
        .Operation = (uint16_t)operation,
        .Block = block,
        .Count = blocks,
        .SegmentCount = segments,
        .Segments = io->segments,
        .Done = done,
        .Queue = -1,
        .State = state,
    };
    for (uint32_t i = 0; i < segments; i++) {
        uint64_t bytes = blocks * 512ull / segments;
        io->segments[i] = (DmaSegment){.Address = address + i * bytes, .Bytes = bytes};
    }
}

bool submit(int disk, Io *io) {
    BlockRequest *requests[] = {&io->request};
    return Kernel_SubmitBlock(disk, requests, 1) == 1;
}

int finish(int disk, Io *io) {
    uint64_t end = Kernel_GetTime() + LIMIT_NS;
    while (!io->has_ended) {
        MOCK_REQUIRE(Kernel_GetTime() < end);
        if (io->request.Flags & BLOCK_POLLED) {
            Kernel_PollBlock(disk, -1);
            Kernel_YieldThread();
        } else {
            Kernel_WaitAddress(&io->has_ended, 0, LIMIT_NS);
        }
    }
    return io->request.Status;
}

int run(int disk, Io *io) {
    MOCK_REQUIRE(submit(disk, io));
    return finish(disk, io);
}
