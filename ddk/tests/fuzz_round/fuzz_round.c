// fuzz_round: one round of the fuzzer of the exports. Unloads the driver `fuzz_exports` with all that it has, and the round before, loads the former
// again, which runs it, and checks that no page is lost since the first rounds. Copies of this driver, under other names, are the further rounds.
#include "../hostages/hostages.h"

#include <proxima_freestanding.h>

#include "../check.h"
#include "../free_pages.h"

#define WARM_UP 4 // rounds until the kernel has most of the page tables and lists that it keeps for ever
// What the kernel may keep of later rounds: page tables and lists for more things at once than in any round before, and in each round the name of
// a driver, of which a page has eight or more. Up to 22 were seen by the 38th round. So the loss of a page in each round is found by the 42nd.
#define FEW_PAGES(rounds) (32 + (rounds) / 8)

static void lost(uint64_t pages) {
    char text[] = "this does not hold: no page is lost; how many are: 0000000";
    for (char *digit = text + sizeof text - 2; pages > 0; digit--, pages /= 10) {
        *digit = (char)('0' + pages % 10);
    }
    failed(text, sizeof text - 1);
}

// Unloads the driver of the round before, if there was one: its image must not count.
static void unload_round(uint32_t round) {
    char name[] = "fuzz_round_0000000";
    char *digit = name + sizeof "fuzz_round_" - 1, digits[8];
    int count = 0;
    for (; round > 0; round /= 10) {
        digits[count++] = (char)('0' + round % 10);
    }
    while (count > 0) {
        *digit++ = digits[--count];
    }
    *digit = 0;
    CHECK(Kernel_UnloadDriver(name) == 0);
}

int Driver_Init(void) {
    Hostages *hostages = (Hostages *)Kernel_UseInterface(HOSTAGES_NAME, HOSTAGES_VERSION, sizeof *hostages);
    CHECK(hostages != NULL);
    if (hostages == NULL) {
        return -1;
    }
    // It was loaded at boot, or by the round before.
    CHECK(Kernel_UnloadDriver("fuzz_exports") == 0);
    if (hostages->rounds > 1) {
        unload_round(hostages->rounds - 1);
    }
    uint64_t pages = free_pages();
    if (hostages->rounds <= WARM_UP) {
        hostages->free_pages = pages;
    }
    if (pages + FEW_PAGES(hostages->rounds) < hostages->free_pages) {
        lost(hostages->free_pages - pages);
    }
    CHECK(*hostages->block == HOSTAGES_MARK);
    CHECK(Kernel_LoadDriver("fuzz_exports") == 0);
    Kernel_ReleaseInterface(hostages);
    return errors;
}
