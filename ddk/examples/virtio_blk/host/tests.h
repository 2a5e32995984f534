// The tests, and what the driver may leave.
#ifndef TESTS_H
#define TESTS_H

#include <stdbool.h>

// The driver frees all that it has.
#define ALLOWED {0}

bool a_poll_ends_whatever_completes_meanwhile(void);
bool whatever_the_device_completes_a_request_ends_at_most_once(void);

#endif
