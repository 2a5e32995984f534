// A disk and its queues: what the files of this driver share, with the structures of NVM Express 1.4.
#ifndef NVME_H
#define NVME_H

#include <proxima.h>
#include <proxima_sync.h>

#pragma GCC visibility push(hidden)

#define HOT static inline __attribute__((always_inline))
#define COLD static __attribute__((cold, noinline))
#define likely(condition) __builtin_expect(!!(condition), 1)

// Bytes of a page.
#define PAGE 4096ull
// The most entries of a queue: an index into it is a byte.
#define ENTRIES 256
// The entries of a command's list of pages.
#define LIST 64
// The most queues.
#define MOST_QUEUES 64
// The first doorbell.
#define DOORBELLS 0x1000

// The opcodes of flush, write and read are 0, 1 and 2; the operations of the kernel are the other way round.
#define OPCODE_OF_READ 2
#define OPCODE_OF_FLUSH 0
// The lowest bit of a request's flags in `operation_and_flags`. The bits below are the operation.
#define FLAGS (1u << 16)
// The kinds of requests. Less a request's operation and flags this is its opcode, and above all opcodes for a request of the other kind.
#define POLLED ((uint32_t)OPCODE_OF_READ + FLAGS)
#define INTERRUPTING ((uint32_t)OPCODE_OF_READ)

_Static_assert(BLOCK_READ == 0 && BLOCK_WRITE == 1 && BLOCK_FLUSH == 2 && BLOCK_POLLED == 1, "as the opcodes say");
_Static_assert(offsetof(BlockRequest, Flags) == offsetof(BlockRequest, Operation) + 2, "they are read together");

// A command, in a submission queue.
typedef volatile struct {
    uint16_t opcode; // and no flags
    uint16_t id;
    uint32_t namespace;
    uint64_t reserved;
    uint64_t metadata;
    uint64_t data;      // the first page of the data, or its first bytes there
    uint64_t more_data; // the second page, or the list of all pages after the first
    uint64_t block;     // words 10 and 11: for a read or write, the first block
    uint32_t count;     // word 12: for a read or write, the number of blocks less 1
    uint32_t word13;
    uint64_t words14;
} Command;
_Static_assert(sizeof(Command) == 64, "as the controller reads it");

// A completion, in a completion queue.
typedef volatile struct {
    uint32_t result;
    uint32_t reserved;
    uint32_t queue;
    uint32_t status; // the command's id, the phase in bit 16, and the status above
} CompletionEntry;
_Static_assert(sizeof(CompletionEntry) == 16, "as the controller writes it");

// The phase in a completion's `status`.
#define PHASE (1ull << 16)

// The pages of a command after the first.
typedef volatile uint64_t List[LIST];
_Static_assert(PAGE % sizeof(List) == 0, "a list does not cross a page");

// The lower bits of an entry of the table of requests, which the request's address does not use: how often the watch has seen it.
#define AGE 7ull

// A submission queue, its completion queue, and what is outstanding in both.
typedef struct {
    Turn polling; // whoever has it uses `head` and `phase`
    Turn submitting; // whoever has it uses `tail`
    Command *commands;
    CompletionEntry *completions;
    volatile uint32_t *tail_doorbell, *head_doorbell;
    BlockRequest *left; // a list of requests that are to be submitted by the CPU that has the turn
    uint64_t phase;     // of the next completion
    uint32_t entries;   // of each queue: a power of two
    uint32_t mask;      // the entries, less 1
    uint32_t tail;      // where the next command goes
    uint32_t head;      // where the next completion will be
    List *lists;        // one for each tag
    uint64_t commands_at, completions_at, lists_at; // for the controller
    bool has_complained;
    uint16_t id;   // the number of both queues
    int interrupt; // of the completion queue; -1: none
    int node;      // of the memory
    volatile uint64_t requests[ENTRIES]; // the addresses of the outstanding requests, by their tags, with their ages; 0: none
} Pair;

// A queue of the disk, as the kernel sees it.
typedef struct {
    _Alignas(64) Pair polled;     // for requests whose submitter polls
    _Alignas(64) Pair own;        // for the others
    Pair *interrupting;           // `own`; `polled` if the controller has too few queues: then that one raises interrupts
} Queue;

// The admin queue: one command at a time.
typedef struct {
    Command *commands;
    CompletionEntry *completions;
    volatile uint32_t *identity; // what an Identify command returns
    uint64_t commands_at, completions_at, identity_at;
    uint32_t count; // the commands so far
} Admin;

typedef struct Disk Disk;

// An interrupt of a disk, which is for the queues from `index` on, each `vectors` further.
typedef struct {
    Disk *disk;
    int index;
} Vector;

struct Disk {
    int device;
    int block; // its id in the kernel; 0 before it is registered
    DeviceInfo info;
    volatile uint8_t *registers;
    uint64_t registers_bytes;
    uint32_t stride;  // bytes from one doorbell to the next
    uint32_t entries; // of an I/O queue
    uint64_t limit_ns; // for becoming ready
    Admin admin;
    uint32_t block_size;
    uint64_t blocks, max_bytes;
    int cpus[MOST_QUEUES]; // that the queues are for
    int queue_count;
    Queue *queues[MOST_QUEUES];
    Vector vectors[MOST_QUEUES];
    int vector_count;
    bool is_told_silent;
};

// Returns the operation and the flags of a request. One access reads both.
HOT uint32_t operation_and_flags(const BlockRequest *request) {
    uint32_t bits;
    __builtin_memcpy(&bits, &request->Operation, sizeof bits);
    return bits;
}

// nvme_c.c
void say(int level, const char *what, uint64_t number);

// admin.c
void *allocate_dma(const Disk *disk, uint64_t bytes, uint64_t *address, int *node);
const char *start_controller(Disk *disk);
void disable_controller(const Disk *disk);
uint32_t request_pairs(Disk *disk, uint32_t count);
bool tell_pair(Disk *disk, const Pair *pair);

// queue.c
const char *create_queues(Disk *disk);
int cpu_of_queue(const Disk *disk, int queue);
void complain(Pair *pair, const char *what, uint64_t number);

// submit.c
int submit(void *context, int index, BlockRequest *const *requests, int count);

// poll.c
int poll(void *context, int index);
bool has_interrupting(const Queue *queue);
uint64_t grow_older(Pair *pair);

#pragma GCC visibility pop

#endif
