// unloads_failing: unloads the drivers that fail in Driver_Exit and Driver_RemoveDevice. -DKINDS=… and -DPLACES=… are the parts of their
// names. A driver that has failed has ended nevertheless, so it can be loaded again; it then fails again.
#include <proxima.h>

#include "../check.h"

static const char *const kinds[] = {KINDS};
static const char *const places[] = {PLACES};

static void unload(const char *kind, const char *place) {
    char name[64];
    size_t length = 0;
    for (const char *part = kind; *part; part++) {
        name[length++] = *part;
    }
    name[length++] = '_';
    for (const char *part = place; *part; part++) {
        name[length++] = *part;
    }
    name[length] = 0;
    CHECK(Kernel_UnloadDriver(name) == 0);
    CHECK(Kernel_UnloadDriver(name) == -1);
    CHECK(Kernel_LoadDriver(name) == 0);
    CHECK(Kernel_UnloadDriver(name) == 0);
}

int Driver_Init(void) {
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
            unload(kinds[kind], places[place]);
        }
    }
    return -errors;
}
