// Completing requests. The kernel calls this on any CPU, also in handlers.
//
// The CPU that has the turn to poll completes requests. Who does not get it leaves, and that CPU looks once more. Nobody waits.
#include "nvme.h"

// The kernel is called through its address, without the detour of a jump table.
extern void Kernel_CompleteBlock(BlockRequest *request, int status) __attribute__((noplt));

// ---- Completions ----

// Returns the status of the next completion, without the bit of the phase if the completion is there.
HOT uint64_t next_status(const Pair *pair) {
    return pair->completions[pair->head].status ^ pair->phase;
}

// Takes the request with this number, which is below ENTRIES; null if it is not outstanding.
HOT BlockRequest *take(Pair *pair, uint64_t number) {
    uint64_t request = pair->requests[number] & ~AGE;
    if (likely(request != 0)) {
        pair->requests[number] = 0;
    }
    return (BlockRequest *)request;
}

COLD void complain_about(Pair *pair, uint64_t number) {
    complain(pair, "a request was completed that is not outstanding, with the number", number);
}

// Completes the request with this number, which is below ENTRIES, if it is outstanding.
HOT void complete(Pair *pair, uint64_t number) {
    BlockRequest *request = take(pair, number);
    if (likely(request != NULL)) {
        Kernel_CompleteBlock(request, BLOCK_OK);
    } else {
        complain_about(pair, number);
    }
}

// Completes a request that has failed, or one with an impossible number.
COLD void complete_unusual(Pair *pair, uint64_t status) {
    uint64_t id = status & 0xffff, failure = status >> 17;
    BlockRequest *request = id < ENTRIES ? take(pair, id) : NULL;
    if (!request) {
        complain_about(pair, id);
    } else if (failure == 0) {
        Kernel_CompleteBlock(request, BLOCK_OK);
    } else {
        complain(pair, "a request failed, with the status", failure & 0x7ff);
        Kernel_CompleteBlock(request, BLOCK_ERROR);
    }
}

// ---- Polling ----

HOT void ring_head_doorbell(const Pair *pair) {
    *pair->head_doorbell = pair->head;
}

// Completes the next request that the controller has done. Returns false if there is none.
HOT bool complete_next(Pair *pair) {
    uint32_t head = pair->head;
    uint64_t status = pair->completions[head].status ^ pair->phase;
    // The right phase, success, and a number that may be one of the table: all else is unusual.
    bool is_usual = status < ENTRIES;
    if (!is_usual && status & PHASE) {
        return false;
    }
    head = (head + 1) & pair->mask;
    pair->head = head;
    if (!likely(head != 0)) {
        pair->phase ^= PHASE;
    }
    if (likely(is_usual)) {
        complete(pair, status);
    } else {
        complete_unusual(pair, status);
    }
    return true;
}

// Completes what the controller has done, without the doorbell. The caller has the turn. Returns the number of completions.
static __attribute__((noinline)) uint32_t complete_more(Pair *pair) {
    CompletionEntry *completions = pair->completions;
    uint32_t head = pair->head;
    uint64_t phase = pair->phase;
    // The completions of whole rounds, less those before the first one. With the head this is the number of completions.
    uint32_t count = 0u - head;
    for (;;) {
        uint64_t status = completions[head].status ^ phase;
        if (likely(status < ENTRIES)) {
            complete(pair, status);
        } else if (!(status & PHASE)) {
            complete_unusual(pair, status);
        } else {
            break;
        }
        head = (head + 1) & pair->mask;
        if (!likely(head != 0)) {
            phase ^= PHASE;
            count += pair->entries;
        }
    }
    pair->head = head;
    pair->phase = phase;
    return count + head;
}

// Completes what the controller has done, until no other CPU has wanted to poll meanwhile, and ends the turn, which the caller has. Returns
// the number of completions, together with `count` before.
COLD uint32_t poll_to_end(Pair *pair, uint32_t count) {
    do {
        uint32_t more = complete_more(pair);
        if (more != 0) {
            ring_head_doorbell(pair);
        }
        count += more;
    } while (Turn_EndIsEarly(&pair->polling) && Turn_TakeAgain(&pair->polling));
    return count;
}

// Looks once more for those that have wanted to poll. Returns the number of completions, together with `count` before.
COLD uint32_t poll_again(Pair *pair, uint32_t count) {
    return Turn_TakeAgain(&pair->polling) ? poll_to_end(pair, count) : count;
}

// Completes what the controller has done, and returns how many requests these were. If another CPU completes them already, that one looks
// once more.
HOT uint32_t poll_pair(Pair *pair) {
    if (!likely(Turn_Take(&pair->polling))) {
        return Turn_Want(&pair->polling) ? poll_to_end(pair, 0) : 0;
    }
    uint32_t count = 0;
    if (complete_next(pair)) {
        // Often there is one, which needs fewer registers than several.
        count = likely(next_status(pair) & PHASE) ? 1 : 1 + complete_more(pair);
        ring_head_doorbell(pair);
    }
    return likely(!Turn_EndIsEarly(&pair->polling)) ? count : poll_again(pair, count);
}

static __attribute__((noinline)) int poll_interrupting(Queue *queue) {
    return queue->interrupting == &queue->polled ? 0 : (int)poll_pair(&queue->own);
}

// Completes the polled requests or, if none has completed, the others.
int poll(void *context, int index) {
    Queue *queue = ((Queue **)context)[index];
    uint32_t count = poll_pair(&queue->polled);
    return count != 0 ? (int)count : poll_interrupting(queue);
}

// Returns true if a request that interrupts has completed and was not seen yet. Another CPU may poll meanwhile.
bool has_interrupting(const Queue *queue) {
    const Pair *pair = queue->interrupting;
    uint32_t head = __atomic_load_n(&pair->head, __ATOMIC_RELAXED);
    uint64_t phase = __atomic_load_n(&pair->phase, __ATOMIC_RELAXED);
    return !((pair->completions[head].status ^ phase) & PHASE);
}

// Makes the outstanding requests older by one, up to AGE, and returns the age of the oldest.
uint64_t grow_older(Pair *pair) {
    uint64_t oldest = 0;
    for (int i = 0; i < ENTRIES; i++) {
        uint64_t request = __atomic_load_n(&pair->requests[i], __ATOMIC_RELAXED), age = request & AGE;
        // Another CPU may take it or put another one there meanwhile.
        if (request != 0 && age < AGE
            && __atomic_compare_exchange_n(
                &pair->requests[i], &request, request + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            age++;
        }
        oldest = age > oldest ? age : oldest;
    }
    return oldest;
}
