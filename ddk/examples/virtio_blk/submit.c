// Submitting requests. The kernel calls this on any CPU, also in handlers.
//
// The CPU that has the turn to submit writes commands and the available ring. Another CPU, or an interrupt handler, leaves its requests to
// that CPU (`leave`). So nobody waits, and interrupts stay on.
//
// Interrupts: the device raises one when the index of the used ring passes `used_event`. If all submitters poll, that word stays behind,
// and there are none. If a submitter sleeps, the word is set before the device sees the request (`expect_interrupt`), and after each
// poll as long as one sleeps.
#include "commands.h"

// The operation and the flags of a request, which lie side by side, if it is a read whose submitter polls. For a write they are 1 more.
#define POLLED_READ ((uint32_t)BLOCK_POLLED << 16)

_Static_assert(BLOCK_READ == OPERATION_READ && BLOCK_WRITE == OPERATION_WRITE, "the operation is passed on as it is");
_Static_assert(BLOCK_READ == 0 && BLOCK_WRITE == 1, "as POLLED_READ says");
_Static_assert(offsetof(BlockRequest, Flags) == offsetof(BlockRequest, Operation) + 2, "as POLLED_READ says");

// ---- Commands ----

// Returns the bits of the descriptor for the data of a read or write. The status comes after it.
HOT uint64_t data_bits(uint32_t operation) {
    uint64_t bits = DESCRIPTOR_NEXT | DESCRIPTOR_NEXT_INDEX(STATUS_AT);
    return operation == BLOCK_READ ? bits | DESCRIPTOR_DEVICE_WRITES : bits;
}

// Prepares a flush. A device without that feature has no cache that it would flush; a question for its id takes the flush's way.
COLD void put_flush(Queue *queue, uint64_t tag, Descriptor *table, uint64_t first) {
    Command *command = queue->command[tag];
    command->header.sector = 0;
    if (queue->disk->features & FEATURE_FLUSH) {
        command->header.operation = OPERATION_FLUSH;
        table[HEADER_AT].rest = header_bits(first, STATUS_AT);
        queue->expected[tag] = 1 | UNUSUAL_FLUSH;
    } else {
        uint64_t at = (uint64_t)((char *)command->id - (char *)queue->commands);
        command->header.operation = OPERATION_GET_ID;
        table[DATA_AT].address = queue->device_address + queue->commands_at + at;
        table[DATA_AT].rest = ID_BYTES + data_bits(BLOCK_READ) + first;
        queue->expected[tag] = (ID_BYTES + 1) | UNUSUAL_ID;
    }
}

// Writes the descriptors of several segments, and returns their bytes.
COLD uint64_t put_segments(const BlockRequest *request, Descriptor *table, uint64_t first) {
    const DmaSegment *segments = request->Segments;
    uint64_t flags = (data_bits(request->Operation) & 0xffff00000000ull) + first, bytes = 0;
    uint32_t last = request->SegmentCount - 1;
    for (uint32_t i = 0; i <= last; i++) {
        uint32_t next = i == last ? STATUS_AT : DATA_AT + i + 1;
        table[DATA_AT + i].address = segments[i].Address;
        table[DATA_AT + i].rest = segments[i].Bytes + flags + DESCRIPTOR_NEXT_INDEX(next);
        bytes += segments[i].Bytes;
    }
    return bytes;
}

// Returns true if a request has one segment, its submitter polls, and it has this operation, BLOCK_READ or BLOCK_WRITE.
HOT bool is_usual_request(const BlockRequest *request, uint32_t operation) {
    uint32_t bits;
    __builtin_memcpy(&bits, &request->Operation, sizeof bits);
    return bits == POLLED_READ + operation && request->SegmentCount == 1;
}

// The kernel's tags are below the depth, which is at most MAX_RING.
HOT uint64_t tag_of(const BlockRequest *request) {
    uint16_t tag;
    __builtin_memcpy(&tag, &request->State, sizeof tag);
    return tag;
}

// Writes the header of a read or write, and the bytes that are expected of it: the status, and before it the data of a read.
HOT void put_header(Queue *queue, const BlockRequest *request, uint64_t tag, uint32_t operation, uint64_t bytes) {
    Header *header = &queue->command[tag]->header;
    header->operation = operation;
    header->sector = request->Block * queue->sectors_per_block;
    queue->expected[tag] = operation == BLOCK_READ ? bytes + 1 : 1;
}

// Writes the command of a usual request.
HOT void put(Queue *queue, BlockRequest *request, uint64_t tag, uint32_t operation, bool is_usual) {
    Descriptor *data = descriptors_of(queue, tag, is_usual) + DATA_AT;
    uint64_t bytes = request->Segments->Bytes;
    queue->requests[tag] = request;
    data->address = request->Segments->Address;
    data->rest = bytes + data_bits(operation) + first_of(queue, tag, is_usual);
    put_header(queue, request, tag, operation, bytes);
}

// Writes the command of any request. Returns true if its submitter sleeps.
COLD bool put_any(Queue *queue, BlockRequest *request, uint64_t tag) {
    Descriptor *table = descriptors_of(queue, tag, false);
    uint64_t first = first_of(queue, tag, false);
    queue->requests[tag] = request;
    if (request->Operation == BLOCK_FLUSH) {
        put_flush(queue, tag, table, first);
    } else {
        put_header(queue, request, tag, request->Operation, put_segments(request, table, first));
    }
    if (request->Flags & BLOCK_POLLED) {
        return false;
    }
    queue->expected[tag] |= UNUSUAL_SLEEPER;
    return true;
}

// ---- The available ring ----

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

HOT void make_available(const Queue *queue, Available *available, uint32_t next, uint64_t tag, bool is_usual) {
    available->ring[next & queue->mask] = (uint16_t)(has_tables(queue, is_usual) ? tag : tag * CHAIN_LENGTH);
}

// Shows the device the commands up to `next`.
HOT void publish(Queue *queue, uint16_t next) {
    queue->available_index = next;
    __atomic_store_n(&queue->available->index, next, __ATOMIC_RELEASE);
}

// Notifies the device of the commands from `old` to `next`, if it wants that. The end of the turn before it is also the barrier between the
// index and what the device says about notifications.
HOT void notify(const Queue *queue, uint32_t old, uint32_t next, bool is_usual) {
    bool is_wanted;
    if (is_usual || likely(queue->has_events)) {
        is_wanted = (uint16_t)(next - *queue->available_event - 1) < (uint16_t)(next - old);
    } else {
        is_wanted = !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
    }
    if (is_wanted) {
        *queue->doorbell = queue->index;
    }
}

// ---- Requests that others submit ----

// Submits the requests that were left, and ends the turn, which the caller has, until nobody has left more.
COLD void submit_left(Queue *queue) {
    bool is_early;
    do {
        BlockRequest *request = __atomic_exchange_n(&queue->left, NULL, __ATOMIC_ACQUIRE);
        uint32_t old = queue->available_index, next = old, sleepers = 0;
        while (request) {
            BlockRequest *following = (BlockRequest *)request->ForDriver[0];
            uint64_t tag = tag_of(request);
            sleepers += put_any(queue, request, tag);
            make_available(queue, queue->available, next++, tag, false);
            request = following;
        }
        if (sleepers != 0) {
            expect_interrupt(queue, sleepers);
        }
        publish(queue, (uint16_t)next);
        is_early = Turn_EndIsEarly(&queue->submitting);
        if (next != old) {
            notify(queue, old, next, false);
        }
    } while (is_early && Turn_TakeAgain(&queue->submitting));
}

// Leaves requests to the CPU that has the turn. A command is free if its tag is, so there is always room. Returns their number.
COLD int leave(Queue *queue, BlockRequest *const *requests, int count) {
    for (int i = 0; i < count; i++) {
        BlockRequest *next = __atomic_load_n(&queue->left, __ATOMIC_RELAXED);
        do {
            requests[i]->ForDriver[0] = (uint64_t)next;
        } while (!__atomic_compare_exchange_n(&queue->left, &next, requests[i], true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    }
    if (Turn_Want(&queue->submitting)) {
        submit_left(queue);
    }
    return count;
}

// Notifies the device as `notify` does, and submits what others have left after the turn has ended. Returns the number of requests.
COLD int end_early(Queue *queue, uint32_t old, uint32_t next) {
    notify(queue, old, next, false);
    if (Turn_TakeAgain(&queue->submitting)) {
        submit_left(queue);
    }
    return (uint16_t)(next - old);
}

// ---- The turn of a thread ----

// Waits for the turn to submit, and takes it: from here on nobody else submits. A thread calls this that may wait. Interrupts are off until
// `end_submitting`, which gets the result, so the kernel ends no request that others leave meanwhile.
uint64_t begin_submitting(Queue *queue) {
    uint64_t flags = SpinLock_Lock(&queue->restarting);
    while (!Turn_Take(&queue->submitting)) {
        SpinLock_Unlock(&queue->restarting, flags);
        Kernel_YieldThread();
        flags = SpinLock_Lock(&queue->restarting);
    }
    return flags;
}

// Ends the turn, and submits what others have left meanwhile.
void end_submitting(Queue *queue, uint64_t flags) {
    if (Turn_EndIsEarly(&queue->submitting) && Turn_TakeAgain(&queue->submitting)) {
        submit_left(queue);
    }
    SpinLock_Unlock(&queue->restarting, flags);
}

// ---- Submitting ----

// Shows the device the commands, and ends the turn. Returns their number.
HOT int end_turn(Queue *queue, uint32_t old, uint32_t next, bool is_usual) {
    publish(queue, (uint16_t)next);
    if (!likely(!Turn_EndIsEarly(&queue->submitting))) {
        return end_early(queue, old, next);
    }
    notify(queue, old, next, is_usual);
    return (uint16_t)(next - old);
}

// Submits the rest of a batch, whatever it is. The caller has the turn. Returns the number of requests of the batch.
COLD int submit_rest(Queue *queue, BlockRequest *const *requests, BlockRequest *const *end, uint32_t next) {
    uint32_t old = queue->available_index, sleepers = 0;
    for (; requests != end; requests++, next++) {
        uint64_t tag = tag_of(*requests);
        sleepers += put_any(queue, *requests, tag);
        make_available(queue, queue->available, next, tag, false);
    }
    if (sleepers != 0) {
        expect_interrupt(queue, sleepers);
    }
    return end_turn(queue, old, next, false);
}

// Submits a batch, with one notification.
HOT int submit_batch(Queue *queue, BlockRequest *const *requests, int count, bool is_usual) {
    if (!likely(Turn_Take(&queue->submitting))) {
        return leave(queue, requests, count);
    }
    BlockRequest *const *end = requests + count;
    Available *available = queue->available;
    uint32_t old = queue->available_index, next = old;
    do {
        BlockRequest *request = *requests;
        uint64_t tag = tag_of(request);
        if (likely(is_usual_request(request, BLOCK_READ))) {
            put(queue, request, tag, BLOCK_READ, is_usual);
        } else if (is_usual_request(request, BLOCK_WRITE)) {
            put(queue, request, tag, BLOCK_WRITE, is_usual);
        } else {
            return submit_rest(queue, requests, end, next);
        }
        make_available(queue, available, next, tag, is_usual);
        next++;
    } while (++requests != end);
    return end_turn(queue, old, next, is_usual);
}

// Submits one usual request, whose operation is a constant.
HOT int submit_one(Queue *queue, BlockRequest *const *requests, uint32_t operation, bool is_usual) {
    BlockRequest *request = *requests;
    if (!likely(Turn_Take(&queue->submitting))) {
        return leave(queue, requests, 1);
    }
    uint32_t old = queue->available_index;
    uint64_t tag = tag_of(request);
    put(queue, request, tag, operation, is_usual);
    make_available(queue, queue->available, old, tag, is_usual);
    return end_turn(queue, old, old + 1, is_usual);
}

// ---- The functions for both kinds of devices ----

static __attribute__((noinline)) int submit_several(Queue *queue, BlockRequest *const *requests, int count) {
    return submit_batch(queue, requests, count, true);
}

// Submits one request that is no polled read.
static __attribute__((noinline)) int submit_other(Queue *queue, BlockRequest *const *requests) {
    BlockRequest *request = *requests;
    if (is_usual_request(request, BLOCK_WRITE)) {
        return submit_one(queue, requests, BLOCK_WRITE, true);
    }
    if (request->Flags != 0 || request->SegmentCount != 1) {
        return submit_several(queue, requests, 1);
    }
    if (!likely(Turn_Take(&queue->submitting))) {
        return leave(queue, requests, 1);
    }
    // The submitter sleeps.
    uint32_t old = queue->available_index;
    uint64_t tag = tag_of(request);
    put(queue, request, tag, request->Operation, true);
    queue->expected[tag] |= UNUSUAL_SLEEPER;
    make_available(queue, queue->available, old, tag, true);
    expect_interrupt(queue, 1);
    return end_turn(queue, old, old + 1, true);
}

static int submit_usual(void *context, int index, BlockRequest *const *requests, int count) {
    Queue *queue = ((Queue **)context)[index];
    if (count != 1) {
        return submit_several(queue, requests, count);
    }
    if (likely(is_usual_request(*requests, BLOCK_READ))) {
        return submit_one(queue, requests, BLOCK_READ, true);
    }
    return submit_other(queue, requests);
}

static int submit_any(void *context, int index, BlockRequest *const *requests, int count) {
    return submit_batch(((Queue **)context)[index], requests, count, false);
}

// Returns the function that submits to this disk.
BlockSubmit submit_for(const Disk *disk) {
    return disk->has_tables && disk->features & FEATURE_EVENT_INDEX ? submit_usual : submit_any;
}
