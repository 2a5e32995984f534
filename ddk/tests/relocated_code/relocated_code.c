// relocated_code: has an address in its code, as code has that was not compiled with -fPIC. The linker warns of it.
#include <proxima.h>

__asm__(".text\n"
        ".quad Kernel_Log\n");

int Driver_Init(void) {
    return 0;
}
