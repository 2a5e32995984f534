/*
 * The four functions that a C compiler may call on its own, even with -ffreestanding: to clear or copy a structure, or
 * to replace a loop. The kernel does not export them. A driver that is refused for "unknown symbol memset" includes this
 * file. Each driver has a copy of its own, which other drivers do not see.
 */
#ifndef PROXIMA_FREESTANDING_H
#define PROXIMA_FREESTANDING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * used: the compiler adds calls to these functions after it has removed unused functions.
 * weak: several files of one driver may include this file.
 */
#define PROXIMA_OWN __attribute__((weak, used, visibility("hidden")))

/* Assembly, because a compiler may turn a loop that copies into a call of memcpy, and so into a call of itself. */

PROXIMA_OWN void *memcpy(void *to, const void *from, size_t length) {
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
    return result;
}

PROXIMA_OWN void *memset(void *to, int value, size_t length) {
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
    return result;
}

PROXIMA_OWN void *memmove(void *to, const void *from, size_t length) {
    if ((size_t)to - (size_t)from >= length) {
        return memcpy(to, from, length);
    }
    char *target = (char *)to + length;
    const char *source = (const char *)from + length;
    while (length-- > 0) {
        *--target = *--source;
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

PROXIMA_OWN int memcmp(const void *left, const void *right, size_t length) {
    const unsigned char *a = (const unsigned char *)left, *b = (const unsigned char *)right;
    for (; length > 0; length--, a++, b++) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}

#undef PROXIMA_OWN

#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_FREESTANDING_H */
