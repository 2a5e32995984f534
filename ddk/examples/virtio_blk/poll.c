// Completing requests. The kernel calls this on any CPU, also in handlers.
//
// The CPU that has the turn to poll completes requests. The turn is only tried: if another CPU polls the queue, or the code that an
// interrupt handler has interrupted, that one delivers what is there. Nobody waits.
#include "commands.h"

// How often a poll looks again for what came meanwhile. What comes later is left to the watch: a device that completes for ever does not keep
// a CPU, which has interrupts or preemption off here.
#define MOST_ROUNDS 8

// The kernel is called through its address, without the detour of a jump table.
extern void Kernel_CompleteBlock(BlockRequest *request, int status) __attribute__((noplt));

// ---- Elements of the used ring ----

// Returns the status of a command whose completion is unusual or wrong.
COLD int judge(Queue *queue, uint64_t tag, uint32_t length) {
    uint64_t expected = queue->expected[tag];
    uint32_t bytes = (uint32_t)expected;
    if (expected & UNUSUAL_SLEEPER) {
        __atomic_store_n(&queue->woken, queue->woken + 1, __ATOMIC_RELAXED);
    }
    if (expected & UNUSUAL_FLUSH) {
        descriptors_of(queue, tag, false)[HEADER_AT].rest = header_bits(first_of(queue, tag, false), DATA_AT);
    }
    if (expected & UNUSUAL_ID) {
        return BLOCK_OK;
    }
    if (queue->command[tag]->status != BLOCK_STATUS_OK) {
        return BLOCK_ERROR;
    }
    if (length != bytes) {
        report(queue->disk, MISTAKE_LENGTH, "the device wrote another number of bytes than was to be read");
    }
    return length < bytes && bytes > 1 ? BLOCK_ERROR : BLOCK_OK;
}

// Completes a command whose completion is unusual or wrong.
COLD void complete_unusual(Queue *queue, BlockRequest *request, uint64_t tag, uint64_t length) {
    int status = judge(queue, tag, (uint32_t)length);
    if (status != BLOCK_OK) {
        count_one(&queue->disk->failed);
    }
    Kernel_CompleteBlock(request, status);
}

// Completes the command that an element of the used ring names. Returns false if the device may not name it.
HOT bool complete(Queue *queue, uint64_t element, uint32_t depth, bool is_usual) {
    uint64_t id = (uint32_t)element, length = element >> 32, tag = id;
    if (has_tables(queue, is_usual)) {
        if (!likely(id < depth)) {
            return false;
        }
    } else {
        tag = id / CHAIN_LENGTH;
        if (!likely(tag < depth && id % CHAIN_LENGTH == 0)) {
            return false;
        }
    }
    BlockRequest *request = queue->requests[tag];
    if (!likely(request != NULL)) {
        return false;
    }
    queue->requests[tag] = NULL;
    if (!likely(length == queue->expected[tag] && queue->command[tag]->status == BLOCK_STATUS_OK)) {
        complete_unusual(queue, request, tag, length);
    } else {
        Kernel_CompleteBlock(request, BLOCK_OK);
    }
    return true;
}

// Reads an element of the used ring once: the device may change it.
HOT uint64_t element_at(const Queue *queue, const Used *used, uint32_t index) {
    uint64_t element;
    __builtin_memcpy(&element, &used->ring[index & queue->mask], sizeof element);
    // From here on the compiler knows nothing of where the value is from.
    __asm__("" : "+r"(element));
    return element;
}

// ---- Polling ----

// Makes the next element of the used ring raise an interrupt. Returns false if one is there already.
COLD bool await_interrupt(Queue *queue) {
    uint16_t next = __atomic_load_n(&queue->used_index, __ATOMIC_RELAXED);
    if (queue->has_events) {
        *queue->used_event = next;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) == next;
}

// Lets others poll. This is also the barrier before the number of sleepers is read. Nobody wants the turn, so it does not end early.
HOT void end_polling(Queue *queue) {
    (void)Turn_EndIsEarly(&queue->polling);
}

HOT bool somebody_sleeps(const Queue *queue) {
    return __atomic_load_n(&queue->sleepers, __ATOMIC_RELAXED) != __atomic_load_n(&queue->woken, __ATOMIC_RELAXED);
}

// Completes the elements from `next` on, some of which the device may not name. Returns how many of them it may.
COLD int complete_suspicious(Queue *queue, uint32_t next, uint32_t end) {
    int completed = 0;
    if (end - next > queue->depth) {
        report(queue->disk, MISTAKE_INDEX, "the device completes more than was submitted");
        next = end;
    }
    for (; next != end; next++) {
        if (complete(queue, element_at(queue, queue->used, next), queue->depth, false)) {
            completed++;
        } else {
            count_one(&queue->disk->stray);
            report(queue->disk, MISTAKE_ID, "the device completed a command that is not outstanding");
        }
    }
    queue->used_index = (uint16_t)end;
    return completed;
}

// Completes what is there. The caller has the turn. Returns the number of completions.
HOT int complete_all(Queue *queue, bool is_usual) {
    const Used *used = queue->used;
    uint32_t first = queue->used_index, next = first, depth = queue->depth;
    uint32_t count = (uint16_t)(__atomic_load_n(&used->index, __ATOMIC_ACQUIRE) - next), end = next + count;
    if (!likely(count <= depth)) {
        return complete_suspicious(queue, next, end);
    }
    for (; next != end; next++) {
        if (!likely(complete(queue, element_at(queue, used, next), depth, is_usual))) {
            return (int)(next - first) + complete_suspicious(queue, next, end);
        }
    }
    queue->used_index = (uint16_t)end;
    return (int)count;
}

// Polls again while a submitter sleeps, until the next element raises an interrupt.
COLD int poll_again(Queue *queue, int completed) {
    for (int round = 0; round < MOST_ROUNDS; round++) {
        if (!somebody_sleeps(queue) || await_interrupt(queue) || !Turn_Take(&queue->polling)) {
            return completed;
        }
        completed += complete_all(queue, false);
        end_polling(queue);
    }
    __atomic_store_n(&queue->disk->is_behind, 1, __ATOMIC_RELEASE);
    wake_watch(queue->disk);
    return completed;
}

// Completes what is there, and ends the turn, which the caller has.
HOT int poll_in_turn(Queue *queue, bool is_usual) {
    int completed = complete_all(queue, is_usual);
    end_polling(queue);
    return likely(!somebody_sleeps(queue)) ? completed : poll_again(queue, completed);
}

static __attribute__((noinline)) int poll_several(Queue *queue) {
    return poll_in_turn(queue, true);
}

// Completes the completion `next`, if it is that of a usual request whose submitter sleeps. The caller has the turn.
static __attribute__((noinline)) int poll_sleeper(Queue *queue, uint32_t next, uint64_t tag, uint64_t length) {
    BlockRequest *request = queue->requests[tag];
    bool is_usual = (length | UNUSUAL_SLEEPER) == queue->expected[tag] && queue->command[tag]->status == BLOCK_STATUS_OK;
    if (!request || !is_usual) {
        return poll_several(queue);
    }
    queue->requests[tag] = NULL;
    queue->used_index = (uint16_t)(next + 1);
    __atomic_store_n(&queue->woken, queue->woken + 1, __ATOMIC_RELAXED);
    Kernel_CompleteBlock(request, BLOCK_OK);
    end_polling(queue);
    return likely(!somebody_sleeps(queue)) ? 1 : poll_again(queue, 1);
}

// Completes the usual completion of a usual request, if it is the only one. This needs fewer registers than several.
static int poll_usual(void *context, int index) {
    Queue *queue = ((Queue **)context)[index];
    if (!likely(Turn_Take(&queue->polling))) {
        return 0;
    }
    uint32_t next = queue->used_index;
    if ((uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) - next) != 1) {
        return poll_several(queue);
    }
    uint64_t element = element_at(queue, queue->used, next);
    uint64_t tag = (uint32_t)element;
    if (!likely(tag < queue->depth)) {
        return poll_several(queue);
    }
    BlockRequest *request = queue->requests[tag];
    if (!likely(request && element >> 32 == queue->expected[tag] && queue->command[tag]->status == BLOCK_STATUS_OK)) {
        return poll_sleeper(queue, next, tag, element >> 32);
    }
    queue->requests[tag] = NULL;
    queue->used_index = (uint16_t)(next + 1);
    Kernel_CompleteBlock(request, BLOCK_OK);
    end_polling(queue);
    return likely(!somebody_sleeps(queue)) ? 1 : poll_again(queue, 1);
}

static int poll_any(void *context, int index) {
    Queue *queue = ((Queue **)context)[index];
    return likely(Turn_Take(&queue->polling)) ? poll_in_turn(queue, false) : 0;
}

// Returns the function that polls this disk.
BlockPoll poll_for(const Disk *disk) {
    return disk->has_tables && disk->features & FEATURE_EVENT_INDEX ? poll_usual : poll_any;
}
