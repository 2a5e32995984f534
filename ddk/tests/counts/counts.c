// counts: asks what the driver `counted` has, and unloads it.
#include "../counted/counted.h"

#include <proxima_freestanding.h>

#include "../check.h"

int Driver_Init(void) {
    DriverStatistics now = {.Size = sizeof now}, own = now;
    const DriverStatistics *have = Kernel_UseInterface(COUNTED_NAME, COUNTED_VERSION, sizeof *have);
    CHECK(have != NULL && Kernel_GetDriverStatistics("counted", &now));
    if (have == NULL) {
        return -1;
    }
    // The thread of its Driver_Init has ended.
    CHECK(have->Threads == 1 && now.Threads == 0);
    CHECK(now.Pages == have->Pages && now.HeapBytes == have->HeapBytes && now.DmaBytes == have->DmaBytes);
    CHECK(now.Interrupts == have->Interrupts && now.Timers == have->Timers && now.Mappings == have->Mappings && now.Faults == 0);
    CHECK(now.Pages == 1 + 2 * (uint64_t)Kernel_GetCpuCount() && now.Interrupts == 1 && now.Timers == 1 && now.Mappings == 1);
    CHECK(Kernel_GetDriverStatistics(NULL, &own) && own.Threads == 1 && own.Pages == 0 && own.HeapBytes == 0);
    char value[8];
    CHECK(Kernel_GetParameter("queues", value, sizeof value) == -1); // that of `counted`
    CHECK(!Kernel_PublishCounter("requests", NULL));                 // so is that
    Kernel_ReleaseInterface(have);
    CHECK(Kernel_UnloadDriver("counted") == 0);
    CHECK(!Kernel_GetDriverStatistics("counted", &now));
    return errors;
}
