#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <weft/weft.h>

#include "at_sizes.h"

/* Every call that waits, under a context that ends while it does. */
struct waits {
    weft_chan *bare, *full;
    weft_mutex mutex;
    weft_rwlock rwlock;
    weft_cond cond;
    weft_sem sem;
    weft_wg wg;
    weft_barrier barrier;
    weft_conn *conn;
    int pipe[2];
};

static int wait_chan_send(struct waits *w)
{
    return weft_chan_send(w->full, &(int){1});
}

static int wait_chan_recv(struct waits *w)
{
    int v;
    return weft_chan_recv(w->bare, &v);
}

static int wait_select(struct waits *w)
{
    int v;
    return weft_select(WEFT_RECV(w->bare, &v), WEFT_SEND(w->full, &v), WEFT_AFTER(3600 * WEFT_SEC));
}

static int wait_sleep(struct waits *w)
{
    (void)w;
    return weft_sleep(3600 * WEFT_SEC);
}

static int wait_mutex(struct waits *w)
{
    return weft_mutex_lock_until(&w->mutex, WEFT_NO_DEADLINE);
}

static int wait_read_lock(struct waits *w)
{
    return weft_rwlock_read_lock_until(&w->rwlock, WEFT_NO_DEADLINE);
}

static int wait_write_lock(struct waits *w)
{
    return weft_rwlock_write_lock_until(&w->rwlock, WEFT_NO_DEADLINE);
}

static int wait_cond(struct waits *w)
{
    weft_mutex mine = WEFT_MUTEX_INIT;
    weft_mutex_lock(&mine);
    int rc = weft_cond_wait(&w->cond, &mine);
    weft_mutex_unlock(&mine);
    return rc;
}

static int wait_sem(struct waits *w)
{
    return weft_sem_acquire(&w->sem, 1);
}

static int wait_wg(struct waits *w)
{
    return weft_wg_wait(&w->wg);
}

static int wait_barrier(struct waits *w)
{
    return weft_barrier_wait(&w->barrier);
}

static int wait_poll(struct waits *w)
{
    return weft_poll(w->pipe[0], WEFT_READABLE, 3600 * WEFT_SEC);
}

static int (*const all_waits[])(struct waits *w) = {
    wait_chan_send,  wait_chan_recv, wait_select, wait_sleep, wait_mutex,   wait_read_lock,
    wait_write_lock, wait_cond,      wait_sem,    wait_wg,    wait_barrier, wait_poll,
};
enum { WAITS = sizeof all_waits / sizeof *all_waits };

struct one_wait {
    struct waits *waits;
    int index;
    int rc;
    weft_wg *wg;
};

static void wait_one(void *arg)
{
    struct one_wait *o = arg;
    o->rc = all_waits[o->index](o->waits);
    weft_wg_done(o->wg);
}

static void waits_init(struct waits *w)
{
    *w = (struct waits){.bare = weft_chan_new(sizeof(int), 0),
                        .full = weft_chan_new(sizeof(int), 1)};
    w->barrier = (weft_barrier)WEFT_BARRIER_INIT(2);
    cr_assert_eq(weft_chan_send(w->full, &(int){0}), 0);
    weft_mutex_lock(&w->mutex);
    weft_rwlock_write_lock(&w->rwlock);
    weft_wg_add(&w->wg, 1);
    cr_assert_eq(pipe(w->pipe), 0);
}

static void waits_done(struct waits *w)
{
    weft_chan_free(w->bare);
    weft_chan_free(w->full);
    close(w->pipe[0]);
    close(w->pipe[1]);
}

/* arg: how the context ends: 0 cancelled while they wait, 1 cancelled before, 2 by its deadline. */
static int all_end(void *arg)
{
    int how = *(int *)arg;
    struct waits w;
    struct one_wait ones[WAITS];
    weft_wg wg = WEFT_WG_INIT;
    weft_ctx *ctx;
    waits_init(&w);
    cr_assert_eq(weft_ctx_new(NULL, how == 2 ? 5 * WEFT_MS : WEFT_NO_DEADLINE, &ctx), 0);
    if (how == 1)
        weft_ctx_cancel(ctx);
    weft_ctx *old = weft_ctx_enter(ctx);
    for (int i = 0; i < WAITS; i++) {
        ones[i] = (struct one_wait){&w, i, 0, &wg};
        weft_wg_add(&wg, 1);
        weft_go(wait_one, &ones[i]); /* under ctx */
    }
    weft_ctx_leave(old);
    if (how == 0) {
        weft_sleep(2 * WEFT_MS);
        weft_ctx_cancel(ctx);
    }
    cr_assert_eq(weft_wg_wait(&wg), 0);
    for (int i = 0; i < WAITS; i++)
        cr_expect_eq(ones[i].rc, how == 2 ? -ETIMEDOUT : -ECANCELED, "wait %d: %d", i, ones[i].rc);
    weft_ctx_unref(ctx);
    waits_done(&w);
    return 0;
}

Test(context, ends_every_wait, .timeout = 120)
{
    static int hows[] = {0, 1, 2};
    for (int i = 0; i < 3; i++)
        at_all_sizes(all_end, &hows[i]);
}

static int tree(void *arg)
{
    static const char key_a, key_b;
    static int value_a, value_b;
    weft_ctx *root, *child, *grandchild, *brother;
    (void)arg;
    cr_assert_eq(weft_ctx_new(NULL, WEFT_SEC, &root), 0);
    cr_assert_eq(weft_ctx_with_value(root, &key_a, &value_a, NULL, &child), 0);
    cr_assert_eq(weft_ctx_with_value(child, &key_b, &value_b, NULL, &grandchild), 0);
    cr_assert_eq(weft_ctx_new(root, 3600 * WEFT_SEC, &brother), 0);
    cr_assert_eq(weft_ctx_with_value(root, NULL, NULL, NULL, &child), -EINVAL);
    cr_assert_eq(weft_ctx_value(grandchild, &key_a), &value_a);
    cr_assert_eq(weft_ctx_value(grandchild, &key_b), &value_b);
    cr_assert_null(weft_ctx_value(child, &key_b));
    cr_assert_eq(weft_ctx_deadline(brother), weft_ctx_deadline(root), "the parent's is earlier");
    weft_ctx_cancel(child);
    cr_assert_eq(weft_ctx_error(grandchild), -ECANCELED);
    cr_assert_eq(weft_ctx_error(root), 0);
    cr_assert_eq(weft_ctx_error(brother), 0);
    weft_ctx_unref(child); /* the grandchild keeps it */
    weft_ctx_unref(root);
    weft_ctx_unref(grandchild);
    weft_ctx_unref(brother);
    cr_assert_eq(weft_ctx_new(NULL, 0, &root), 0);
    cr_assert_eq(weft_ctx_error(root), -ETIMEDOUT);
    weft_ctx_unref(root);
    return 0;
}

Test(context, is_a_tree, .timeout = 60)
{
    at_all_sizes(tree, NULL);
}

static int nap(void *arg)
{
    return weft_sleep(*(int64_t *)arg);
}

static int with_timeout(void *arg)
{
    (void)arg;
    cr_assert_eq(weft_with_timeout(2 * WEFT_MS, nap, &(int64_t){3600 * WEFT_SEC}), -ETIMEDOUT);
    cr_assert_eq(weft_with_timeout(3600 * WEFT_SEC, nap, &(int64_t){WEFT_MS}), 0);
    cr_assert_null(weft_ctx_current());
    return 0;
}

Test(context, with_timeout_bounds_a_call, .timeout = 60)
{
    at_all_sizes(with_timeout, NULL);
}

struct child {
    int64_t sleep;
    int rc, ended_with;
};

static int child_main(void *arg)
{
    struct child *c = arg;
    c->ended_with = weft_sleep(c->sleep);
    return c->ended_with < 0 ? c->ended_with : c->rc;
}

static int first_error(void *arg)
{
    struct child c[3] = {{3600 * WEFT_SEC, 0, 0}, {WEFT_MS, -EIO, 0}, {3600 * WEFT_SEC, 0, 0}};
    int results[3] = {1, 1, 1};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.results = results, .max_results = 3});
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_group_go(&g, child_main, &c[i]), 0);
    cr_assert_eq(weft_group_wait(&g), -EIO, "the first error");
    cr_assert_eq(c[0].ended_with, -ECANCELED, "and it has cancelled the others");
    cr_assert_eq(results[0], -ECANCELED);
    cr_assert_eq(results[1], -EIO);
    return 0;
}

Test(group, the_first_error_cancels_the_others, .timeout = 60)
{
    at_all_sizes(first_error, NULL);
}

static _Atomic(int) inside;

static int count_inside(void *arg)
{
    (void)arg;
    int now = atomic_fetch_add(&inside, 1) + 1;
    weft_sleep(WEFT_MS / 10);
    atomic_fetch_sub(&inside, 1);
    return now > 3 ? -EPROTO : 0;
}

static int limits(void *arg)
{
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.limit = 3});
    for (int i = 0; i < 50; i++)
        cr_assert_eq(weft_group_go(&g, count_inside, NULL), 0);
    cr_assert_eq(weft_group_wait(&g), 0);
    return 0;
}

Test(group, limits_how_many_run, .timeout = 60)
{
    at_all_sizes(limits, NULL);
}

static int timeouts(void *arg)
{
    struct child c = {3600 * WEFT_SEC, 0, 0};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.timeout = 2 * WEFT_MS, .limit = 1});
    cr_assert_eq(weft_group_go(&g, child_main, &c), 0);
    cr_assert_eq(weft_group_go(&g, child_main, &c), -ETIMEDOUT, "no place before the time was up");
    cr_assert_eq(weft_group_wait(&g), -ETIMEDOUT);
    return 0;
}

Test(group, ends_by_its_timeout, .timeout = 60)
{
    at_all_sizes(timeouts, NULL);
}

static int stubborn(void *arg)
{
    struct child c[2] = {{WEFT_MS, -EIO, 0}, {3 * WEFT_MS, 0, 0}};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.keeps_going = 1});
    weft_group_go(&g, child_main, &c[0]);
    weft_group_go(&g, child_main, &c[1]);
    cr_assert_eq(weft_group_wait(&g), -EIO);
    cr_assert_eq(c[1].ended_with, 0, "was not cancelled");
    return 0;
}

Test(group, keeps_going_when_told_to, .timeout = 60)
{
    at_all_sizes(stubborn, NULL);
}

static int nested(void *arg)
{
    int depth = *(int *)arg - 1;
    weft_group g;
    weft_group_init(&g, (weft_group_opts){.limit = 2});
    for (int i = 0; i < 3 && depth > 0; i++)
        weft_group_go(&g, nested, &depth);
    return weft_group_wait(&g);
}

Test(group, groups_nest, .timeout = 60)
{
    at_all_sizes(nested, &(int){5});
}

#ifndef __SANITIZE_THREAD__
static void forget_group(void *arg)
{
    weft_group *g = arg;
    weft_group_init(g, (weft_group_opts){.limit = 0});
}

static int forgets(void *arg)
{
    static weft_group g;
    (void)arg;
    weft_go(forget_group, &g);
    weft_sleep(WEFT_SEC);
    return 0;
}

Test(group, leaving_one_open_ends_the_program, .signal = SIGABRT)
{
    weft_run(forgets, NULL);
}
#endif

/* ---- timers ---- */

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

/* Cancelling while values go to and fro: each is sent or not, never half. */
struct cancels {
    weft_chan *ch;
    _Atomic(int64_t) sent, received;
    weft_wg wg;
};

static int send_some(void *arg)
{
    struct cancels *c = arg;
    while (weft_chan_send(c->ch, &(int){1}) == 0)
        atomic_fetch_add(&c->sent, 1);
    return 0;
}

static int receive_some(void *arg)
{
    struct cancels *c = arg;
    int v;
    while (weft_select(WEFT_RECV(c->ch, &v), WEFT_AFTER(WEFT_SEC)) == 0)
        atomic_fetch_add(&c->received, 1);
    return 0;
}

static int cancel_races(void *arg)
{
    (void)arg;
    for (int round = 0; round < 50; round++) {
        struct cancels c = {.ch = weft_chan_new(sizeof(int), 0)};
        weft_group g;
        weft_group_init(&g, (weft_group_opts){.limit = 0});
        for (int i = 0; i < 3; i++) {
            weft_group_go(&g, send_some, &c);
            weft_group_go(&g, receive_some, &c);
        }
        weft_sleep(round % 5 * 50 * WEFT_US);
        weft_group_cancel(&g);
        cr_assert_eq(weft_group_wait(&g), 0);
        cr_assert_eq(atomic_load(&c.sent), atomic_load(&c.received));
        weft_chan_free(c.ch);
    }
    return 0;
}

Test(context, cancelling_loses_no_value, .timeout = 120)
{
    at_all_sizes(cancel_races, NULL);
}
