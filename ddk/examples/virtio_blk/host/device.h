// A virtio disk on PCI (virtio 1.2) that the tests play, as far as the driver uses it, with a disk in memory.
#ifndef DEVICE_H
#define DEVICE_H

#include <proxima_mock.h>

#include "../virtio.h"

#define SECTOR 512u
#define SECTORS 2048u
#define QUEUES 4
#define RING 16

typedef struct {
    uint16_t size, vector, enabled, next; // `next` is the next element of the available ring
    uint16_t used;                        // the elements of the used ring so far
    uint64_t descriptors, available, used_ring;
} DeviceQueue;

// A command that was fetched and not completed.
typedef struct {
    int queue;
    uint16_t head;
} Held;

typedef struct {
    int id; // of Mock_Plug
    uint64_t offered;
    uint64_t accepted;
    uint32_t feature_select[2];
    uint16_t config_vector, queue_select, queue_count;
    uint8_t status, isr;
    DeviceQueue queues[QUEUES];
    bool is_silent;     // it fetches commands, and does not complete them
    bool is_broken;     // a reset does not end
    bool is_mute;       // it raises no interrupts
    int errors;         // so many commands end with an error
    int starts;         // how often it was started
    int commands;       // how many commands were fetched
    int interrupts;     // how many interrupts were raised
    uint64_t order;     // not 0: commands complete in an order that this seed determines
    Held held[QUEUES * RING];
    int held_count;
    uint8_t disk[SECTORS * SECTOR];
} Device;

// Plugs the device in: with so many vectors of MSI-X, or a line, or neither.
int plug(Device *device, uint64_t features, uint16_t vectors, bool has_line);

// Writes an element into a used ring, as if a command had completed, and interrupts if the driver wants that.
void complete_as(Device *device, int queue, uint32_t id, uint32_t length);

// Numbers that a seed determines.
uint64_t any_number(uint64_t *seed);

#endif
