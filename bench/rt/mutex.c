/* mutex.c: the mutex. */
#include "bench.h"

enum { SHARERS = 8, LOCKS = 2000000, SHARED_EVERY = 64, FIGHTERS = 2 };

static weft_mutex shared = WEFT_MUTEX_INIT;
static int64_t shared_count;

static void lock_own(void *arg)
{
    weft_mutex own = WEFT_MUTEX_INIT;
    volatile int64_t count = 0;
    for (int i = 0; i < LOCKS; i++) {
        if (i % SHARED_EVERY == 0) {
            weft_mutex_lock(&shared);
            shared_count++;
            weft_mutex_unlock(&shared);
        } else {
            weft_mutex_lock(&own);
            count++;
            weft_mutex_unlock(&own);
        }
    }
    weft_wg_done(arg);
}

static void lock_shared(void *arg)
{
    for (int i = 0; i < LOCKS; i++) {
        weft_mutex_lock(&shared);
        shared_count++;
        weft_mutex_unlock(&shared);
    }
    weft_wg_done(arg);
}

static int64_t lock_with(void (*fn)(void *), int coroutines, int64_t shared_locks)
{
    weft_wg wg = WEFT_WG_INIT;
    shared_count = 0;
    weft_wg_add(&wg, coroutines);
    for (int i = 0; i < coroutines; i++)
        weft_go(fn, &wg);
    weft_wg_wait(&wg);
    return shared_count == shared_locks ? (int64_t)coroutines * LOCKS : -1;
}

/* Eight coroutines: each has a mutex of its own, and takes every 64th time the one they share. */
static int64_t mutex(void)
{
    return lock_with(lock_own, SHARERS, (int64_t)SHARERS * LOCKS / SHARED_EVERY);
}

/* Two that do nothing but take the same one. */
static int64_t mutex_shared(void)
{
    return lock_with(lock_shared, FIGHTERS, (int64_t)FIGHTERS * LOCKS);
}

const struct bench mutex_benches[] = {
    {"mutex", mutex},
    {"mutex_shared", mutex_shared},
    {NULL, NULL},
};
