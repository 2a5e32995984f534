// no_init: defines no Driver_Init, so the kernel cannot start it.
#include <proxima.h>

void Driver_Exit(void) {}
