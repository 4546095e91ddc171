/* weft/sync.h: what coroutines share: wait groups, mutexes, read-write locks, conditions, once,
 * semaphores, barriers.
 *
 * All of them are plain structs that live where their owner puts them, start as their _INIT, hold
 * no other memory and need no destruction; nobody may use one when it goes away. Their fields are
 * private. All of them may be used from an OS thread outside the runtime, too: it blocks where a
 * coroutine parks.
 *
 * A call that waits returns -ECANCELED or -ETIMEDOUT when the current context ends meanwhile, and a
 * call that need not wait does not look at it. Locks are the exception: weft_mutex_lock and its
 * kin wait whatever happens, as in every language, because what they protect has to be tidied up
 * under a cancelled context, too. Where a wait may be long, use their _until. */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- wait group: a count of things under way, and who waits for it to reach zero ---- */

typedef struct weft_wg {
    int64_t count;
    void *first, *last;
    int lock;
} weft_wg;

#define WEFT_WG_INIT                                                                               \
    {                                                                                              \
        0, NULL, NULL, 0                                                                           \
    }

/* Adds `n` (may be negative) to the count. The count must not fall below zero, and must not rise
 * from zero while somebody waits. Never parks. */
WEFT_API void weft_wg_add(weft_wg *wg, int n);

/* Takes one off the count, and readies the waiters when that makes it zero. Never parks. The group
 * may be freed by a waiter that got 0 as soon as the last done has been called. */
WEFT_API void weft_wg_done(weft_wg *wg);

/* Parks until the count is zero. Returns 0; -ECANCELED, -ETIMEDOUT: then things are still under
 * way, and the group must stay. */
WEFT_API int weft_wg_wait(weft_wg *wg);

/* ---- mutex ---- */

/* Fair after starvation: who has waited a millisecond is next, whoever else comes. */
typedef struct weft_mutex {
    unsigned word;
    int lock;
    void *first, *last;
} weft_mutex;

#define WEFT_MUTEX_INIT                                                                            \
    {                                                                                              \
        0, 0, NULL, NULL                                                                           \
    }

WEFT_API void weft_mutex_lock_slow(weft_mutex *m); /* private */
WEFT_API void weft_mutex_unlock_slow(weft_mutex *m);

/* Takes the mutex; parks while another has it. Not a second time by who has it: that waits for
 * ever. */
static inline void weft_mutex_lock(weft_mutex *m)
{
    unsigned unlocked = 0;
    if (!__atomic_compare_exchange_n(&m->word, &unlocked, 1U, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        weft_mutex_lock_slow(m);
}

/* Gives it back; by anybody, not necessarily who took it. Never parks. */
static inline void weft_mutex_unlock(weft_mutex *m)
{
    unsigned locked = 1;
    if (!__atomic_compare_exchange_n(&m->word, &locked, 0U, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        weft_mutex_unlock_slow(m);
}

/* Takes it if that needs no waiting. Returns 0 or -EBUSY. Never parks. */
WEFT_API WEFT_MUST_USE int weft_mutex_try_lock(weft_mutex *m);

/* Takes it until `deadline`, a point of weft_now() or WEFT_NO_DEADLINE. Returns 0; -ETIMEDOUT;
 * -ECANCELED; -ENOMEM. */
WEFT_API WEFT_MUST_USE int weft_mutex_lock_until(weft_mutex *m, int64_t deadline);

/* ---- read-write lock: many readers or one writer, in the order in which they come ---- */

typedef struct weft_rwlock {
    int lock;
    int holders;
    void *first, *last;
} weft_rwlock;

#define WEFT_RWLOCK_INIT                                                                           \
    {                                                                                              \
        0, 0, NULL, NULL                                                                           \
    }

/* Take and give back for reading. A reader waits behind a writer that waits, so that writers get
 * their turn: who holds it for reading must not take it again. lock parks. */
WEFT_API void weft_rwlock_read_lock(weft_rwlock *l);
WEFT_API void weft_rwlock_read_unlock(weft_rwlock *l);

/* Take and give back for writing. lock parks. */
WEFT_API void weft_rwlock_write_lock(weft_rwlock *l);
WEFT_API void weft_rwlock_write_unlock(weft_rwlock *l);

/* Take it until `deadline`: as weft_mutex_lock_until. */
WEFT_API WEFT_MUST_USE int weft_rwlock_read_lock_until(weft_rwlock *l, int64_t deadline);
WEFT_API WEFT_MUST_USE int weft_rwlock_write_lock_until(weft_rwlock *l, int64_t deadline);

/* ---- condition ---- */

typedef struct weft_cond {
    int lock;
    void *first, *last;
} weft_cond;

#define WEFT_COND_INIT                                                                             \
    {                                                                                              \
        0, NULL, NULL                                                                              \
    }

/* Gives `m` back and waits to be signalled, in one step; has taken m again when it returns,
 * whatever it returns. There are no spurious wake-ups, but what was signalled may be gone again:
 * check it in a loop. Returns 0; -ECANCELED, -ETIMEDOUT. Parks. */
WEFT_API WEFT_MUST_USE int weft_cond_wait(weft_cond *c, weft_mutex *m);

/* The same until `deadline`: -ETIMEDOUT then; -ENOMEM. */
WEFT_API WEFT_MUST_USE int weft_cond_wait_until(weft_cond *c, weft_mutex *m, int64_t deadline);

/* Wake who has waited longest; all who wait. Never park. */
WEFT_API void weft_cond_signal(weft_cond *c);
WEFT_API void weft_cond_broadcast(weft_cond *c);

/* ---- once ---- */

typedef struct weft_once {
    int state;
    int lock;
    void *first, *last;
} weft_once;

#define WEFT_ONCE_INIT                                                                             \
    {                                                                                              \
        0, 0, NULL, NULL                                                                           \
    }

/* Calls `fn(arg)` if nobody has called it through this once; when it returns fn has returned,
 * whoever called it. fn must not come back to the same once. Parks while another calls. */
WEFT_API void weft_once_do(weft_once *once, void (*fn)(void *arg), void *arg);

/* ---- semaphore: a number of things to be had, in the order in which they are asked for ---- */

typedef struct weft_sem {
    int64_t count;
    int lock;
    void *first, *last;
} weft_sem;

#define WEFT_SEM_INIT(initial)                                                                     \
    {                                                                                              \
        (initial), 0, NULL, NULL                                                                   \
    }

/* Takes `n` (at least 1); parks while there are fewer, or while others wait that came before.
 * Returns 0; -ECANCELED, -ETIMEDOUT: nothing was taken. */
WEFT_API WEFT_MUST_USE int weft_sem_acquire(weft_sem *s, int64_t n);

/* The same until `deadline`: -ETIMEDOUT then; -ENOMEM. */
WEFT_API WEFT_MUST_USE int weft_sem_acquire_until(weft_sem *s, int64_t n, int64_t deadline);

/* The same without waiting: 0 or -EAGAIN. Never parks. */
WEFT_API WEFT_MUST_USE int weft_sem_try_acquire(weft_sem *s, int64_t n);

/* Gives `n` back. Never parks. */
WEFT_API void weft_sem_release(weft_sem *s, int64_t n);

/* ---- barrier: nobody goes on before all are there ---- */

typedef struct weft_barrier {
    int parties, arrived;
    int lock;
    void *first, *last;
} weft_barrier;

#define WEFT_BARRIER_INIT(number_of_parties)                                                       \
    {                                                                                              \
        (number_of_parties), 0, 0, NULL, NULL                                                      \
    }

/* Waits until as many have come as there are parties; then the next round begins. Returns 1 to the
 * last who came and 0 to the others; -ECANCELED, -ETIMEDOUT: the caller does not count as come. */
WEFT_API WEFT_MUST_USE int weft_barrier_wait(weft_barrier *b);

#ifdef __cplusplus
}
#endif
#endif
