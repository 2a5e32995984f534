// kernel_pages: tries to free pages that the kernel allocated for itself, whose addresses any driver can find out.
//
// It refuses to start; its code is the number of frees that the kernel did not refuse. A kernel that frees such a page hands it
// out again, and breaks sooner or later.
#include <proxima.h>
#include <proxima_freestanding.h>

#define PAGE KERNEL_PAGE_SIZE
// Pages in a thread's stack, which are one grant where the node has such a run.
#define STACK_PAGES 16

static int errors;

static void refused(bool freed, const char *what, size_t length) {
    if (freed) {
        errors++;
        Kernel_Log(KERNEL_LOG_ERROR, what, length);
    }
}

#define REFUSED(call) refused(call, "this was not refused: " #call, sizeof "this was not refused: " #call - 1)

static uint64_t page_of(const void *address) {
    return Kernel_VirtToPhys(address) & ~(uint64_t)(PAGE - 1);
}

static void own_stack(void) {
    int local = 0;
    uint64_t page = page_of(&local);
    for (uint64_t below = 0; below < STACK_PAGES; below++) {
        REFUSED(Kernel_FreePages(page - below * PAGE, STACK_PAGES));
        REFUSED(Kernel_FreePage(page - below * PAGE));
    }
}

static int on_own_stack(void *argument) {
    (void)argument;
    own_stack();
    return 0;
}

static void page_tables(void) {
    uint64_t root;
    __asm__ volatile("mov %%cr3, %0" : "=r"(root));
    root &= ~(uint64_t)(PAGE - 1);
    REFUSED(Kernel_FreePage(root));
    // The tables that it leads to.
    const uint64_t *entries = Kernel_PhysToVirt(root);
    for (size_t i = 0; entries && i < PAGE / sizeof *entries; i++) {
        if (entries[i] & 1) {
            REFUSED(Kernel_FreePage(entries[i] & 0x000ffffffffff000ull));
        }
    }
}

// The CPU's GDT lies in the CPU's own area.
static void cpu_area(void) {
    struct __attribute__((packed)) { unsigned short limit; unsigned long base; } gdt;
    __asm__ volatile("sgdt %0" : "=m"(gdt));
    REFUSED(Kernel_FreePage(page_of((const void *)gdt.base)));
}

static void heap(void) {
    void *memory = Kernel_AllocateMemory(64, 8);
    REFUSED(Kernel_FreePage(page_of(memory)));
    Kernel_FreeMemory(memory);
}

int Driver_Init(void) {
    own_stack();
    int code, thread = Kernel_CreateThread("on its own stack", on_own_stack, NULL, -1);
    if (thread <= 0 || Kernel_JoinThread(thread, &code) != 0) {
        errors++;
    }
    page_tables();
    cpu_area();
    heap();
    REFUSED(Kernel_FreePage(page_of((const void *)Driver_Init)));
    REFUSED(Kernel_FreePage(page_of(&errors)));
    return -errors;
}
