#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "at_sizes.h"

static void count_up(void *arg)
{
    atomic_fetch_add((_Atomic(int) *)arg, 1);
}

static int timers(void *arg)
{
    _Atomic(int) once = 0, often = 0, never = 0;
    (void)arg;
    weft_timer *a = weft_timer_new(count_up, &once), *b = weft_timer_new(count_up, &often),
               *c = weft_timer_new(count_up, &never);
    cr_assert_eq(weft_timer_set(a, WEFT_MS, 0), 0);
    cr_assert_eq(weft_timer_set(b, WEFT_MS, WEFT_MS / 2), 0);
    cr_assert_eq(weft_timer_set(c, 3600 * WEFT_SEC, 0), 0);
    cr_assert_eq(weft_timer_set(c, -1, 0), -EINVAL);
    while (atomic_load(&often) < 5)
        weft_sleep(WEFT_MS);
    cr_assert_eq(atomic_load(&once), 1);
    cr_assert_eq(weft_timer_stop(a), 0, "it has fired");
    cr_assert_eq(weft_timer_stop(c), 1);
    cr_assert_eq(weft_timer_set(a, 0, 0), 0, "and may be set again");
    while (atomic_load(&once) < 2)
        weft_yield();
    weft_timer_free(a);
    weft_timer_free(b);
    weft_timer_free(c);
    weft_sleep(2 * WEFT_MS); /* the last call, if it was under way */
    cr_assert_eq(atomic_load(&never), 0);
    return 0;
}

Test(timers, fire_once_or_often, .timeout = 60)
{
    at_all_sizes(timers, NULL);
}

struct race {
    weft_timer *timer;
    weft_wg wg;
};

static void nothing(void *arg)
{
    (void)arg;
}

/* A timer that is set, stopped and freed as it fires. */
static void race_with_firing(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < 200; i++) {
        weft_timer *t = weft_timer_new(nothing, NULL);
        weft_timer_set(t, i % 7 * 10 * WEFT_US, WEFT_US * 20);
        weft_sleep(i % 11 * 10 * WEFT_US);
        if (i % 2)
            weft_timer_stop(t);
        weft_timer_free(t);
    }
    weft_wg_done(&r->wg);
}

static int races(void *arg)
{
    struct race r = {NULL, WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < 4; i++) {
        weft_wg_add(&r.wg, 1);
        weft_go(race_with_firing, &r);
    }
    cr_assert_eq(weft_wg_wait(&r.wg), 0);
    weft_sleep(2 * WEFT_MS);
    return 0;
}

Test(timers, may_be_freed_as_they_fire, .timeout = 60)
{
    at_all_sizes(races, NULL);
}

/* Reset: the later setting counts, earlier or later than the one before. */
static int resets(void *arg)
{
    _Atomic(int) count = 0;
    (void)arg;
    weft_timer *t = weft_timer_new(count_up, &count);
    cr_assert_eq(weft_timer_stop(t), 0, "it was never set");
    cr_assert_eq(weft_timer_set(t, 3600 * WEFT_SEC, 0), 0);
    cr_assert_eq(weft_timer_set(t, WEFT_MS, 0), 0);
    while (atomic_load(&count) < 1)
        weft_sleep(WEFT_MS);
    cr_assert_eq(weft_timer_set(t, 3600 * WEFT_SEC, WEFT_MS), 0);
    cr_assert_eq(weft_timer_set(t, 3600 * WEFT_SEC, 0), 0);
    weft_sleep(3 * WEFT_MS);
    cr_assert_eq(atomic_load(&count), 1);
    cr_assert_eq(weft_timer_stop(t), 1);
    cr_assert_eq(weft_timer_stop(t), 0);
    cr_assert_eq(weft_timer_set(t, INT64_MAX, INT64_MAX), -EINVAL);
    cr_assert_eq(weft_timer_set(t, INT64_MAX, 0), 0, "which is never");
    weft_timer_free(t);
    return 0;
}

Test(timers, may_be_set_again, .timeout = 60)
{
    at_all_sizes(resets, NULL);
}

/* Periodic, and stopped by its own function. */
struct metronome {
    weft_timer *timer;
    int beats;
    weft_wg wg;
};

static void beat(void *arg)
{
    struct metronome *m = arg;
    if (++m->beats < 5)
        return;
    weft_timer_free(m->timer);
    weft_wg_done(&m->wg);
}

static int beats(void *arg)
{
    struct metronome m = {.wg = WEFT_WG_INIT};
    (void)arg;
    weft_wg_add(&m.wg, 1);
    int64_t before = weft_now();
    m.timer = weft_timer_new(beat, &m);
    cr_assert_eq(weft_timer_set(m.timer, WEFT_MS, WEFT_MS), 0);
    cr_assert_eq(weft_wg_wait(&m.wg), 0);
    cr_assert_geq(weft_now() - before, 5 * WEFT_MS);
    weft_sleep(3 * WEFT_MS);
    cr_assert_eq(m.beats, 5);
    return 0;
}

Test(timers, a_periodic_one_may_free_itself, .timeout = 60)
{
    at_all_sizes(beats, NULL);
}

static void *set_from_outside(void *arg)
{
    weft_timer *never = weft_timer_new(count_up, arg);
    return weft_timer_set(never, 3600 * WEFT_SEC, 0) == 0 && weft_timer_stop(never) == 1 ? never
                                                                                         : NULL;
}

static int outside(void *arg)
{
    pthread_t thread;
    void *timer;
    _Atomic(int) count = 0;
    (void)arg;
    cr_assert_eq(pthread_create(&thread, NULL, set_from_outside, &count), 0);
    pthread_join(thread, &timer);
    cr_assert_not_null(timer);
    cr_assert_eq(weft_timer_set(timer, 0, 0), 0);
    while (atomic_load(&count) < 1)
        weft_sleep(WEFT_MS);
    weft_timer_free(timer);
    weft_sleep(WEFT_MS);
    return 0;
}

Test(timers, a_thread_outside_may_set_them, .timeout = 60)
{
    at_all_sizes(outside, NULL);
}

static void tick(void *arg)
{
    (void)arg;
}

static int leaves_one_set(void *timer)
{
    return weft_timer_set(timer, WEFT_SEC, WEFT_SEC);
}

Test(timers, may_be_stopped_and_freed_when_the_runtime_has_ended, .timeout = 60)
{
    weft_timer *t = weft_timer_new(tick, NULL);
    for (int i = 0; i < 2; i++) { /* also when another run has come between */
        cr_assert_eq(weft_run(leaves_one_set, t), 0);
        cr_assert_eq(weft_timer_stop(t), 0, "it ended with its runtime");
    }
    weft_timer_free(t);
}

static void beat_slowly(void *arg)
{
    _Atomic(int) *count = arg;
    atomic_fetch_add(count, 1);
    weft_sleep(2 * WEFT_MS);
    atomic_fetch_add(count, 1);
}

static int stop_and_wait(void *arg)
{
    _Atomic(int) count = 0;
    weft_timer *t = weft_timer_new(beat_slowly, &count);
    (void)arg;
    cr_assert_eq(weft_timer_set(t, 0, WEFT_MS), 0);
    while (atomic_load(&count) == 0)
        weft_yield();
    weft_timer_stop_wait(t);
    int at_stop = atomic_load(&count);
    cr_expect_eq(at_stop % 2, 0, "no call is under way");
    weft_sleep(5 * WEFT_MS);
    cr_expect_eq(atomic_load(&count), at_stop);
    weft_timer_stop_wait(t);
    weft_timer_free(t);
    return 0;
}

Test(timers, can_be_waited_for, .timeout = 60)
{
    at_all_sizes(stop_and_wait, NULL);
}

static int set_for_later(void *arg)
{
    return weft_timer_set(arg, 3600 * WEFT_SEC, 0);
}

struct outliving {
    weft_timer *timer;
    _Atomic(int) count;
};

static int set_and_wait(void *arg)
{
    struct outliving *o = arg;
    cr_assert_eq(weft_timer_set(o->timer, 0, 0), 0);
    while (atomic_load(&o->count) < 1)
        weft_sleep(WEFT_MS);
    return 0;
}

Test(timers, outlive_the_runtime_they_were_set_in, .timeout = 60)
{
    struct outliving s = {.count = 0};
    s.timer = weft_timer_new(count_up, &s.count);
    cr_assert_eq(weft_run(set_for_later, s.timer), 0);
    cr_expect_eq(weft_timer_stop(s.timer), 0, "it is not set any more");
    cr_assert_eq(weft_run(set_and_wait, &s), 0);
    cr_assert_eq(weft_run(set_for_later, s.timer), 0);
    weft_timer_free(s.timer);
}
