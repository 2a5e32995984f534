// uses_fpu: executes one instruction of the FPU or of a vector unit, as a driver would that is compiled without
// -mgeneral-regs-only. A test chooses the instruction by -DINSTRUCTION=…
#include <proxima.h>

#ifndef INSTRUCTION
#define INSTRUCTION xorps %xmm0, %xmm0
#endif

#define TEXT(...) #__VA_ARGS__
#define TEXT_OF(...) TEXT(__VA_ARGS__)

int Driver_Init(void) {
    __asm__ volatile(TEXT_OF(INSTRUCTION));
    return 0;
}
