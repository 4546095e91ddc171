/* assert.h: what the code's author believes. Stays on in release; never checks input. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

#define weft_likely(claim) __builtin_expect(!!(claim), 1)
#define weft_unlikely(claim) __builtin_expect(!!(claim), 0)

#define weft_assert(claim)                                                                         \
    do {                                                                                           \
        if (weft_unlikely(!(claim)))                                                               \
            weft_assert_failed(#claim, __FILE__, __LINE__);                                        \
    } while (0)

/* Says which belief was wrong and ends the process with a core. */
__attribute__((noreturn, cold)) static inline void weft_assert_failed(const char *claim,
                                                                      const char *file, int line)
{
    fprintf(stderr, "weft: %s:%d: this should hold: %s\n", file, line, claim);
    abort();
}

#endif
