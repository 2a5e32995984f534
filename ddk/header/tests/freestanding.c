// Checks what the functions of proxima_freestanding.h do. The exit status is the number of failures.
#include <proxima_freestanding.h>

enum { ROOM = 40 };

static unsigned char before[ROOM], after[ROOM], expected[ROOM];

static void start(void) {
    for (int i = 0; i < ROOM; i++) {
        before[i] = after[i] = expected[i] = (unsigned char)(i * 7 + 1);
    }
}

static int differs(void) {
    for (int i = 0; i < ROOM; i++) {
        if (after[i] != expected[i]) {
            return 1;
        }
    }
    return 0;
}

// Moves every length from every offset to every offset of one array, whether the two overlap or not.
static int moves(void) {
    int failures = 0;
    for (int to = 0; to < ROOM; to++) {
        for (int from = 0; from < ROOM; from++) {
            for (int length = 0; length <= ROOM - (to > from ? to : from); length++) {
                start();
                for (int i = 0; i < length; i++) {
                    expected[to + i] = before[from + i];
                }
                failures += memmove(after + to, after + from, (size_t)length) != after + to;
                failures += differs();
                if (to + length <= from || from + length <= to) {
                    start();
                    for (int i = 0; i < length; i++) {
                        expected[to + i] = before[from + i];
                    }
                    failures += memcpy(after + to, after + from, (size_t)length) != after + to;
                    failures += differs();
                }
            }
        }
    }
    return failures;
}

static int sets_and_compares(void) {
    int failures = 0;
    for (int length = 0; length < ROOM; length++) {
        start();
        for (int i = 0; i < length; i++) {
            expected[i] = 0xa5;
        }
        failures += memset(after, 0x1a5, (size_t)length) != after;
        failures += differs();
        failures += memcmp(after, expected, ROOM) != 0;
        after[length] = 0;
        expected[length] = 0xff;
        failures += memcmp(after, expected, (size_t)length) != 0;
        failures += memcmp(after, expected, ROOM) >= 0 || memcmp(expected, after, ROOM) <= 0;
    }
    return failures;
}

int main(void) {
    int failures = moves() + sets_and_compares();
    return failures < 100 ? failures : 100;
}
