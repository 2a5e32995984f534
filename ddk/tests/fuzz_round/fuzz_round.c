// fuzz_round: one round of the fuzzer of the exports. Unloads the driver `fuzz_exports` with all that it has, loads it again, which runs it, and
// checks that no page is lost since the first rounds. Copies of this driver, under other names, are the further rounds.
#include "../hostages/hostages.h"

#include <proxima_freestanding.h>

#include "../check.h"
#include "../free_pages.h"

#define WARM_UP 4       // rounds until the kernel has the page tables and lists that it keeps for ever
#define FEW_PAGES 160 // what the kernel keeps of later rounds: some 100 by the 24th, and hardly more by the 78th

static void lost(uint64_t pages) {
    char text[] = "this does not hold: no page is lost; how many are: 0000000";
    for (char *digit = text + sizeof text - 2; pages > 0; digit--, pages /= 10) {
        *digit = (char)('0' + pages % 10);
    }
    failed(text, sizeof text - 1);
}

int Driver_Init(void) {
    Hostages *hostages = (Hostages *)Kernel_UseInterface(HOSTAGES_NAME, HOSTAGES_VERSION, sizeof *hostages);
    CHECK(hostages != NULL);
    if (hostages == NULL) {
        return -1;
    }
    // It was loaded at boot, or by the round before.
    CHECK(Kernel_UnloadDriver("fuzz_exports") == 0);
    uint64_t pages = free_pages();
    if (hostages->rounds <= WARM_UP) {
        hostages->free_pages = pages;
    }
    if (pages + FEW_PAGES < hostages->free_pages) {
        lost(hostages->free_pages - pages);
    }
    CHECK(*hostages->block == HOSTAGES_MARK);
    CHECK(Kernel_LoadDriver("fuzz_exports") == 0);
    Kernel_ReleaseInterface(hostages);
    return errors;
}
