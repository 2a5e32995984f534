// disk_gone: breaks the disk vblk0. It submits a request whose buffers are at addresses without memory, so that the device stops and
// asks for a reset. (QEMU's device bears with one such buffer at a time.) That request and those behind it must end with BLOCK_GONE, and the disk must be gone.
//
// It logs each thing that does not hold, and refuses to start with their number as its code. Without a disk it does nothing.
#include <proxima.h>
#include <proxima_freestanding.h>
#include <proxima_sync.h>

#include "../check.h"

#define TIMEOUT 20000000000ull
#define NOT_MEMORY 0x00f0000000000000ull
#define COUNT 4

#define LOG(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

static void done(BlockRequest *request) {
    Completion_Complete(request->Context, request->Status);
}

int Driver_Init(void) {
    static BlockRequest requests[COUNT];
    static Completion completions[COUNT];
    static DmaSegment segments[2] = {{.Address = NOT_MEMORY}, {.Address = 2 * NOT_MEMORY}};
    BlockInfo info = {.Size = sizeof info};
    int disk = Kernel_OpenBlock("vblk0", 0);
    if (disk <= 0 || !Kernel_GetBlockInfo(disk, &info)) {
        LOG("there is no disk vblk0");
        return 0;
    }
    segments[0].Bytes = segments[1].Bytes = info.BlockSize / 2;
    for (int i = 0; i < COUNT; i++) {
        requests[i] = (BlockRequest){
            .Size = sizeof requests[i],
            .Operation = BLOCK_READ,
            .Flags = i % 2 ? BLOCK_POLLED : 0,
            .Count = 1,
            .SegmentCount = 2,
            .Segments = segments,
            .Done = done,
            .Context = &completions[i],
            .Queue = -1,
        };
        BlockRequest *request = &requests[i];
        // The disk may be gone by now.
        int accepted = Kernel_SubmitBlock(disk, &request, 1);
        CHECK(accepted == 1 || (i > 0 && accepted == -1));
        if (accepted != 1) {
            Completion_Complete(&completions[i], BLOCK_GONE);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        int32_t status = 1;
        CHECK(Completion_WaitFor(&completions[i], TIMEOUT, &status));
        CHECK(status == BLOCK_GONE);
    }
    CHECK(Kernel_OpenBlock("vblk0", 0) == -1);
    if (errors == 0) {
        LOG("the disk is gone, and its requests know");
    }
    return -errors;
}
