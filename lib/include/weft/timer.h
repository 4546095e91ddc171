/* weft/timer.h: calls a function later, once or again and again. To wait in place there are
 * weft_sleep and select's WEFT_AFTER. */
#ifndef WEFT_TIMER_H
#define WEFT_TIMER_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_timer weft_timer;

/* Makes a timer, not yet set, that runs `fn(arg)` in a coroutine of its own each time it fires.
 * NULL when memory is out. The caller owns it: weft_timer_free. Never parks. */
WEFT_API weft_timer *weft_timer_new(void (*fn)(void *arg), void *arg);

/* Sets the timer, whether or not it was set: it fires `delay` nanoseconds from now, and then every
 * `period` nanoseconds (0: once). A period that ends while fn still runs is skipped, not made up
 * for. Returns 0; -EINVAL for a negative number; -ENOMEM: it is not set. Never parks. From any
 * thread while the runtime runs, one at a time for a timer. */
WEFT_API int weft_timer_set(weft_timer *t, int64_t delay, int64_t period);

/* Stops it. Returns 1 when it was set, 0 when not: then it may have fired, and fn may run still.
 * Never parks; any thread. */
WEFT_API int weft_timer_stop(weft_timer *t);

/* Stops it, and waits until fn does not run any more. Not from fn. In a coroutine it parks; else no
 * runtime may run. */
WEFT_API void weft_timer_stop_wait(weft_timer *t);

/* Stops and frees it; fn may do so itself. fn may run still when this returns, not later start.
 * NULL-safe. Never parks; any thread, also when the runtime in which it was set has ended. */
WEFT_API void weft_timer_free(weft_timer *t);

#ifdef __cplusplus
}
#endif
#endif
