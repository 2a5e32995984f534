// unloads: loads and unloads the drivers `busy` and `nothing`, and checks what the kernel refuses, and that nothing is lost.
#include <proxima.h>
#include <proxima_freestanding.h>

#include "../busy/busy.h"
#include "../check.h"
#include "../free_pages.h"

#define ROUNDS 20
#define FEW_PAGES 16 // what the heaps may hold more or less

static void load_and_unload(const char *name, int rounds) {
    for (int round = 0; round < rounds; round++) {
        CHECK(Kernel_LoadDriver(name) == 0);
        CHECK(Kernel_UnloadDriver(name) == 0);
    }
}

static void wrong_calls(void) {
    CHECK(Kernel_UnloadDriver("unloads") == -1);
    CHECK(Kernel_UnloadDriver("nobody") == -1);
    CHECK(Kernel_UnloadDriver(NULL) == -1);
    CHECK(Kernel_LoadDriver("nobody") == -1);
    CHECK(Kernel_LoadDriver(NULL) == -1);
    CHECK(Kernel_LoadDriver("busy") == -1); // it is loaded
    CHECK(!Kernel_IsStopping());
    CHECK(Kernel_UseInterface("nothing", 1, 1) == NULL);
    CHECK(Kernel_UseInterface(BUSY_NAME, BUSY_VERSION + 1, 1) == NULL);
    CHECK(Kernel_UseInterface(BUSY_NAME, BUSY_VERSION, sizeof(BusyTable) + 1) == NULL);
    CHECK(Kernel_UseInterface(NULL, BUSY_VERSION, 1) == NULL);
    CHECK(!Kernel_PublishInterface(BUSY_NAME, BUSY_VERSION, &errors, sizeof errors)); // it exists
    CHECK(!Kernel_PublishInterface("", 1, &errors, sizeof errors));
    CHECK(!Kernel_PublishInterface(NULL, 1, &errors, sizeof errors));
    CHECK(!Kernel_PublishInterface("own", 1, NULL, 4));
    CHECK(!Kernel_PublishInterface("own", 1, &errors, 0));
    char name[KERNEL_INTERFACE_NAME_SIZE + 1];
    memset(name, 'n', sizeof name);
    name[KERNEL_INTERFACE_NAME_SIZE] = 0;
    CHECK(!Kernel_PublishInterface(name, 1, &errors, sizeof errors));
    name[KERNEL_INTERFACE_NAME_SIZE - 1] = 0;
    CHECK(Kernel_PublishInterface(name, 1, &errors, sizeof errors));
    Kernel_ReleaseInterface(&errors); // which this driver does not use
}

// Another driver's pages are not freed, in whatever way.
static void pages_of_another(const BusyTable *table) {
    CHECK(!Kernel_FreePage(table->page));
    CHECK(!Kernel_FreePages(table->page, 1));
    CHECK(!Kernel_FreePages(table->run, BUSY_RUN));
    CHECK(!Kernel_FreePage(table->run));
    CHECK(!Kernel_FreePages(table->run + 4096, BUSY_RUN - 1));
    CHECK(!Kernel_FreePages(table->block, BUSY_BLOCK));
    CHECK(!Kernel_FreePage(table->block));
}

// The numbers of a node follow what is granted and freed.
static void statistics(void) {
    NumaNodeStatistics before = {.Size = sizeof before}, after = before, wrong = {.Size = sizeof wrong - 1};
    for (int node = 0; node < Kernel_GetNumaNodeCount(); node++) {
        // Page tables that the kernel needs for such pages stay.
        CHECK(Kernel_FreePages(Kernel_AllocatePagesFromNode(512, node), 512));
        CHECK(Kernel_GetNumaNodeStatistics(node, &before));
        uint64_t pages = Kernel_AllocatePagesFromNode(512, node);
        CHECK(!Kernel_FreePages(pages, 511));
        CHECK(pages != 0 && Kernel_GetNumaNodeStatistics(node, &after));
        CHECK(after.Free == before.Free - 512 && after.Hit == before.Hit + 512 && after.Refused == before.Refused + 1);
        CHECK(after.Total == before.Total && after.Managed == before.Managed && after.Managed <= after.Total);
        CHECK(after.Hit + after.Miss == after.Local + after.Other && after.LargestFree <= after.Free);
        CHECK(Kernel_FreePages(pages, 512) && Kernel_GetNumaNodeStatistics(node, &after) && after.Free == before.Free);
    }
    CHECK(!Kernel_GetNumaNodeStatistics(-1, &after) && !Kernel_GetNumaNodeStatistics(Kernel_GetNumaNodeCount(), &after));
    CHECK(!Kernel_GetNumaNodeStatistics(0, &wrong) && !Kernel_GetNumaNodeStatistics(0, NULL));
    CHECK(Kernel_GetVersion() >> 16 < 100 && Kernel_GetVersion() != 0);
}

static void interface_in_use(void) {
    const BusyTable *table = Kernel_UseInterface(BUSY_NAME, BUSY_VERSION, sizeof *table);
    CHECK(table != NULL && table->threads == 8 && table->timers > 0);
    CHECK(Kernel_UseInterface(BUSY_NAME, BUSY_VERSION, 1) == table);
    CHECK(Kernel_UnloadDriver("busy") == -1);
    Kernel_ReleaseInterface(table);
    CHECK(Kernel_UnloadDriver("busy") == -1);
    pages_of_another(table);
    Kernel_ReleaseInterface(table);
}

int Driver_Init(void) {
    wrong_calls();
    statistics();
    interface_in_use();
    CHECK(Kernel_UnloadDriver("busy") == 0);
    CHECK(Kernel_UseInterface(BUSY_NAME, BUSY_VERSION, 1) == NULL);
    CHECK(Kernel_UnloadDriver("busy") == -1);
    load_and_unload("busy", 2);
    CHECK(Kernel_UnloadDriver("nothing") == 0);
    load_and_unload("nothing", ROUNDS);
    uint64_t before = free_pages();
    load_and_unload("nothing", ROUNDS);
    uint64_t after = free_pages();
    CHECK(after + FEW_PAGES > before);
    load_and_unload("busy", 1);
    before = free_pages();
    CHECK(after + FEW_PAGES > before && before + FEW_PAGES > after);
    return -errors;
}
