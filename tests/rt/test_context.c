#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
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
    weft_conn *conn; /* whose peer is `peer`, which neither reads nor writes */
    int peer;
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

/* The same with deadlines of their own, which are far away. */
static int64_t far(void)
{
    return weft_now() + 3600 * WEFT_SEC;
}

static int wait_chan_send_until(struct waits *w)
{
    return weft_chan_send_until(w->full, &(int){1}, far());
}

static int wait_chan_recv_until(struct waits *w)
{
    int v;
    return weft_chan_recv_until(w->bare, &v, far());
}

static int wait_sleep_until(struct waits *w)
{
    (void)w;
    return weft_sleep_until(far());
}

static int wait_mutex_until(struct waits *w)
{
    return weft_mutex_lock_until(&w->mutex, far());
}

static int wait_read_lock_until(struct waits *w)
{
    return weft_rwlock_read_lock_until(&w->rwlock, far());
}

static int wait_write_lock_until(struct waits *w)
{
    return weft_rwlock_write_lock_until(&w->rwlock, far());
}

static int wait_cond_until(struct waits *w)
{
    weft_mutex mine = WEFT_MUTEX_INIT;
    weft_mutex_lock(&mine);
    int rc = weft_cond_wait_until(&w->cond, &mine, far());
    weft_mutex_unlock(&mine);
    return rc;
}

static int wait_sem_until(struct waits *w)
{
    return weft_sem_acquire_until(&w->sem, 1, far());
}

static int sleep_long(void *arg)
{
    (void)arg;
    return weft_sleep(3600 * WEFT_SEC);
}

static int wait_with_timeout(struct waits *w)
{
    (void)w;
    return weft_with_timeout(3600 * WEFT_SEC, sleep_long, NULL);
}

static int wait_group_place(struct waits *w)
{
    weft_group g;
    (void)w;
    weft_group_init(&g, (weft_group_opts){.limit = 1});
    int rc = weft_group_go(&g, sleep_long, NULL);
    if (rc == 0)
        rc = weft_group_go(&g, sleep_long, NULL);
    (void)weft_group_wait(&g);
    return rc;
}

static int wait_group(struct waits *w)
{
    weft_group g;
    (void)w;
    weft_group_init(&g, (weft_group_opts){.limit = 0});
    (void)weft_group_go(&g, sleep_long, NULL);
    return weft_group_wait(&g); /* its children are cancelled with it */
}

static int wait_conn_read(struct waits *w)
{
    char byte;
    return (int)weft_conn_read(w->conn, &byte, 1);
}

static int wait_conn_write(struct waits *w)
{
    static char much[8 << 20]; /* more than sockets hold */
    return weft_conn_write_all(w->conn, much, sizeof much);
}

static const struct {
    const char *name;
    int (*wait)(struct waits *w);
} all_waits[] = {
    {"chan_send", wait_chan_send},
    {"chan_send_until", wait_chan_send_until},
    {"chan_recv", wait_chan_recv},
    {"chan_recv_until", wait_chan_recv_until},
    {"select", wait_select},
    {"sleep", wait_sleep},
    {"sleep_until", wait_sleep_until},
    {"mutex_lock_until without an end", wait_mutex},
    {"mutex_lock_until", wait_mutex_until},
    {"rwlock_read_lock_until without an end", wait_read_lock},
    {"rwlock_read_lock_until", wait_read_lock_until},
    {"rwlock_write_lock_until without an end", wait_write_lock},
    {"rwlock_write_lock_until", wait_write_lock_until},
    {"cond_wait", wait_cond},
    {"cond_wait_until", wait_cond_until},
    {"sem_acquire", wait_sem},
    {"sem_acquire_until", wait_sem_until},
    {"wg_wait", wait_wg},
    {"barrier_wait", wait_barrier},
    {"with_timeout", wait_with_timeout},
    {"group_go", wait_group_place},
    {"group_wait", wait_group},
    {"poll", wait_poll},
    {"conn_read", wait_conn_read},
    {"conn_write_all", wait_conn_write},
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
    o->rc = all_waits[o->index].wait(o->waits);
    weft_wg_done(o->wg);
}

/* A connection to a peer that is silent. */
static void connect_to_silence(struct waits *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/weft-silence-%d", (int)getpid());
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(weft_dial("unix", address.sun_path, &w->conn), 0);
    w->peer = accept(listener, NULL, NULL);
    cr_assert_geq(w->peer, 0);
    close(listener);
    unlink(address.sun_path);
}

static void waits_init(struct waits *w)
{
    *w = (struct waits){.bare = weft_chan_new(sizeof(int), 0),
                        .full = weft_chan_new(sizeof(int), 1)};
    w->barrier = (weft_barrier)WEFT_BARRIER_INIT(2);
    connect_to_silence(w);
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
    weft_conn_close(w->conn);
    close(w->peer);
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
        cr_expect_eq(ones[i].rc, how == 2 ? -ETIMEDOUT : -ECANCELED, "%s: %d", all_waits[i].name,
                     ones[i].rc);
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

/* ---- values, inheritance, threads outside ---- */

static const char key;

struct heir {
    void *value;
    weft_ctx *ctx;
    weft_wg wg;
};

static void look_at_value(void *arg)
{
    struct heir *h = arg;
    h->ctx = weft_ctx_current();
    h->value = weft_ctx_value(h->ctx, &key);
    weft_wg_done(&h->wg);
}

static int drops;

static void count_drop(void *value)
{
    drops += *(int *)value;
}

static int inherits(void *arg)
{
    int value = 1;
    struct heir h = {.wg = WEFT_WG_INIT};
    weft_ctx *ctx;
    (void)arg;
    drops = 0;
    cr_assert_eq(weft_ctx_with_value(NULL, &key, &value, count_drop, &ctx), 0);
    weft_ctx *old = weft_ctx_enter(ctx);
    weft_wg_add(&h.wg, 1);
    cr_assert_eq(weft_go(look_at_value, &h), 0);
    weft_ctx_leave(old);
    weft_ctx_unref(ctx);
    cr_assert_eq(weft_wg_wait(&h.wg), 0);
    cr_assert_eq(h.value, &value, "which the coroutine's own reference kept");
    cr_assert_eq(h.ctx, ctx);
    while (drops == 0) /* the coroutine is about to end */
        weft_sleep(WEFT_MS);
    cr_assert_eq(drops, 1);
    return 0;
}

Test(context, is_inherited_at_spawn_and_dropped_with_its_last_reference, .timeout = 60)
{
    at_all_sizes(inherits, NULL);
}

static void *cancel_from_outside(void *arg)
{
    weft_ctx *child;
    if (weft_ctx_new(arg, WEFT_NO_DEADLINE, &child) < 0 || weft_ctx_current() != NULL)
        return NULL;
    usleep(1000);
    weft_ctx_cancel(arg);
    bool has_ended = weft_ctx_error(child) == -ECANCELED;
    weft_ctx_unref(child);
    return has_ended ? arg : NULL;
}

static int canceled_from_outside(void *arg)
{
    pthread_t thread;
    void *result;
    weft_ctx *ctx;
    (void)arg;
    cr_assert_eq(weft_ctx_new(NULL, 3600 * WEFT_SEC, &ctx), 0);
    cr_assert_eq(pthread_create(&thread, NULL, cancel_from_outside, ctx), 0);
    weft_ctx *old = weft_ctx_enter(ctx);
    cr_assert_eq(weft_sleep(3600 * WEFT_SEC), -ECANCELED);
    weft_ctx_leave(old);
    pthread_join(thread, &result);
    cr_assert_eq(result, ctx);
    weft_ctx_unref(ctx);
    return 0;
}

Test(context, a_thread_outside_can_cancel_it, .timeout = 60)
{
    at_all_sizes(canceled_from_outside, NULL);
}
