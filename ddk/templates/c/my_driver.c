// my_driver: says hello, on which node it runs, and goodbye.
#include <proxima.h>

#define SAY(text) Kernel_Log(KERNEL_LOG_INFO, text, sizeof text - 1)

// Starts the driver. A negative number refuses to start: the kernel logs it and takes back what the driver has.
int Driver_Init(void) {
    int node = Kernel_GetCurrentNumaNode();
    if (node < 0 || node >= Kernel_GetNumaNodeCount()) {
        return -1;
    }
    char text[] = "Hello from my_driver on node 000";
    for (char *digit = text + sizeof text - 2; node > 0; node /= 10) {
        *digit-- += node % 10;
    }
    SAY(text);
    return 0;
}

// Stops the driver, when it is unloaded. The kernel takes back what is left, except for pages.
void Driver_Exit(void) {
    SAY("Goodbye");
}
