// talkative: four threads each log 20 lines of 4,000 bytes. A line has the thread's letter, the line's number, and the letter
// again until the line is full.
#include <proxima.h>
#include <proxima_freestanding.h>

#define THREADS 4
#define LINES 20
#define LENGTH 4000

static int talk(void *argument) {
    char line[LENGTH];
    char letter = (char)('a' + (intptr_t)argument);
    memset(line, letter, LENGTH);
    for (int number = 0; number < LINES; number++) {
        line[1] = ' ';
        line[2] = (char)('0' + number / 10);
        line[3] = (char)('0' + number % 10);
        line[4] = ' ';
        Kernel_Log(KERNEL_LOG_INFO, line, LENGTH);
    }
    return 0;
}

int Driver_Init(void) {
    int threads[THREADS];
    int nodes = Kernel_GetNumaNodeCount();
    for (int i = 0; i < THREADS; i++) {
        threads[i] = Kernel_CreateThread("talker", talk, (void *)(intptr_t)i, i % nodes);
    }
    int errors = 0;
    for (int i = 0; i < THREADS; i++) {
        errors += threads[i] <= 0 || Kernel_JoinThread(threads[i], NULL) != 0;
    }
    return errors;
}
