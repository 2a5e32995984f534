// left_timer: refuses to start, and leaves timers on all CPUs and memory of each CPU. If a timer called its callback after the driver is
// unloaded, the machine would stop.
#include <proxima.h>

static uint32_t calls;

static void count(void *context) {
    __atomic_fetch_add((uint32_t *)context, 1, __ATOMIC_RELAXED);
}

int Driver_Init(void) {
    PerCpuGrant grant = {.Size = sizeof grant};
    if (!Kernel_AllocatePerCpu(100, &grant)) {
        return -1;
    }
    for (int cpu = 0; cpu < Kernel_GetCpuCount(); cpu++) {
        if (Kernel_IsCpuOnline(cpu)) {
            int timer = Kernel_CreateTimer(count, &calls, cpu);
            if (timer < 0 || !Kernel_SetTimer(timer, 1, 100000)) {
                return -2;
            }
        }
    }
    while (__atomic_load_n(&calls, __ATOMIC_RELAXED) < 10) {
        Kernel_SleepThread(1000000);
    }
    return -6;
}
