// relocated_code: has an address in its code, like code that was not compiled with -fPIC. The linker warns about it.
#include <proxima.h>

__asm__(".text\n"
        ".quad Kernel_Log\n");

int Driver_Init(void) {
    return 0;
}
