// Builds one line of the log from words and numbers. What does not fit is cut off.
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <proxima.h>

typedef struct {
    size_t length;
    char text[240];
} LogLine;

static inline void add_character(LogLine *line, char character) {
    if (line->length < sizeof line->text) {
        line->text[line->length++] = character;
    }
}

static inline void add_text(LogLine *line, const char *text) {
    while (*text) {
        add_character(line, *text++);
    }
}

// Adds a number in this base, from 2 to 16, with at least so many digits.
static inline void add_digits(LogLine *line, uint64_t number, unsigned base, int digits) {
    char reversed[64];
    int count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0 || count < digits);
    while (count > 0) {
        add_character(line, reversed[--count]);
    }
}

static inline void add_number(LogLine *line, uint64_t number) {
    add_digits(line, number, 10, 1);
}

// Adds "4 queues", or "1 queue".
static inline void add_count(LogLine *line, uint64_t count, const char *what) {
    add_number(line, count);
    add_character(line, ' ');
    add_text(line, what);
    if (count != 1) {
        add_character(line, 's');
    }
}

// Adds "CPUs 0-3", or "CPU 2".
static inline void add_range(LogLine *line, const char *what, int first, int last) {
    add_text(line, what);
    if (last > first) {
        add_character(line, 's');
    }
    add_character(line, ' ');
    add_number(line, (uint64_t)first);
    if (last > first) {
        add_character(line, '-');
        add_number(line, (uint64_t)last);
    }
}

static inline void write_line(int level, const LogLine *line) {
    Kernel_Log(level, line->text, line->length);
}

#endif
