// A disk and its queues: what the files of this driver share.
#ifndef DISK_H
#define DISK_H

#include <proxima.h>
#include <proxima_sync.h>

#include "log_line.h"
#include "virtio.h"

#pragma GCC visibility push(hidden)

// The largest ring that the driver uses.
#define MAX_RING 256
// Descriptors of a command in a table of its own. Two are the header's and the status's.
#define TABLE_LENGTH 29
// Descriptors of a command in the ring itself, if the device knows no indirect descriptors.
#define CHAIN_LENGTH 8

// One command, in memory that the device reads and writes. The driver believes nothing of what stands here but the status and the
// data, so that a device which writes elsewhere harms only its own requests.
typedef struct {
    Header header;
    uint8_t status;
    uint8_t id[ID_BYTES];
    _Alignas(16) Descriptor table[TABLE_LENGTH]; // that of the ring points here, if the device knows indirect descriptors
} Command;
_Static_assert(sizeof(Command) == 512, "a power of two, so that finding one is a shift");

// Far from the first index of a ring, so that there are no interrupts before a submitter sleeps.
#define FAR_INDEX 0x8000

// These bits make what is expected of a command larger than any length, so that one comparison finds both what is unusual and what is
// wrong.
#define UNUSUAL_SLEEPER (1ull << 32) // the submitter does not poll
#define UNUSUAL_FLUSH (1ull << 33)   // the command has no data
#define UNUSUAL_ID (1ull << 34)      // the command reads the device's id, for a flush
#define AGE_AT 40                    // from here on: how often the watch has found the command outstanding

typedef struct Disk Disk;

// One virtqueue. The kernel's tags number its commands: two requests that are outstanding have different ones.
typedef struct {
    // What submitting uses. Only the CPU that has the turn to submit writes here, except in `left`.
    Turn submitting;
    uint16_t index;
    uint16_t available_index; // what was published last
    uint32_t mask;            // of an index: the ring's size - 1
    uint32_t sectors_per_block;
    bool has_events;          // the event indices are in use
    bool has_tables;          // the device knows indirect descriptors
    uint32_t sleepers;        // requests accepted so far whose submitter does not poll
    Command *commands;
    Available *available;
    volatile uint16_t *available_event; // the device writes there when it wants to be notified
    volatile uint16_t *doorbell;
    Used *used;
    BlockRequest *left; // a list of requests that are to be submitted by the CPU that has the turn

    // What polling uses. Only the CPU that has the turn to poll writes here.
    _Alignas(64) Turn polling;
    uint32_t woken;      // requests completed so far whose submitter does not poll
    uint16_t used_index; // the next element of the used ring
    uint32_t depth;      // commands
    volatile uint16_t *used_event; // the driver writes there when it wants to be interrupted
    Disk *disk;

    // What the driver knows of each command; the device does not see it. First the requests: null if the command is not outstanding.
    // Then the bytes that the device writes, with the UNUSUAL_ bits; and where the command is, which takes a load and no arithmetic.
    _Alignas(64) BlockRequest *requests[MAX_RING];
    uint64_t expected[MAX_RING];
    Command *command[MAX_RING];

    // What only starting and stopping use.
    Descriptor *descriptors;
    uint64_t device_address; // of the DMA memory; 0: none
    uint64_t descriptors_at, available_at, used_at, commands_at; // offsets in the DMA memory
    int cpu;  // that handles the queue's interrupts
    int node; // of the memory
    SpinLock restarting; // keeps interrupts off while a restart has the turn to submit
} Queue;

// One interrupt of the device, and the queues that it is for: `first`, and every `step`-th after it.
typedef struct {
    Disk *disk;
    int first, step;
    int queue; // its queue, if there is only one
    int cpu;
} Vector;

struct Disk {
    Disk *next;
    int device;
    int block; // its id in the kernel; 0 before it is registered and after it is gone
    char name[KERNEL_BLOCK_NAME_SIZE];
    DeviceInfo info;
    CommonConfig *common;
    BlockConfig *config;
    volatile uint8_t *notify;
    volatile uint8_t *isr;
    uint64_t notify_bytes, config_bytes;
    uint32_t notify_multiplier;
    uint64_t features;
    bool has_tables; // the device knows indirect descriptors
    int queue_count;
    Queue **queues;
    int vector_count; // 0: there are no interrupts
    bool has_messages;
    Vector *vectors;
    uint32_t attention; // the watch waits here
    uint32_t is_behind; // the watch polls, because a poll has ended before all was completed
    uint32_t is_stopping;
    int watch; // the thread; -1: none
    uint32_t reported; // mistakes of the device that were logged, as bits
    // What is shown: requests that have failed, completions of commands that were not outstanding, resets because of no answer.
    uint64_t failed, stray, restarts;
};

// transport.c
bool find_registers(Disk *disk);
void unmap_registers(const Disk *disk);
bool negotiate(Disk *disk);
bool reset(Disk *disk);
uint16_t queue_size(Disk *disk, int index);
bool enable_queue(Disk *disk, Queue *queue, uint16_t vector);
bool is_alive(Disk *disk);
void start(Disk *disk);

// submit.c
BlockSubmit submit_for(const Disk *disk);
uint64_t begin_submitting(Queue *queue);
void end_submitting(Queue *queue, uint64_t flags);

// poll.c
BlockPoll poll_for(const Disk *disk);

// queue.c
bool create_queue(Disk *disk, int index, int cpu);
void free_queue(Queue *queue);
uint32_t most_segments(const Disk *disk);
void prepare_commands(const Disk *disk, Queue *queue);

// interrupts.c
void allocate_interrupts(Disk *disk);
bool attach_interrupts(Disk *disk);
bool set_device_vector(Disk *disk);
void detach_interrupts(const Disk *disk);
uint16_t vector_of(const Disk *disk, int queue);
bool start_watch(Disk *disk);
void wake_watch(Disk *disk);
void stop_watch(Disk *disk);

// restart.c
bool has_too_old(const Disk *disk);
void grow_older(Disk *disk);
bool start_queues(Disk *disk);
bool restart(Disk *disk);

// counters.c
void publish_counters(Disk *disk);
void withdraw_counters(Disk *disk);
void count_one(uint64_t *counter);
int most_queues(void);

// virtio_blk.c
void say(int level, const Disk *disk, const char *what);
void close_disk(Disk *disk);

// Mistakes of a device, each of which is logged once.
#define MISTAKE_ID 1
#define MISTAKE_LENGTH 2
#define MISTAKE_INDEX 4
void report(Disk *disk, uint32_t mistake, const char *what);

#pragma GCC visibility pop

#endif
