// read_block: reads the first block of the disk vblk0, and says how it begins.
#include <proxima.h>
#include <proxima_sync.h>

#define DISK "vblk0"
#define BYTES 4096  // room for the largest block that is read
#define SECOND 1000000000ull

#define SAY(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

// Ends with the request's status.
static Completion answer;

// The kernel calls this when the request has ended, maybe in an interrupt handler.
static void done(BlockRequest *request) {
    Completion_Complete(&answer, request->Status);
}

// Reads the first block of a disk into memory of the driver's. Returns true if that has succeeded.
static bool read_first_block(int disk, void *memory) {
    BlockInfo info = {.Size = sizeof info};
    if (!Kernel_GetBlockInfo(disk, &info) || info.BlockSize > BYTES) {
        return false;
    }
    // Both stay as they are until the request has ended, even if this function does not wait for that.
    static DmaSegment segments[1];
    static BlockRequest request;
    // Where the disk's device finds the memory.
    if (Kernel_MapDma(info.Device, memory, info.BlockSize, DMA_FROM_DEVICE, segments, 1) != 1) {
        return false;
    }
    request = (BlockRequest){
        .Size = sizeof request, .Operation = BLOCK_READ, .Block = 0, .Count = 1, .Segments = segments, .SegmentCount = 1,
        .Queue = -1, .Done = done,
    };
    BlockRequest *requests[] = {&request};
    int32_t status = BLOCK_ERROR;
    if (Kernel_SubmitBlock(disk, requests, 1) != 1 || !Completion_WaitFor(&answer, 10 * SECOND, &status)) {
        return false;  // the kernel takes the memory back, when no request is outstanding
    }
    Kernel_UnmapDma(info.Device, segments, 1);
    return status == BLOCK_OK;
}

// Says what the first 8 bytes are.
static void say_bytes(const uint8_t *bytes) {
    static const char digits[] = "0123456789abcdef";
    char text[] = "the first block of " DISK " begins with 0000000000000000";
    char *to = text + sizeof text - 1 - 16;
    for (int index = 0; index < 8; index++) {
        *to++ = digits[bytes[index] >> 4];
        *to++ = digits[bytes[index] & 15];
    }
    SAY(text);
}

int Driver_Init(void) {
    int disk = Kernel_OpenBlock(DISK, 0);
    if (disk < 0) {
        SAY("there is no disk " DISK);
        return -1;
    }
    uint8_t *memory = Kernel_AllocateMemory(BYTES, BYTES);
    if (memory == NULL || !read_first_block(disk, memory)) {
        return -2;
    }
    say_bytes(memory);
    Kernel_FreeMemory(memory);
    return 0;
}
