// What the driver counts for each disk and shows, and its parameter: the most queues of a disk.
#include "disk.h"

typedef struct {
    const char *name;
    uint64_t *counter;
} Shown;

#define SHOWN 3

static void list(Disk *disk, Shown *shown) {
    shown[0] = (Shown){"failed", &disk->failed};
    shown[1] = (Shown){"stray", &disk->stray};
    shown[2] = (Shown){"restarts", &disk->restarts};
}

// Publishes or withdraws the counter of this name, with that of the disk before it.
static bool publish(const Disk *disk, const char *name, const uint64_t *counter) {
    LogLine whole = {0};
    add_text(&whole, disk->name);
    add_character(&whole, '.');
    add_text(&whole, name);
    return whole.length < KERNEL_COUNTER_NAME_SIZE && Kernel_PublishCounter(whole.text, counter);
}

void publish_counters(Disk *disk) {
    Shown shown[SHOWN];
    bool all = true;
    list(disk, shown);
    for (int i = 0; i < SHOWN; i++) {
        all &= publish(disk, shown[i].name, shown[i].counter);
    }
    if (!all) {
        say(KERNEL_LOG_WARN, disk, "not all counters are shown: there is no memory");
    }
}

// Before the disk's memory is freed.
void withdraw_counters(Disk *disk) {
    Shown shown[SHOWN];
    list(disk, shown);
    for (int i = 0; disk->name[0] && i < SHOWN; i++) {
        publish(disk, shown[i].name, NULL);
    }
}

void count_one(uint64_t *counter) {
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

int most_queues(void) {
    char text[8];
    int length = Kernel_GetParameter("queues", text, sizeof text), number = 0;
    for (int i = 0; i < length && i < (int)sizeof text; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        number = is_digit && number >= 0 && number < 10000 ? 10 * number + (text[i] - '0') : -1;
    }
    if (length < 0) {
        return KERNEL_BLOCK_MAX_QUEUES;
    }
    if (number < 1 || number > KERNEL_BLOCK_MAX_QUEUES) {
        LogLine line = {0};
        add_text(&line, "the parameter queues is ignored: its value must be a number from 1 to ");
        add_number(&line, KERNEL_BLOCK_MAX_QUEUES);
        write_line(KERNEL_LOG_WARN, &line);
        return KERNEL_BLOCK_MAX_QUEUES;
    }
    return number;
}
