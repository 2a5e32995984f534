// Requests of the tests to the driver's disk.
#ifndef DISK_USE_H
#define DISK_USE_H

#include <proxima_mock.h>

#define MOST_SEGMENTS 4

typedef struct {
    BlockRequest request; // first, so that `Done` finds the rest
    DmaSegment segments[MOST_SEGMENTS];
    uint32_t has_ended;
} Io;

// Prepares a request whose segments are parts of the same length of a buffer at this address.
void prepare(Io *io, int operation, uint64_t block, uint32_t blocks, uint64_t address, uint32_t segments);

// Returns true if the disk accepts the request.
bool submit(int disk, Io *io);

// Waits until the request has ended, and polls for one that is polled. Returns its status.
int finish(int disk, Io *io);

// Submits the request and waits for it. Returns its status.
int run(int disk, Io *io);

#endif
