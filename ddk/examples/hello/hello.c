// hello: the smallest driver. It logs one line and stays loaded.
#include <proxima.h>

int Driver_Init(void) {
    static const char text[] = "Hello from a driver";
    Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1);
    return 0;
}

void Driver_Exit(void) {}
