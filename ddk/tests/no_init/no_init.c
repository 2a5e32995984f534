// no_init: defines no Driver_Init, so there is nothing to start.
#include <proxima.h>

void Driver_Exit(void) {}
