// writable_code: has a segment that is both writable and executable. The linker warns about it.
#include <proxima.h>

__asm__(".section .writable_code, \"awx\", @progbits\n"
        "ret\n"
        ".previous\n");

int Driver_Init(void) {
    return 0;
}
