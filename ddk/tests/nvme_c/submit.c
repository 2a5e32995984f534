// Submitting requests. The kernel calls this on any CPU, also in handlers.
//
// The CPU that has the turn to submit writes commands. Another CPU, or an interrupt handler, leaves its requests to that CPU (`leave`). So
// nobody waits, and interrupts stay on.
#include "nvme.h"

// ---- Commands ----

// Returns true if a request has one segment, which lies in one page.
HOT bool is_in_one_page(const BlockRequest *request) {
    return request->SegmentCount == 1 && request->Segments->Address % PAGE + request->Segments->Bytes <= PAGE;
}

// Writes a request's command. Returns where the next one goes.
HOT uint32_t put(Pair *pair, uint32_t tail, BlockRequest *request, uint32_t opcode, uint64_t data, uint64_t more_data) {
    Command *command = &pair->commands[tail];
    // All tags are below the queue's depth, which is below the number of entries.
    uint32_t tag = request->State & (ENTRIES - 1);
    command->opcode = (uint16_t)opcode;
    command->id = (uint16_t)tag;
    command->data = data;
    command->more_data = more_data;
    command->block = request->Block;
    command->count = request->Count - 1;
    pair->requests[tag] = (uint64_t)request;
    return (tail + 1) & pair->mask;
}

// Adds the pages from `first` to `end` to a list that has `count` already. Returns the new count; above LIST if there is no room.
static uint64_t add_pages(volatile uint64_t *list, uint64_t count, uint64_t first, uint64_t end) {
    for (uint64_t page = first; page < end && count <= LIST; page += PAGE, count++) {
        if (count < LIST) {
            list[count] = page;
        }
    }
    return count;
}

// Lists the pages of a request after the first. Only its first segment may begin within a page, and only the last one may end there. Returns
// false if one command cannot address the segments.
static bool list_pages(Pair *pair, const BlockRequest *request, uint64_t *more_data) {
    uint8_t tag = (uint8_t)request->State;
    volatile uint64_t *list = pair->lists[tag];
    uint64_t pages = 0, end = 0;
    for (uint32_t i = 0; i < request->SegmentCount; i++) {
        uint64_t address = request->Segments[i].Address, begin = address / PAGE * PAGE;
        if (address % (i == 0 ? 4 : PAGE) != 0 || end % PAGE != 0
            || __builtin_add_overflow(address, request->Segments[i].Bytes, &end)) {
            return false;
        }
        pages = add_pages(list, pages, i == 0 ? begin + PAGE : begin, end);
    }
    *more_data = pages == 0 ? 0 : pages == 1 ? list[0] : pair->lists_at + tag * sizeof(List);
    return pages <= LIST;
}

// Writes the command of any request; ends one that would need several. Returns where the next one goes.
COLD uint32_t put_unusual(Pair *pair, uint32_t tail, BlockRequest *request, uint32_t opcode) {
    uint64_t more_data = 0;
    if (opcode == OPCODE_OF_FLUSH) {
        return put(pair, tail, request, opcode, 0, 0);
    }
    if (list_pages(pair, request, &more_data)) {
        return put(pair, tail, request, opcode, request->Segments->Address, more_data);
    }
    complain(pair, "a request was refused, because of its segments, with the tag", request->State & BLOCK_STATE_TAG);
    // What its submitter submits from here is left to this CPU, which has the turn.
    Kernel_CompleteBlock(request, BLOCK_ERROR);
    return tail;
}

// ---- Requests that others submit ----

// Submits the requests that were left, and ends the turn, which the caller has, until nobody has left more.
COLD void submit_left(Pair *pair) {
    do {
        BlockRequest *request = __atomic_exchange_n(&pair->left, NULL, __ATOMIC_ACQUIRE);
        uint32_t tail = pair->tail;
        while (request) {
            BlockRequest *following = (BlockRequest *)request->ForDriver[0];
            tail = put_unusual(pair, tail, request, (uint32_t)OPCODE_OF_READ - request->Operation);
            request = following;
        }
        pair->tail = tail;
        *pair->tail_doorbell = tail;
    } while (Turn_EndIsEarly(&pair->submitting) && Turn_TakeAgain(&pair->submitting));
}

// Submits what others have left after the turn has ended. Returns 1.
COLD int end_early(Pair *pair) {
    if (Turn_TakeAgain(&pair->submitting)) {
        submit_left(pair);
    }
    return 1;
}

// Leaves a request to the CPU that has the turn. A command is free if its tag is, so there is always room. Returns 1.
COLD int leave(Pair *pair, BlockRequest *request) {
    BlockRequest *next = __atomic_load_n(&pair->left, __ATOMIC_RELAXED);
    do {
        request->ForDriver[0] = (uint64_t)next;
    } while (!__atomic_compare_exchange_n(&pair->left, &next, request, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (Turn_Want(&pair->submitting)) {
        submit_left(pair);
    }
    return 1;
}

// ---- Submitting ----

// Returns true if a request is of this kind, and its data lies in one page.
HOT bool is_usual(const BlockRequest *request, uint32_t kind) {
    return kind - operation_and_flags(request) < FLAGS && is_in_one_page(request);
}

// Submits one usual request of this kind. Returns 1.
HOT int submit_one(Pair *pair, BlockRequest *request, uint32_t kind) {
    // Read before the turn is taken: after that the compiler would read them again.
    uint32_t opcode = kind - operation_and_flags(request);
    uint64_t data = request->Segments->Address;
    if (!likely(Turn_Take(&pair->submitting))) {
        return leave(pair, request);
    }
    uint32_t tail = put(pair, pair->tail, request, opcode, data, 0);
    pair->tail = tail;
    *pair->tail_doorbell = tail;
    return likely(!Turn_EndIsEarly(&pair->submitting)) ? 1 : end_early(pair);
}

// Submits the request at `next`, which is of this kind, and those after it as far as they are, with one doorbell. Returns where the first
// one is that was not submitted.
HOT BlockRequest *const *submit_run(Pair *pair, BlockRequest *const *next, BlockRequest *const *end, uint32_t kind) {
    BlockRequest *request = *next++;
    if (!likely(Turn_Take(&pair->submitting))) {
        leave(pair, request);
        return next;
    }
    uint32_t tail = pair->tail;
    uint32_t opcode = kind - operation_and_flags(request);
    for (;;) {
        if (likely(is_in_one_page(request))) {
            tail = put(pair, tail, request, opcode, request->Segments->Address, 0);
        } else {
            tail = put_unusual(pair, tail, request, opcode);
        }
        if (next == end) {
            break;
        }
        request = *next;
        opcode = kind - operation_and_flags(request);
        if (!likely(opcode < FLAGS)) {
            break;
        }
        next++;
    }
    pair->tail = tail;
    *pair->tail_doorbell = tail;
    if (!likely(!Turn_EndIsEarly(&pair->submitting))) {
        end_early(pair);
    }
    return next;
}

// Submits requests, each run of polled and other ones together.
static __attribute__((noinline)) int submit_all(Queue *queue, BlockRequest *const *requests, int count) {
    BlockRequest *const *next = requests, *const *end = requests + count;
    while (next != end) {
        if ((*next)->Flags & BLOCK_POLLED) {
            next = submit_run(&queue->polled, next, end, POLLED);
        } else {
            next = submit_run(queue->interrupting, next, end, INTERRUPTING);
        }
    }
    return count;
}

// Submits the only request, which is not a usual one whose submitter polls.
static __attribute__((noinline)) int submit_other(Queue *queue, BlockRequest *const *requests) {
    if (likely(is_usual(*requests, INTERRUPTING))) {
        return submit_one(queue->interrupting, *requests, INTERRUPTING);
    }
    return submit_all(queue, requests, 1);
}

int submit(void *context, int index, BlockRequest *const *requests, int count) {
    Queue *queue = ((Queue **)context)[index];
    if (!likely(count == 1)) {
        return submit_all(queue, requests, count);
    }
    if (likely(is_usual(*requests, POLLED))) {
        return submit_one(&queue->polled, *requests, POLLED);
    }
    return submit_other(queue, requests);
}
