#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <weft/weft.h>

#include "at_sizes.h"
#include "output_of.h"

#if defined(__SANITIZE_THREAD__) || defined(WEFT_VALGRIND)
enum { MANY = 1000 };
#else
enum { MANY = 20000 };
#endif

static int closed_and_drained(void *arg)
{
    int v = 1;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof v, 2);
    cr_assert_eq(weft_chan_try_recv(ch, &v), -EAGAIN);
    cr_assert_eq(weft_chan_send(ch, &(int){7}), 0);
    cr_assert_eq(weft_chan_send(ch, &(int){8}), 0);
    cr_assert_eq(weft_chan_try_send(ch, &v), -EAGAIN);
    cr_assert_eq(weft_chan_len(ch), 2);
    weft_chan_close(ch);
    cr_assert_eq(weft_chan_send(ch, &v), -EPIPE);
    cr_assert_eq(weft_chan_try_send(ch, &v), -EPIPE);
    cr_assert_eq(weft_chan_recv(ch, &v), 0);
    cr_assert_eq(v, 7);
    cr_assert_eq(weft_chan_try_recv(ch, &v), 0);
    cr_assert_eq(v, 8);
    cr_assert_eq(weft_chan_recv(ch, &v), -EPIPE);
    cr_assert_eq(weft_chan_try_recv(ch, &v), -EPIPE);
    weft_chan_free(ch);
    cr_assert_null(weft_chan_new(SIZE_MAX / 2, 3), "too large");
    return 0;
}

Test(chan, tells_closed_and_drained_from_a_value, .timeout = 60)
{
    at_all_sizes(closed_and_drained, NULL);
}

static int close_twice(void *arg)
{
    (void)arg;
    weft_chan *ch = weft_chan_new(0, 0);
    weft_chan_close(ch);
    weft_chan_close(ch);
    return 0;
}

static int run_close_twice(void *arg)
{
    return weft_run(close_twice, arg);
}

Test(chan, a_second_close_ends_the_program_with_a_message, .timeout = 60)
{
    int status = output_of(run_close_twice, NULL, 30);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
    output_has("weft: a channel was closed twice");
}

struct pipe_ends {
    weft_chan *ch;
    weft_wg *wg;
    int count;
    int64_t sum;
};

static void produce(void *arg)
{
    struct pipe_ends *p = arg;
    for (int i = 1; i <= p->count; i++)
        cr_assert_eq(weft_chan_send(p->ch, &i), 0);
    weft_wg_done(p->wg);
}

static void consume(void *arg)
{
    struct pipe_ends *p = arg;
    int v, last = 0;
    while (weft_chan_recv(p->ch, &v) == 0) {
        p->sum += v;
        p->count++;
        last = v;
    }
    (void)last;
    weft_wg_done(p->wg);
}

/* Several send, several receive: what goes in comes out, once. */
static int many_to_many(void *arg)
{
    enum { SIDES = 4 };
    struct pipe_ends senders[SIDES], receivers[SIDES];
    weft_wg sending = WEFT_WG_INIT, receiving = WEFT_WG_INIT;
    weft_chan *ch = weft_chan_new(sizeof(int), *(size_t *)arg);
    for (int i = 0; i < SIDES; i++) {
        senders[i] = (struct pipe_ends){ch, &sending, MANY, 0};
        receivers[i] = (struct pipe_ends){ch, &receiving, 0, 0};
        weft_wg_add(&sending, 1);
        weft_wg_add(&receiving, 1);
        weft_go(produce, &senders[i]);
        weft_go(consume, &receivers[i]);
    }
    cr_assert_eq(weft_wg_wait(&sending), 0);
    weft_chan_close(ch);
    cr_assert_eq(weft_wg_wait(&receiving), 0);
    int64_t sum = 0, count = 0;
    for (int i = 0; i < SIDES; i++) {
        sum += receivers[i].sum;
        count += receivers[i].count;
    }
    cr_assert_eq(count, (int64_t)SIDES * MANY);
    cr_assert_eq(sum, (int64_t)SIDES * MANY * (MANY + 1) / 2);
    weft_chan_free(ch);
    return 0;
}

Test(chan, loses_and_doubles_nothing, .timeout = 300)
{
    static size_t capacities[] = {0, 1, 3, 64};
    for (int i = 0; i < 4; i++)
        at_all_sizes(many_to_many, &capacities[i]);
}

static int in_order(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    struct pipe_ends p = {weft_chan_new(sizeof(int), *(size_t *)arg), &wg, MANY, 0};
    int v;
    weft_wg_add(&wg, 1);
    weft_go(produce, &p);
    for (int i = 1; i <= MANY; i++) {
        cr_assert_eq(weft_chan_recv(p.ch, &v), 0);
        cr_assert_eq(v, i);
    }
    cr_assert_eq(weft_wg_wait(&wg), 0);
    weft_chan_free(p.ch);
    return 0;
}

Test(chan, keeps_the_order, .timeout = 300)
{
    static size_t capacities[] = {0, 5};
    at_all_sizes(in_order, &capacities[0]);
    at_all_sizes(in_order, &capacities[1]);
}

struct large {
    char bytes[1000];
    int index;
};

static int sizes(void *arg)
{
    struct large in = {.index = 5}, out;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof in, 1), *events = weft_chan_new(0, 3);
    memset(in.bytes, 'x', sizeof in.bytes);
    cr_assert_eq(weft_chan_send(ch, &in), 0);
    cr_assert_eq(weft_chan_recv(ch, &out), 0);
    cr_assert_eq(memcmp(&in, &out, sizeof in), 0);
    cr_assert_eq(weft_chan_send(events, NULL), 0);
    cr_assert_eq(weft_chan_recv(events, NULL), 0);
    weft_chan_free(ch);
    weft_chan_free(events);
    return 0;
}

Test(chan, takes_values_of_any_size, .timeout = 60)
{
    at_all_sizes(sizes, NULL);
}

static int deadlines(void *arg)
{
    int v = 0;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof v, 0);
    int64_t until = weft_now() + 5 * WEFT_MS;
    cr_assert_eq(weft_chan_recv_until(ch, &v, until), -ETIMEDOUT);
    cr_assert(weft_now() >= until);
    cr_assert_eq(weft_chan_send_until(ch, &v, weft_now() + WEFT_MS), -ETIMEDOUT);
    cr_assert_eq(weft_chan_send_until(ch, &v, 0), -ETIMEDOUT, "a time that has passed");
    weft_chan_free(ch);
    return 0;
}

Test(chan, waits_until_a_deadline, .timeout = 60)
{
    at_all_sizes(deadlines, NULL);
}

static void close_it(void *arg)
{
    weft_chan_close(arg);
}

static int wakes(void *arg)
{
    int v;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof v, 0);
    weft_go(close_it, ch);
    cr_assert_eq(weft_chan_recv(ch, &v), -EPIPE);
    weft_chan_free(ch);
    ch = weft_chan_new(sizeof v, 0);
    weft_go(close_it, ch);
    cr_assert_eq(weft_chan_send(ch, &(int){1}), -EPIPE);
    weft_chan_free(ch);
    return 0;
}

Test(chan, closing_wakes_who_waits, .timeout = 60)
{
    at_all_sizes(wakes, NULL);
}

static void *foreign_producer(void *arg)
{
    struct pipe_ends *p = arg;
    int v;
    for (int i = 1; i <= p->count; i++)
        if (weft_chan_send(p->ch, &i) != 0)
            return (void *)1;
    weft_chan_close(p->ch);
    weft_chan *empty = weft_chan_new(sizeof v, 0);
    int rc = weft_chan_recv_until(empty, &v, weft_now() + WEFT_MS);
    weft_chan_free(empty);
    return rc == -ETIMEDOUT ? NULL : (void *)2;
}

/* A thread that weft knows nothing of sends, and blocks where a coroutine would park. */
static int from_a_thread(void *arg)
{
    struct pipe_ends p = {weft_chan_new(sizeof(int), 1), NULL, 200, 0};
    pthread_t thread;
    int v, sum = 0;
    void *result;
    (void)arg;
    cr_assert_eq(pthread_create(&thread, NULL, foreign_producer, &p), 0);
    for (int i = 0; i < p.count; i++) {
        cr_assert_eq(weft_chan_recv(p.ch, &v), 0);
        sum += v;
    }
    while (weft_chan_try_recv(p.ch, &v) != -EPIPE)
        weft_sleep(WEFT_MS);
    pthread_join(thread, &result);
    cr_assert_null(result);
    cr_assert_eq(sum, 200 * 201 / 2);
    weft_chan_free(p.ch);
    return 0;
}

Test(chan, serves_threads_outside, .timeout = 60)
{
    at_all_sizes(from_a_thread, NULL);
}

WEFT_CHAN_DEFINE(points, struct large)

static int typed(void *arg)
{
    struct large in = {.index = 9}, out;
    (void)arg;
    points ch = points_new(2);
    cr_assert_eq(points_send(ch, &in), 0);
    cr_assert_eq(weft_select(points_recv_case(ch, &out), WEFT_DEFAULT), 0);
    cr_assert_eq(out.index, 9);
    cr_assert_eq(weft_select(points_send_case(ch, &in)), 0);
    cr_assert_eq(points_recv(ch, &out), 0);
    weft_chan_free(ch.chan);
    return 0;
}

Test(chan, typed_wrappers_work, .timeout = 60)
{
    at_all_sizes(typed, NULL);
}

/* Without a buffer a value changes hands only when both are there. */
static int rendezvous(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    struct pipe_ends p = {weft_chan_new(sizeof(int), 0), &wg, 1, 0};
    int v = 0;
    (void)arg;
    cr_assert_eq(weft_chan_try_send(p.ch, &v), -EAGAIN, "nobody receives");
    weft_wg_add(&wg, 1);
    weft_go(produce, &p);
    while (weft_chan_try_recv(p.ch, &v) == -EAGAIN)
        weft_yield();
    cr_assert_eq(v, 1);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    weft_go(close_it, p.ch);
    while ((v = weft_chan_try_send(p.ch, &v)) == -EAGAIN)
        weft_yield();
    cr_assert_eq(v, -EPIPE);
    weft_chan_free(p.ch);
    return 0;
}

Test(chan, without_a_buffer_both_must_be_there, .timeout = 60)
{
    at_all_sizes(rendezvous, NULL);
}

struct turn {
    weft_chan *ch;
    _Atomic(bool) is_there;
    int got;
    weft_wg *wg;
};

static void take_turn(void *arg)
{
    struct turn *t = arg;
    atomic_store(&t->is_there, true);
    cr_assert_eq(weft_chan_recv(t->ch, &t->got), 0);
    weft_wg_done(t->wg);
}

/* Who has waited longest is served first. */
static int turns(void *arg)
{
    enum { WAITERS = 20 };
    struct turn all[WAITERS];
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    for (int i = 0; i < WAITERS; i++) {
        all[i] = (struct turn){ch, false, -1, &wg};
        weft_wg_add(&wg, 1);
        weft_go(take_turn, &all[i]);
        while (!atomic_load(&all[i].is_there)) /* on one processor: then it waits */
            weft_yield();
    }
    for (int i = 0; i < WAITERS; i++)
        cr_assert_eq(weft_chan_send(ch, &i), 0);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    for (int i = 0; i < WAITERS; i++)
        cr_assert_eq(all[i].got, i);
    weft_chan_free(ch);
    return 0;
}

Test(chan, serves_who_has_waited_longest, .timeout = 60)
{
    unsetenv("WEFT_SCHED_SEED"); /* by which it might not wait yet */
    cr_assert_eq(weft_run_with(&(weft_run_opts){.procs = 1}, turns, NULL), 0);
}

static int close_on_many(void *arg)
{
    enum { WAITERS = 50 };
    struct pipe_ends all[WAITERS];
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    for (int i = 0; i < WAITERS; i++) {
        all[i] = (struct pipe_ends){ch, &wg, 0, 0};
        weft_wg_add(&wg, 1);
        weft_go(consume, &all[i]);
    }
    weft_yield();
    weft_chan_close(ch);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    weft_chan_free(ch);
    return 0;
}

Test(chan, closing_wakes_all_of_them, .timeout = 60)
{
    at_all_sizes(close_on_many, NULL);
}

struct foreign {
    weft_chan *in, *out;
    int failed; /* the line */
};

#define FOREIGN_CHECK(claim)                                                                       \
    do {                                                                                           \
        if (!(claim) && !f->failed)                                                                \
            f->failed = __LINE__;                                                                  \
    } while (0)

/* All that a thread outside may do with channels: it blocks where a coroutine parks. */
static void *foreign_all(void *arg)
{
    struct foreign *f = arg;
    int v = 0, none = 0;
    weft_chan *empty = weft_chan_new(sizeof v, 0);
    FOREIGN_CHECK(weft_chan_recv(f->in, &v) == 0 && v == 1);
    FOREIGN_CHECK(weft_chan_try_recv(empty, &v) == -EAGAIN);
    FOREIGN_CHECK(weft_chan_try_send(empty, &v) == -EAGAIN);
    FOREIGN_CHECK(weft_chan_send_until(empty, &v, weft_now() + WEFT_MS) == -ETIMEDOUT);
    FOREIGN_CHECK(weft_chan_send(f->out, &(int){2}) == 0);
    FOREIGN_CHECK(weft_select(WEFT_RECV(empty, &none), WEFT_RECV(f->in, &v)) == 1 && v == 3);
    FOREIGN_CHECK(weft_select(WEFT_RECV(empty, &none), WEFT_AFTER(WEFT_MS)) == 1);
    FOREIGN_CHECK(weft_select(WEFT_RECV(empty, &none), WEFT_SEND(f->out, &(int){4})) == 1);
    FOREIGN_CHECK(weft_select(WEFT_RECV(f->in, &v), WEFT_RECV(empty, &none)) == WEFT_CLOSED(0));
    weft_chan_close(f->out);
    weft_chan_free(empty);
    return NULL;
}

static int with_foreign_thread(void *arg)
{
    struct foreign f = {weft_chan_new(sizeof(int), 0), weft_chan_new(sizeof(int), 0), 0};
    pthread_t thread;
    int v;
    (void)arg;
    cr_assert_eq(pthread_create(&thread, NULL, foreign_all, &f), 0);
    cr_assert_eq(weft_chan_send(f.in, &(int){1}), 0);
    cr_assert_eq(weft_chan_recv(f.out, &v), 0);
    cr_assert_eq(v, 2);
    cr_assert_eq(weft_chan_send(f.in, &(int){3}), 0);
    cr_assert_eq(weft_chan_recv(f.out, &v), 0);
    cr_assert_eq(v, 4);
    weft_chan_close(f.in);
    cr_assert_eq(weft_chan_recv(f.out, &v), -EPIPE);
    pthread_join(thread, NULL);
    cr_assert_eq(f.failed, 0, "line %d", f.failed);
    weft_chan_free(f.in);
    weft_chan_free(f.out);
    return 0;
}

Test(chan, threads_outside_may_do_all_that_coroutines_do, .timeout = 60)
{
    at_all_sizes(with_foreign_thread, NULL);
}
