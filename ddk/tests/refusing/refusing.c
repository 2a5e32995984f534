// refusing: refuses to start, with code -7.
#include <proxima.h>

int Driver_Init(void) {
    return -7;
}
