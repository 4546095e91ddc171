/* fuzz.h: what the fuzzers share. Each is a libFuzzer target: `LLVMFuzzerTestOneInput` checks what
 * must hold for any bytes, and aborts where it does not.
 *
 * A fuzzer that finds nothing may be good news or a broken fuzzer. So each has a planted bug, a
 * claim that is false for inputs that are easy to reach but not trivial; with WEFT_FUZZ_PLANTED in
 * the environment it is checked too, and tests/fuzz/run expects the fuzzer to find it. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Ends the process with what was found, unless `claim` holds. */
#define FUZZ_CHECK(claim)                                                                          \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: this should hold: %s\n", __FILE__, __LINE__, #claim);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline bool fuzz_is_planted(void)
{
    static int is_planted = -1;
    if (is_planted < 0)
        is_planted = getenv("WEFT_FUZZ_PLANTED") != NULL;
    return is_planted;
}

/* The planted bug: a claim that does not hold. */
#define FUZZ_PLANTED(claim)                                                                        \
    do {                                                                                           \
        if (fuzz_is_planted())                                                                     \
            FUZZ_CHECK(claim);                                                                     \
    } while (0)

/* Takes the next piece, up to `separator`, off the front of the input. */
static inline size_t fuzz_piece(const uint8_t **data, size_t *size, char separator,
                                const char **ret_piece)
{
    const uint8_t *end = *size ? memchr(*data, separator, *size) : NULL;
    size_t len = end ? (size_t)(end - *data) : *size;
    *ret_piece = (const char *)*data;
    *data += len + (end != NULL);
    *size -= len + (end != NULL);
    return len;
}

#endif
