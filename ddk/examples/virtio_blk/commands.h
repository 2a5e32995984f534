// The commands of a queue: what submitting and polling both know of them.
#ifndef COMMANDS_H
#define COMMANDS_H

#include "disk.h"

#define HEADER_AT 0
#define STATUS_AT 1
#define DATA_AT 2

#define HOT static inline __attribute__((always_inline))
#define COLD static __attribute__((cold, noinline))
#define likely(condition) __builtin_expect(!!(condition), 1)

// `is_usual` in these and other functions is a constant: true if the device knows indirect descriptors and event indices, as devices
// usually do. If it is false, the queue says what the device knows.

// Returns true if each command has its descriptors in a table of its own.
HOT bool has_tables(const Queue *queue, bool is_usual) {
    return is_usual || queue->has_tables;
}

// Returns the descriptors of a command: in a table of its own, or in the ring.
HOT Descriptor *descriptors_of(const Queue *queue, uint64_t tag, bool is_usual) {
    return has_tables(queue, is_usual) ? queue->command[tag]->table : queue->descriptors + tag * CHAIN_LENGTH;
}

// Returns the index that `next` counts from, in the bits of a descriptor.
HOT uint64_t first_of(const Queue *queue, uint64_t tag, bool is_usual) {
    return has_tables(queue, is_usual) ? 0 : DESCRIPTOR_NEXT_INDEX(tag * CHAIN_LENGTH);
}

HOT uint64_t header_bits(uint64_t first, int next) {
    return sizeof(Header) + DESCRIPTOR_NEXT + first + DESCRIPTOR_NEXT_INDEX(next);
}

#endif
