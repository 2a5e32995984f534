// refusing: is loaded and started, and refuses with code -7.
#include <proxima.h>

int Driver_Init(void) {
    return -7;
}
