// The way of requests to the device and back. The kernel calls `submit` and `poll` on any CPU, also in handlers.
//
// Submitting holds the queue's lock. Polling holds `is_polling`, which is only tried: if another CPU polls the queue, or the code
// that an interrupt handler has interrupted, that one delivers what is there. Neither waits for the other.
//
// Interrupts: the device raises one when the index of the used ring passes `used_event`. If all submitters poll, that word stays behind,
// and there are none. If a submitter sleeps, the word is set before the device sees the request (`expect_interrupt`), and after each
// poll as long as one sleeps.
#include "disk.h"

#define HEADER_AT 0
#define STATUS_AT 1
#define DATA_AT 2

// How often a poll looks again for what came meanwhile. Each time an element must have come, so a sound device ends this earlier.
#define MOST_ROUNDS 1024

// The kernel is called through its address, without the detour of a jump table.
extern void Kernel_CompleteBlock(BlockRequest *request, int status) __attribute__((noplt));

// The descriptor's bits for data of a read and of a write. The status comes after it.
static const uint64_t DATA_BITS[2] = {
    [BLOCK_READ] = DESCRIPTOR_NEXT | DESCRIPTOR_DEVICE_WRITES | DESCRIPTOR_NEXT_INDEX(STATUS_AT),
    [BLOCK_WRITE] = DESCRIPTOR_NEXT | DESCRIPTOR_NEXT_INDEX(STATUS_AT),
};
_Static_assert(BLOCK_READ == OPERATION_READ && BLOCK_WRITE == OPERATION_WRITE, "the operation is passed on as it is");

#define HOT static inline __attribute__((always_inline))
#define COLD static __attribute__((cold, noinline))
#define likely(condition) __builtin_expect(!!(condition), 1)

// ---- Commands ----

// Returns the descriptors of a command: in a table of its own, or in the ring.
HOT Descriptor *descriptors_of(const Queue *queue, uint32_t tag, bool has_tables) {
    return has_tables ? queue->commands[tag].table : queue->descriptors + tag * CHAIN_LENGTH;
}

// Returns the index that `next` counts from, in the bits of a descriptor.
HOT uint64_t first_of(uint32_t tag, bool has_tables) {
    return has_tables ? 0 : DESCRIPTOR_NEXT_INDEX(tag * CHAIN_LENGTH);
}

HOT uint64_t header_bits(uint64_t first, int next) {
    return sizeof(Header) + DESCRIPTOR_NEXT + first + DESCRIPTOR_NEXT_INDEX(next);
}

// Prepares a flush. A device without that feature has no cache that it would flush; a question for its id takes the flush's way.
COLD void put_flush(const Queue *queue, uint32_t tag, Descriptor *table, uint64_t first) {
    Command *command = &queue->commands[tag];
    command->header.sector = 0;
    if (queue->disk->features & FEATURE_FLUSH) {
        command->header.operation = OPERATION_FLUSH;
        table[HEADER_AT].rest = header_bits(first, STATUS_AT);
        queue->slots[tag].expected = 1 | UNUSUAL_FLUSH;
    } else {
        uint64_t at = (uint64_t)((char *)command->id - (char *)queue->commands);
        command->header.operation = OPERATION_GET_ID;
        table[DATA_AT].address = queue->device_address + queue->commands_at + at;
        table[DATA_AT].rest = ID_BYTES + DATA_BITS[BLOCK_READ] + first;
        queue->slots[tag].expected = (ID_BYTES + 1) | UNUSUAL_ID;
    }
}

// Writes the descriptors of several segments, and returns their bytes.
COLD uint64_t put_segments(const BlockRequest *request, Descriptor *table, uint64_t first) {
    const DmaSegment *segments = request->Segments;
    uint64_t flags = (DATA_BITS[request->Operation] & 0xffff00000000ull) + first, bytes = 0;
    uint32_t last = request->SegmentCount - 1;
    for (uint32_t i = 0; i <= last; i++) {
        uint32_t next = i == last ? STATUS_AT : DATA_AT + i + 1;
        table[DATA_AT + i].address = segments[i].Address;
        table[DATA_AT + i].rest = segments[i].Bytes + flags + DESCRIPTOR_NEXT_INDEX(next);
        bytes += segments[i].Bytes;
    }
    return bytes;
}

HOT void put(const Queue *queue, BlockRequest *request, uint32_t tag, bool has_tables) {
    Command *command = &queue->commands[tag];
    Descriptor *table = descriptors_of(queue, tag, has_tables);
    Slot *slot = &queue->slots[tag];
    uint64_t first = first_of(tag, has_tables), operation = request->Operation, bytes;
    slot->request = request;
    command->status = BLOCK_STATUS_NONE;
    if (likely(request->SegmentCount == 1)) {
        bytes = request->Segments->Bytes;
        table[DATA_AT].address = request->Segments->Address;
        table[DATA_AT].rest = bytes + DATA_BITS[operation] + first;
    } else if (operation == BLOCK_FLUSH) {
        put_flush(queue, tag, table, first);
        return;
    } else {
        bytes = put_segments(request, table, first);
    }
    command->header.operation = operation;
    command->header.sector = request->Block << queue->sector_shift;
    // The device writes the status, and before it the data of a read.
    slot->expected = (bytes & (operation - BLOCK_WRITE)) + 1;
}

// ---- Submitting ----

// Sees to it that the next element of the used ring raises an interrupt. The device does not know the new requests yet.
COLD void expect_interrupt(Queue *queue, uint32_t sleepers) {
    uint32_t before = queue->sleepers;
    __atomic_store_n(&queue->sleepers, before + sleepers, __ATOMIC_SEQ_CST);
    // If others sleep, an interrupt is due for them, or a poll is, which sees the new number when it ends.
    if (!queue->has_events || __atomic_load_n(&queue->woken, __ATOMIC_SEQ_CST) != before) {
        return;
    }
    // The device may complete polled requests meanwhile, but not more than there are.
    for (uint32_t i = 0; i <= queue->depth; i++) {
        uint16_t index = __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED);
        *queue->used_event = index;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) == index) {
            return;
        }
    }
    report(queue->disk, MISTAKE_INDEX, "the device completes more than was submitted");
}

COLD void note_sleeper(const Queue *queue, uint32_t tag, uint32_t *sleepers) {
    queue->slots[tag].expected |= UNUSUAL_SLEEPER;
    *sleepers += 1;
}

// Returns true if the device wants to know of the requests from `old` to `next`. That was published with a barrier.
HOT bool wants_notification(const Queue *queue, uint16_t old, uint16_t next) {
    if (likely(queue->has_events)) {
        return (uint16_t)(next - *queue->available_event - 1) < (uint16_t)(next - old);
    }
    return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
}

// A command is free if its tag is, so there is always room.
HOT int submit(void *context, int index, BlockRequest *const *requests, int count, bool has_tables) {
    Queue *queue = &((Queue *)context)[(unsigned)index];
    BlockRequest *const *end = requests + count;
    uint32_t sleepers = 0;
    uint64_t flags = SpinLock_Lock(&queue->lock);
    uint16_t next = queue->available_index;
    do {
        BlockRequest *request = *requests;
        uint32_t tag = request->State & BLOCK_STATE_TAG;
        put(queue, request, tag, has_tables);
        if (!(request->Flags & BLOCK_POLLED)) {
            note_sleeper(queue, tag, &sleepers);
        }
        queue->available->ring[next & queue->mask] = (uint16_t)(has_tables ? tag : tag * CHAIN_LENGTH);
        next++;
    } while (++requests != end);
    if (sleepers != 0) {
        expect_interrupt(queue, sleepers);
    }
    queue->available_index = next;
    // The exchange is also the barrier between this and what the device says about notifications.
    uint16_t old = __atomic_exchange_n(&queue->available->index, next, __ATOMIC_SEQ_CST);
    SpinLock_Unlock(&queue->lock, flags);
    if (wants_notification(queue, old, next)) {
        *queue->doorbell = queue->index;
    }
    return count;
}

// ---- Polling ----

// Returns the status of a command whose completion is unusual or wrong.
COLD int judge(Queue *queue, uint32_t tag, uint32_t length, bool has_tables) {
    uint64_t expected = queue->slots[tag].expected;
    uint32_t bytes = (uint32_t)expected;
    if (expected & UNUSUAL_SLEEPER) {
        __atomic_store_n(&queue->woken, queue->woken + 1, __ATOMIC_RELAXED);
    }
    if (expected & UNUSUAL_FLUSH) {
        descriptors_of(queue, tag, has_tables)[HEADER_AT].rest = header_bits(first_of(tag, has_tables), DATA_AT);
    }
    uint8_t status = queue->commands[tag].status;
    if (expected & UNUSUAL_ID) {
        return BLOCK_OK;
    }
    if (status == BLOCK_STATUS_NONE) {
        report(queue->disk, MISTAKE_STATUS, "the device completed a request without a status");
    }
    if (status != BLOCK_STATUS_OK) {
        return BLOCK_ERROR;
    }
    if (length != bytes) {
        report(queue->disk, MISTAKE_LENGTH, "the device wrote another number of bytes than was to be read");
    }
    return length < bytes && bytes > 1 ? BLOCK_ERROR : BLOCK_OK;
}

// Completes the command that an element of the used ring names. Returns how many that are: 0 if the device may not name it.
HOT int complete(Queue *queue, uint64_t element, bool has_tables) {
    uint32_t id = (uint32_t)element, length = (uint32_t)(element >> 32);
    uint32_t tag = has_tables ? id : id / CHAIN_LENGTH;
    if (likely(tag < queue->depth && (has_tables || id % CHAIN_LENGTH == 0))) {
        Slot *slot = &queue->slots[tag];
        BlockRequest *request = slot->request;
        if (likely(request != NULL)) {
            slot->request = NULL;
            int status = BLOCK_OK;
            if (!likely(length == slot->expected && queue->commands[tag].status == BLOCK_STATUS_OK)) {
                status = judge(queue, tag, length, has_tables);
            }
            Kernel_CompleteBlock(request, status);
            return 1;
        }
    }
    report(queue->disk, MISTAKE_ID, "the device completed a command that is not outstanding");
    return 0;
}

// Makes the next element of the used ring, from `next` on, raise an interrupt. Returns false if one is there already.
COLD bool await_interrupt(Queue *queue, uint16_t next) {
    if (queue->has_events) {
        *queue->used_event = next;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) == next;
}

HOT int poll(void *context, int index, bool has_tables) {
    Queue *queue = &((Queue *)context)[(unsigned)index];
    int completed = 0;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        if (__atomic_exchange_n(&queue->is_polling, 1, __ATOMIC_SEQ_CST)) {
            break;
        }
        uint16_t next = queue->used_index;
        uint16_t count = (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) - next);
        if (!likely(count <= queue->depth)) {
            report(queue->disk, MISTAKE_INDEX, "the device completes more than was submitted");
            next = (uint16_t)(next + count);
            count = 0;
        }
        for (; count != 0; count--) {
            const UsedElement *element = &queue->used->ring[next++ & queue->mask];
            completed += complete(queue, *(const volatile uint64_t *)(const void *)element, has_tables);
        }
        queue->used_index = next;
        // The barrier lies between this and the number of sleepers.
        __atomic_exchange_n(&queue->is_polling, 0, __ATOMIC_SEQ_CST);
        if (likely(__atomic_load_n(&queue->sleepers, __ATOMIC_RELAXED) == queue->woken) || await_interrupt(queue, next)) {
            break;
        }
    }
    return completed;
}

// ---- The functions for both kinds of devices ----

static int submit_in_ring(void *context, int index, BlockRequest *const *requests, int count) {
    return submit(context, index, requests, count, false);
}

static int submit_in_tables(void *context, int index, BlockRequest *const *requests, int count) {
    return submit(context, index, requests, count, true);
}

static int poll_in_ring(void *context, int index) {
    return poll(context, index, false);
}

static int poll_in_tables(void *context, int index) {
    return poll(context, index, true);
}

const BlockSubmit submits[2] = {submit_in_ring, submit_in_tables};
const BlockPoll polls[2] = {poll_in_ring, poll_in_tables};
