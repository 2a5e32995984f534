// nothing: does nothing. The driver `unloads` loads and unloads it again and again.
#include <proxima.h>

int Driver_Init(void) {
    return 0;
}
