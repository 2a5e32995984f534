// The interface of the driver `counted`: what it has, as the kernel has told it.
#ifndef COUNTED_H
#define COUNTED_H

#include <proxima.h>

#define COUNTED_NAME "counted"
#define COUNTED_VERSION 1

#endif
