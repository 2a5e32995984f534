// in_turns: takes memory of the last node and keeps a CPU of it busy for some seconds, gives the memory back and sleeps as long, and so on.
//
// A test looks at the screen meanwhile. So the driver logs nothing but that it cannot begin.
#include <proxima.h>

// 96 MiB in blocks of 1 MiB.
#define BLOCKS 96
#define PAGES_IN_BLOCK 256
#define SECOND 1000000000ull
#define TURN (4 * SECOND)

static uint64_t blocks[BLOCKS];

// Moves the calling thread to the last CPU, which is one of the last node.
static void stay_on_the_last_cpu(void) {
    int last = Kernel_GetCpuCount() - 1;
    uint64_t cpus[16] = {0};
    cpus[last / 64] = 1ull << last % 64;
    Kernel_SetThreadAffinity(Kernel_GetCurrentThread(), cpus, 16);
}

static int take_turns(void *argument) {
    (void)argument;
    int node = Kernel_GetNumaNodeCount() - 1;
    stay_on_the_last_cpu();
    while (!Kernel_IsStopping()) {
        for (int block = 0; block < BLOCKS; block++) {
            blocks[block] = Kernel_AllocatePagesFromNode(PAGES_IN_BLOCK, node);
        }
        uint64_t end = Kernel_GetTime() + TURN;
        while (Kernel_GetTime() < end && !Kernel_IsStopping()) {
        }
        for (int block = 0; block < BLOCKS; block++) {
            if (blocks[block] != 0) {
                Kernel_FreePages(blocks[block], PAGES_IN_BLOCK);
            }
        }
        Kernel_SleepThread(TURN);
    }
    return 0;
}

int Driver_Init(void) {
    return Kernel_CreateThread("in turns", take_turns, NULL, -1) > 0 ? 0 : -1;
}
