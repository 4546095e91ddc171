#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "at_sizes.h"

#ifdef __SANITIZE_THREAD__
enum { MANY = 2000 };
#else
enum { MANY = 20000 };
#endif
enum { SIDES = 8 };

struct shared {
    weft_mutex mutex;
    weft_rwlock rwlock;
    weft_wg wg;
    int64_t plain; /* what the lock protects: the thread sanitizer would see a race */
    int64_t check;
};

static void add_locked(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < MANY; i++) {
        weft_mutex_lock(&s->mutex);
        s->plain++;
        if (i % 64 == 0)
            weft_yield(); /* with the mutex held: others have to wait */
        weft_mutex_unlock(&s->mutex);
    }
    weft_wg_done(&s->wg);
}

static int exclusion(void *arg)
{
    struct shared s = {.mutex = WEFT_MUTEX_INIT, .wg = WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < SIDES; i++) {
        weft_wg_add(&s.wg, 1);
        weft_go(add_locked, &s);
    }
    cr_assert_eq(weft_wg_wait(&s.wg), 0);
    cr_assert_eq(s.plain, (int64_t)SIDES * MANY);
    cr_assert_eq(weft_mutex_try_lock(&s.mutex), 0);
    cr_assert_eq(weft_mutex_try_lock(&s.mutex), -EBUSY);
    cr_assert_eq(weft_mutex_lock_until(&s.mutex, weft_now() + WEFT_MS), -ETIMEDOUT);
    weft_mutex_unlock(&s.mutex);
    cr_assert_eq(weft_mutex_lock_until(&s.mutex, WEFT_NO_DEADLINE), 0);
    weft_mutex_unlock(&s.mutex);
    return 0;
}

Test(mutex, lets_one_in, .timeout = 300)
{
    at_all_sizes(exclusion, NULL);
}

struct hog {
    weft_mutex mutex;
    _Atomic(bool) is_over;
    weft_wg wg;
};

static void take_again_and_again(void *arg)
{
    struct hog *h = arg;
    while (!atomic_load(&h->is_over)) {
        weft_mutex_lock(&h->mutex);
        int64_t until = weft_now() + 100 * WEFT_US;
        while (weft_now() < until)
            ;
        weft_mutex_unlock(&h->mutex); /* and takes it again at once, without parking */
    }
    weft_wg_done(&h->wg);
}

/* One that never lets go for long must not keep the other out for ever. */
static int starvation(void *arg)
{
    struct hog h = {.mutex = WEFT_MUTEX_INIT, .wg = WEFT_WG_INIT};
    (void)arg;
    weft_wg_add(&h.wg, 1);
    weft_go(take_again_and_again, &h);
    for (int i = 0; i < 20; i++) {
        weft_sleep(WEFT_MS);
        weft_mutex_lock(&h.mutex);
        weft_mutex_unlock(&h.mutex);
    }
    atomic_store(&h.is_over, true);
    cr_assert_eq(weft_wg_wait(&h.wg), 0);
    return 0;
}

Test(mutex, starves_nobody, .timeout = 120)
{
    at_all_sizes(starvation, NULL);
}

static void *add_from_a_thread(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < MANY; i++) {
        weft_mutex_lock(&s->mutex);
        s->plain++;
        weft_mutex_unlock(&s->mutex);
    }
    return NULL;
}

static int with_threads(void *arg)
{
    struct shared s = {.mutex = WEFT_MUTEX_INIT, .wg = WEFT_WG_INIT};
    pthread_t thread;
    (void)arg;
    weft_wg_add(&s.wg, 1);
    pthread_create(&thread, NULL, add_from_a_thread, &s);
    weft_go(add_locked, &s);
    cr_assert_eq(weft_wg_wait(&s.wg), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(s.plain, 2 * MANY);
    return 0;
}

Test(mutex, works_between_threads_and_coroutines, .timeout = 120)
{
    at_all_sizes(with_threads, NULL);
}

static void read_often(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < MANY / 10; i++) {
        weft_rwlock_read_lock(&s->rwlock);
        cr_assert_eq(s->plain, s->check);
        if (i % 16 == 0)
            weft_yield();
        cr_assert_eq(s->plain, s->check);
        weft_rwlock_read_unlock(&s->rwlock);
    }
    weft_wg_done(&s->wg);
}

static void write_often(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < MANY / 10; i++) {
        weft_rwlock_write_lock(&s->rwlock);
        s->plain++;
        if (i % 16 == 0)
            weft_yield();
        s->check++;
        weft_rwlock_write_unlock(&s->rwlock);
    }
    weft_wg_done(&s->wg);
}

static int readers_and_writers(void *arg)
{
    struct shared s = {.rwlock = WEFT_RWLOCK_INIT, .wg = WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < SIDES; i++) {
        weft_wg_add(&s.wg, 1);
        weft_go(i % 4 ? read_often : write_often, &s);
    }
    cr_assert_eq(weft_wg_wait(&s.wg), 0);
    cr_assert_eq(s.plain, SIDES / 4 * (MANY / 10));
    weft_rwlock_read_lock(&s.rwlock);
    weft_rwlock_read_lock(&s.rwlock); /* nobody waits: several readers */
    cr_assert_eq(weft_rwlock_write_lock_until(&s.rwlock, weft_now() + WEFT_MS), -ETIMEDOUT);
    weft_rwlock_read_unlock(&s.rwlock);
    weft_rwlock_read_unlock(&s.rwlock);
    weft_rwlock_write_lock(&s.rwlock);
    cr_assert_eq(weft_rwlock_read_lock_until(&s.rwlock, weft_now() + WEFT_MS), -ETIMEDOUT);
    weft_rwlock_write_unlock(&s.rwlock);
    return 0;
}

Test(rwlock, readers_see_whole_writes, .timeout = 120)
{
    at_all_sizes(readers_and_writers, NULL);
}

struct box {
    weft_mutex mutex;
    weft_cond filled, emptied;
    int value; /* 0: empty */
    weft_wg wg;
    int64_t sum;
};

static void fill(void *arg)
{
    struct box *b = arg;
    for (int i = 1; i <= MANY / 10; i++) {
        weft_mutex_lock(&b->mutex);
        while (b->value)
            cr_assert_eq(weft_cond_wait(&b->emptied, &b->mutex), 0);
        b->value = i;
        weft_cond_signal(&b->filled);
        weft_mutex_unlock(&b->mutex);
    }
    weft_wg_done(&b->wg);
}

static int conditions(void *arg)
{
    struct box b = {WEFT_MUTEX_INIT, WEFT_COND_INIT, WEFT_COND_INIT, 0, WEFT_WG_INIT, 0};
    (void)arg;
    weft_wg_add(&b.wg, 1);
    weft_go(fill, &b);
    for (int i = 1; i <= MANY / 10; i++) {
        weft_mutex_lock(&b.mutex);
        while (!b.value)
            cr_assert_eq(weft_cond_wait(&b.filled, &b.mutex), 0);
        cr_assert_eq(b.value, i);
        b.value = 0;
        weft_cond_broadcast(&b.emptied);
        weft_mutex_unlock(&b.mutex);
    }
    cr_assert_eq(weft_wg_wait(&b.wg), 0);
    weft_mutex_lock(&b.mutex);
    cr_assert_eq(weft_cond_wait_until(&b.filled, &b.mutex, weft_now() + WEFT_MS), -ETIMEDOUT);
    cr_assert_eq(weft_mutex_try_lock(&b.mutex), -EBUSY, "taken again");
    weft_mutex_unlock(&b.mutex);
    return 0;
}

Test(cond, hands_values_over, .timeout = 120)
{
    at_all_sizes(conditions, NULL);
}

struct once_test {
    weft_once once;
    int calls;
    weft_wg wg;
};

static void count_call(void *arg)
{
    struct once_test *t = arg;
    weft_sleep(WEFT_MS);
    t->calls++;
}

static void do_once(void *arg)
{
    struct once_test *t = arg;
    weft_once_do(&t->once, count_call, t);
    cr_assert_eq(t->calls, 1, "when it returns it has been done");
    weft_wg_done(&t->wg);
}

static int onces(void *arg)
{
    struct once_test t = {WEFT_ONCE_INIT, 0, WEFT_WG_INIT};
    (void)arg;
    weft_wg_add(&t.wg, 100);
    for (int i = 0; i < 100; i++)
        weft_go(do_once, &t);
    cr_assert_eq(weft_wg_wait(&t.wg), 0);
    cr_assert_eq(t.calls, 1);
    return 0;
}

Test(once, is_done_once, .timeout = 60)
{
    at_all_sizes(onces, NULL);
}

struct pool {
    weft_sem sem;
    _Atomic(int) inside, most;
    weft_wg wg;
};

static void use_one(void *arg)
{
    struct pool *p = arg;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(weft_sem_acquire(&p->sem, 1), 0);
        int now = atomic_fetch_add(&p->inside, 1) + 1;
        cr_assert(now <= 3);
        weft_yield();
        atomic_fetch_sub(&p->inside, 1);
        weft_sem_release(&p->sem, 1);
    }
    weft_wg_done(&p->wg);
}

static int semaphores(void *arg)
{
    struct pool p = {WEFT_SEM_INIT(3), 0, 0, WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < SIDES; i++) {
        weft_wg_add(&p.wg, 1);
        weft_go(use_one, &p);
    }
    cr_assert_eq(weft_wg_wait(&p.wg), 0);
    cr_assert_eq(weft_sem_try_acquire(&p.sem, 4), -EAGAIN);
    cr_assert_eq(weft_sem_acquire_until(&p.sem, 4, weft_now() + WEFT_MS), -ETIMEDOUT);
    cr_assert_eq(weft_sem_try_acquire(&p.sem, 3), 0);
    return 0;
}

Test(sem, admits_so_many, .timeout = 60)
{
    at_all_sizes(semaphores, NULL);
}

struct rounds {
    weft_barrier barrier;
    _Atomic(int) come, lasts;
    weft_wg wg;
};

static void go_rounds(void *arg)
{
    struct rounds *r = arg;
    for (int i = 1; i <= 50; i++) {
        atomic_fetch_add(&r->come, 1);
        int rc = weft_barrier_wait(&r->barrier);
        cr_assert(rc == 0 || rc == 1);
        atomic_fetch_add(&r->lasts, rc);
        cr_assert(atomic_load(&r->come) >= i * 5, "nobody goes on before all have come");
    }
    weft_wg_done(&r->wg);
}

static int barriers(void *arg)
{
    struct rounds r = {WEFT_BARRIER_INIT(5), 0, 0, WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < 5; i++) {
        weft_wg_add(&r.wg, 1);
        weft_go(go_rounds, &r);
    }
    cr_assert_eq(weft_wg_wait(&r.wg), 0);
    cr_assert_eq(atomic_load(&r.lasts), 50, "one of each round is its last");
    return 0;
}

Test(barrier, holds_all_until_all_are_there, .timeout = 60)
{
    at_all_sizes(barriers, NULL);
}

/* The other one runs only while this one holds the mutex: without handing over, it would wait for
 * ever. */
struct unfair {
    weft_mutex mutex;
    _Atomic(bool) has_had_it;
    weft_wg wg;
};

static void want_it(void *arg)
{
    struct unfair *u = arg;
    weft_mutex_lock(&u->mutex);
    atomic_store(&u->has_had_it, true);
    weft_mutex_unlock(&u->mutex);
    weft_wg_done(&u->wg);
}

static int hand_over(void *arg)
{
    struct unfair u = {.mutex = WEFT_MUTEX_INIT, .wg = WEFT_WG_INIT};
    (void)arg;
    weft_mutex_lock(&u.mutex);
    weft_wg_add(&u.wg, 1);
    weft_go(want_it, &u);
    while (!atomic_load(&u.has_had_it)) {
        weft_yield();
        weft_mutex_unlock(&u.mutex);
        weft_mutex_lock(&u.mutex); /* before the other one can run */
    }
    weft_mutex_unlock(&u.mutex);
    return weft_wg_wait(&u.wg);
}

Test(mutex, is_handed_to_who_has_starved, .timeout = 60)
{
    cr_assert_eq(weft_run_with(&(weft_run_opts){.procs = 1}, hand_over, NULL), 0);
}

/* ---- from threads that weft knows nothing of ---- */

struct outside {
    weft_mutex mutex;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_once once;
    weft_sem sem;
    weft_barrier barrier;
    weft_wg started, done;
    int step, once_calls, failed; /* step: under the mutex */
};

#define OUTSIDE_CHECK(claim)                                                                       \
    do {                                                                                           \
        if (!(claim) && !o->failed)                                                                \
            o->failed = __LINE__;                                                                  \
    } while (0)

static void once_body(void *arg)
{
    ((struct outside *)arg)->once_calls++;
}

static void *use_all(void *arg)
{
    struct outside *o = arg;
    weft_wg_done(&o->started);
    weft_mutex_lock(&o->mutex); /* the coroutine has it */
    while (o->step < 1)
        OUTSIDE_CHECK(weft_cond_wait(&o->cond, &o->mutex) == 0);
    int rc = weft_cond_wait_until(&o->cond, &o->mutex, weft_now() + WEFT_MS);
    OUTSIDE_CHECK(rc == -ETIMEDOUT || (rc == 0 && o->step == 2)); /* another thread was faster */
    OUTSIDE_CHECK(weft_mutex_try_lock(&o->mutex) == -EBUSY);
    OUTSIDE_CHECK(weft_mutex_lock_until(&o->mutex, weft_now() + WEFT_MS) == -ETIMEDOUT);
    o->step = 2;
    weft_cond_broadcast(&o->cond);
    weft_mutex_unlock(&o->mutex);
    weft_once_do(&o->once, once_body, o);
    weft_rwlock_read_lock(&o->rwlock);
    OUTSIDE_CHECK(weft_rwlock_write_lock_until(&o->rwlock, weft_now() + WEFT_MS) == -ETIMEDOUT);
    weft_rwlock_read_unlock(&o->rwlock);
    weft_rwlock_write_lock(&o->rwlock);
    weft_rwlock_write_unlock(&o->rwlock);
    OUTSIDE_CHECK(weft_sem_acquire(&o->sem, 1) == 0);
    OUTSIDE_CHECK(weft_sem_try_acquire(&o->sem, 100) == -EAGAIN);
    OUTSIDE_CHECK(weft_sem_acquire_until(&o->sem, 100, weft_now() + WEFT_MS) == -ETIMEDOUT);
    weft_sem_release(&o->sem, 1);
    OUTSIDE_CHECK(weft_barrier_wait(&o->barrier) >= 0);
    weft_wg_done(&o->done);
    OUTSIDE_CHECK(weft_wg_wait(&o->done) == 0);
    return NULL;
}

enum { OUTSIDE_THREADS = 3 };

static int from_outside(void *arg)
{
    struct outside o = {.sem = WEFT_SEM_INIT(0), .barrier = WEFT_BARRIER_INIT(OUTSIDE_THREADS + 1)};
    pthread_t threads[OUTSIDE_THREADS];
    (void)arg;
    weft_wg_add(&o.started, OUTSIDE_THREADS);
    weft_wg_add(&o.done, OUTSIDE_THREADS + 1);
    weft_mutex_lock(&o.mutex);
    weft_rwlock_write_lock(&o.rwlock);
    for (int i = 0; i < OUTSIDE_THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use_all, &o), 0);
    cr_assert_eq(weft_wg_wait(&o.started), 0);
    weft_sleep(WEFT_MS);
    o.step = 1;
    weft_cond_broadcast(&o.cond);
    while (o.step < 2)
        cr_assert_eq(weft_cond_wait(&o.cond, &o.mutex), 0);
    weft_mutex_unlock(&o.mutex);
    weft_sleep(WEFT_MS);
    weft_rwlock_write_unlock(&o.rwlock);
    weft_sleep(WEFT_MS);
    weft_sem_release(&o.sem, 1);
    cr_assert_geq(weft_barrier_wait(&o.barrier), 0);
    weft_wg_done(&o.done);
    cr_assert_eq(weft_wg_wait(&o.done), 0);
    for (int i = 0; i < OUTSIDE_THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(o.failed, 0, "line %d", o.failed);
    cr_assert_eq(o.once_calls, 1);
    return 0;
}

Test(sync, threads_outside_may_use_all_of_it, .timeout = 60)
{
    at_all_sizes(from_outside, NULL);
}
