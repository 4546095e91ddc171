/* sleep.c: letting time pass. */
#include <weft/rt.h>

#include "assert.h"
#include "wait.h"

/* Nobody else looks at the waiter: there is nothing to unlock. */
static void nothing(void *arg)
{
    (void)arg;
}

int weft_sleep_until(int64_t when)
{
    struct waiter w;
    weft_assert(coro_self() != NULL);
    waiter_init(&w, when, true);
    uint32_t word = waiter_park(&w, nothing, NULL, WAIT_SLEEP);
    return word == WAITER_TIMED_OUT ? 0 : waiter_error(&w, word);
}

int weft_sleep(int64_t ns)
{
    if (ns <= 0) {
        weft_yield();
        return weft_ctx_error(weft_ctx_current());
    }
    int64_t now = weft_now();
    return weft_sleep_until(ns < WEFT_NO_DEADLINE - now ? now + ns : WEFT_NO_DEADLINE);
}
