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

// The most requests that are put while interrupts are off: some 1,500 instructions.
#define MOST_UNDER_LOCK 32

// How often a poll looks again for what came meanwhile. Each time an element must have come, so a sound device ends this earlier.
#define MOST_ROUNDS 1024

// The kernel is called through its address, without the detour of a jump table.
extern void Kernel_CompleteBlock(BlockRequest *request, int status) __attribute__((noplt));

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

// Returns the bits of the descriptor for the data of a read or write. The status comes after it.
HOT uint64_t data_bits(uint16_t operation) {
    uint64_t bits = DESCRIPTOR_NEXT | DESCRIPTOR_NEXT_INDEX(STATUS_AT);
    return operation == BLOCK_READ ? bits | DESCRIPTOR_DEVICE_WRITES : bits;
}

HOT uint64_t header_bits(uint64_t first, int next) {
    return sizeof(Header) + DESCRIPTOR_NEXT + first + DESCRIPTOR_NEXT_INDEX(next);
}

// Prepares a flush. A device without that feature has no cache that it would flush; a question for its id takes the flush's way.
COLD void put_flush(Queue *queue, uint32_t tag, Descriptor *table, uint64_t first) {
    Command *command = &queue->commands[tag];
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

// A request that is polled, with one segment.
HOT bool is_usual(const BlockRequest *request) {
    return request->SegmentCount == 1 && (request->Flags & BLOCK_POLLED);
}

// The kernel's tags are below the depth, which is at most MAX_RING.
HOT uint32_t tag_of(const BlockRequest *request) {
    return (uint16_t)request->State;
}

// Writes the header of a read or write, and the bytes that are expected of it: the status, and before it the data of a read.
HOT void put_header(Queue *queue, const BlockRequest *request, uint32_t tag, uint64_t bytes) {
    Header *header = &queue->commands[tag].header;
    header->operation = request->Operation;
    header->sector = request->Block << queue->sector_shift;
    queue->expected[tag] = request->Operation == BLOCK_READ ? bytes + 1 : 1;
}

// Writes the command of a usual request.
HOT void put(Queue *queue, BlockRequest *request, uint32_t tag, bool has_tables) {
    Descriptor *data = descriptors_of(queue, tag, has_tables) + DATA_AT;
    uint64_t bytes = request->Segments->Bytes, bits = data_bits(request->Operation) + first_of(tag, has_tables);
    queue->requests[tag] = request;
    data->address = request->Segments->Address;
    data->rest = bytes + bits;
    put_header(queue, request, tag, bytes);
}

// Writes the command of any request. Returns true if its submitter sleeps.
COLD bool put_any(Queue *queue, BlockRequest *request, uint32_t tag, bool has_tables) {
    Descriptor *table = descriptors_of(queue, tag, has_tables);
    uint64_t first = first_of(tag, has_tables);
    queue->requests[tag] = request;
    if (request->Operation == BLOCK_FLUSH) {
        put_flush(queue, tag, table, first);
    } else {
        put_header(queue, request, tag, put_segments(request, table, first));
    }
    if (request->Flags & BLOCK_POLLED) {
        return false;
    }
    queue->expected[tag] |= UNUSUAL_SLEEPER;
    return true;
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

// Shows the device the commands up to `next`, and releases the lock. Returns true if the device wants a notification.
HOT bool publish(Queue *queue, uint32_t next, uint64_t flags) {
    queue->available_index = (uint16_t)next;
    // The exchange is also the barrier between this and what the device says about notifications.
    uint16_t old = __atomic_exchange_n(&queue->available->index, (uint16_t)next, __ATOMIC_SEQ_CST);
    SpinLock_Unlock(&queue->lock, flags);
    if (likely(queue->has_events)) {
        return (uint16_t)(next - *queue->available_event - 1) < (uint16_t)(next - old);
    }
    return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
}

HOT void notify(const Queue *queue) {
    *queue->doorbell = queue->index;
}

HOT void make_available(Available *available, const Queue *queue, uint32_t next, uint32_t tag, bool has_tables) {
    available->ring[next & queue->mask] = (uint16_t)(has_tables ? tag : tag * CHAIN_LENGTH);
}

// Submits the rest of a part of a batch, under the lock, whatever it is. Returns what `publish` returns.
COLD bool submit_rest(
    Queue *queue, BlockRequest *const *requests, BlockRequest *const *end, uint32_t next, uint64_t flags, bool has_tables) {
    uint32_t sleepers = 0;
    for (; requests != end; requests++, next++) {
        uint32_t tag = tag_of(*requests);
        sleepers += put_any(queue, *requests, tag, has_tables);
        make_available(queue->available, queue, next, tag, has_tables);
    }
    if (sleepers != 0) {
        expect_interrupt(queue, sleepers);
    }
    return publish(queue, next, flags);
}

// Submits a part of a batch. Returns what `publish` returns.
HOT bool submit_part(Queue *queue, BlockRequest *const *requests, BlockRequest *const *end, bool has_tables) {
    uint64_t flags = SpinLock_Lock(&queue->lock);
    uint32_t next = queue->available_index;
    Available *available = queue->available;
    do {
        BlockRequest *request = *requests;
        if (!likely(is_usual(request))) {
            return submit_rest(queue, requests, end, next, flags, has_tables);
        }
        uint32_t tag = tag_of(request);
        put(queue, request, tag, has_tables);
        make_available(available, queue, next, tag, has_tables);
        next++;
    } while (++requests != end);
    return publish(queue, next, flags);
}

// Submits a batch, with one notification. The lock is released now and then, because interrupts are off meanwhile.
HOT int submit_batch(Queue *queue, BlockRequest *const *requests, int count, bool has_tables) {
    bool is_wanted = false;
    for (int left = count; left > 0; left -= MOST_UNDER_LOCK, requests += MOST_UNDER_LOCK) {
        int part = left < MOST_UNDER_LOCK ? left : MOST_UNDER_LOCK;
        is_wanted |= submit_part(queue, requests, requests + part, has_tables);
    }
    if (is_wanted) {
        notify(queue);
    }
    return count;
}

// Submits one request, which needs fewer registers than several. A command is free if its tag is, so there is always room.
HOT int submit_one(Queue *queue, BlockRequest *const *requests, bool has_tables) {
    BlockRequest *request = *requests;
    uint32_t tag = tag_of(request);
    uint64_t flags = SpinLock_Lock(&queue->lock);
    uint32_t next = queue->available_index;
    bool is_wanted;
    if (likely(is_usual(request))) {
        put(queue, request, tag, has_tables);
        make_available(queue->available, queue, next, tag, has_tables);
        is_wanted = publish(queue, next + 1, flags);
    } else {
        is_wanted = submit_rest(queue, requests, requests + 1, next, flags, has_tables);
    }
    if (is_wanted) {
        notify(queue);
    }
    return 1;
}

// ---- Polling ----

// Returns the status of a command whose completion is unusual or wrong.
COLD int judge(Queue *queue, uint32_t tag, uint32_t length, bool has_tables) {
    uint64_t expected = queue->expected[tag];
    uint32_t bytes = (uint32_t)expected;
    if (expected & UNUSUAL_SLEEPER) {
        __atomic_store_n(&queue->woken, queue->woken + 1, __ATOMIC_RELAXED);
    }
    if (expected & UNUSUAL_FLUSH) {
        descriptors_of(queue, tag, has_tables)[HEADER_AT].rest = header_bits(first_of(tag, has_tables), DATA_AT);
    }
    if (expected & UNUSUAL_ID) {
        return BLOCK_OK;
    }
    if (queue->commands[tag].status != BLOCK_STATUS_OK) {
        return BLOCK_ERROR;
    }
    if (length != bytes) {
        report(queue->disk, MISTAKE_LENGTH, "the device wrote another number of bytes than was to be read");
    }
    return length < bytes && bytes > 1 ? BLOCK_ERROR : BLOCK_OK;
}

// Completes the command that an element of the used ring names. Returns false if the device may not name it.
HOT bool complete(Queue *queue, uint64_t element, bool has_tables) {
    uint64_t id = (uint32_t)element, length = element >> 32;
    uint64_t tag = has_tables ? id : id / CHAIN_LENGTH;
    if (!likely(id < queue->depth * (has_tables ? 1u : CHAIN_LENGTH) && (has_tables || id % CHAIN_LENGTH == 0))) {
        return false;
    }
    BlockRequest *request = queue->requests[tag];
    if (!likely(request != NULL)) {
        return false;
    }
    queue->requests[tag] = NULL;
    int status = BLOCK_OK;
    if (!likely(length == queue->expected[tag] && queue->commands[tag].status == BLOCK_STATUS_OK)) {
        status = judge(queue, (uint32_t)tag, (uint32_t)length, has_tables);
    }
    Kernel_CompleteBlock(request, status);
    return true;
}

// Makes the next element of the used ring raise an interrupt. Returns false if one is there already.
COLD bool await_interrupt(Queue *queue) {
    uint16_t next = __atomic_load_n(&queue->used_index, __ATOMIC_RELAXED);
    if (queue->has_events) {
        *queue->used_event = next;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) == next;
}

// Reads an element of the used ring once: the device may change it.
HOT uint64_t element_at(const Queue *queue, uint32_t index) {
    uint64_t element;
    __builtin_memcpy(&element, &queue->used->ring[index & queue->mask], sizeof element);
    // From here on the compiler knows nothing of where the value is from.
    __asm__("" : "+r"(element));
    return element;
}

// Lets others poll. This is also the barrier before the number of sleepers is read.
HOT void end_polling(Queue *queue, uint32_t next) {
    queue->used_index = (uint16_t)next;
    (void)__atomic_fetch_sub(&queue->is_polling, 1, __ATOMIC_SEQ_CST);
}

// Completes the rest of what is there, some of which the device may not name. Returns how many of them it may.
COLD int complete_suspicious(Queue *queue, uint32_t next, uint32_t end, bool has_tables) {
    int completed = 0;
    if (end - next > queue->depth) {
        report(queue->disk, MISTAKE_INDEX, "the device completes more than was submitted");
        next = end;
    }
    for (; next != end; next++) {
        if (complete(queue, element_at(queue, next), has_tables)) {
            completed++;
        } else {
            report(queue->disk, MISTAKE_ID, "the device completed a command that is not outstanding");
        }
    }
    end_polling(queue, end);
    return completed;
}

// Completes what is there, unless another one does. Returns the number of completions; -1 if another one polls.
HOT int poll_once(Queue *queue, bool has_tables) {
    if (!likely(__atomic_exchange_n(&queue->is_polling, 1, __ATOMIC_SEQ_CST) == 0)) {
        return -1;
    }
    uint32_t next = queue->used_index;
    uint32_t count = (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) - next), end = next + count;
    if (!likely(count <= queue->depth)) {
        return complete_suspicious(queue, next, end, has_tables);
    }
    while (next != end) {
        if (!likely(complete(queue, element_at(queue, next), has_tables))) {
            int before = (uint16_t)(next - queue->used_index);
            return before + complete_suspicious(queue, next, end, has_tables);
        }
        next++;
    }
    count = (uint16_t)(next - queue->used_index);
    end_polling(queue, next);
    return (int)count;
}

// Polls again while a submitter sleeps, until the next element raises an interrupt.
COLD int poll_again(Queue *queue, int completed, bool has_tables) {
    for (int round = 0; round < MOST_ROUNDS; round++) {
        bool is_asleep = __atomic_load_n(&queue->sleepers, __ATOMIC_RELAXED) != __atomic_load_n(&queue->woken, __ATOMIC_RELAXED);
        if (!is_asleep || await_interrupt(queue)) {
            break;
        }
        int more = poll_once(queue, has_tables);
        if (more < 0) {
            break;
        }
        completed += more;
    }
    return completed;
}

HOT int poll(void *context, int index, bool has_tables) {
    Queue *queue = ((Queue **)context)[index];
    int completed = poll_once(queue, has_tables);
    if (!likely(completed >= 0)) {
        return 0;
    }
    if (!likely(__atomic_load_n(&queue->sleepers, __ATOMIC_RELAXED) == queue->woken)) {
        return poll_again(queue, completed, has_tables);
    }
    return completed;
}

// ---- The functions for both kinds of devices ----

static __attribute__((noinline)) int submit_batch_in_ring(Queue *queue, BlockRequest *const *requests, int count) {
    return submit_batch(queue, requests, count, false);
}

static int submit_in_ring(void *context, int index, BlockRequest *const *requests, int count) {
    Queue *queue = ((Queue **)context)[index];
    return count == 1 ? submit_one(queue, requests, false) : submit_batch_in_ring(queue, requests, count);
}

static __attribute__((noinline)) int submit_batch_in_tables(Queue *queue, BlockRequest *const *requests, int count) {
    return submit_batch(queue, requests, count, true);
}

static int submit_in_tables(void *context, int index, BlockRequest *const *requests, int count) {
    Queue *queue = ((Queue **)context)[index];
    return count == 1 ? submit_one(queue, requests, true) : submit_batch_in_tables(queue, requests, count);
}

static int poll_in_ring(void *context, int index) {
    return poll(context, index, false);
}

static int poll_in_tables(void *context, int index) {
    return poll(context, index, true);
}

const BlockSubmit submits[2] = {submit_in_ring, submit_in_tables};
const BlockPoll polls[2] = {poll_in_ring, poll_in_tables};
