#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <weft/weft.h>

#include "at_sizes.h"
#include "output_of.h"

/* Holders go on until somebody else has run: if nobody could, these tests would never end. */
struct held {
    _Atomic(int) is_over;
    int (*hold)(struct held *h);
    int pipe[2];
    weft_wg wg;
};

static int hold_by_computing(struct held *h)
{
    while (!atomic_load(&h->is_over))
        ;
    return 0;
}

static int hold_in_a_system_call(struct held *h)
{
    char byte;
    return read(h->pipe[0], &byte, 1) == 1 ? 0 : -EIO;
}

static int hold_in_short_calls(struct held *h)
{
    while (!atomic_load(&h->is_over))
        usleep(500);
    return 0;
}

static int hold_thunk(void *arg)
{
    struct held *h = arg;
    return h->hold(h) == 0 ? 5 : -EIO;
}

static void holder(void *arg)
{
    struct held *h = arg;
    cr_assert_eq(h->hold(h), 0);
    weft_wg_done(&h->wg);
}

static void announced_holder(void *arg)
{
    struct held *h = arg;
    cr_assert_eq(weft_blocking(hold_thunk, h), 5);
    weft_wg_done(&h->wg);
}

enum { HOLDERS = 5 };

static int others_go_on(void *arg)
{
    struct held *h = arg;
    atomic_store(&h->is_over, 0);
    h->wg = (weft_wg)WEFT_WG_INIT;
    cr_assert_eq(pipe(h->pipe), 0);
    for (int i = 0; i < HOLDERS; i++) {
        weft_wg_add(&h->wg, 1);
        weft_go(i == 0 ? announced_holder : holder, h);
    }
    for (int i = 0; i < 5; i++) /* its timers fire on time or late, but they do */
        cr_assert_eq(weft_sleep(WEFT_MS), 0);
    atomic_store(&h->is_over, 1);
    cr_assert_eq(write(h->pipe[1], "12345", HOLDERS), HOLDERS);
    cr_assert_eq(weft_wg_wait(&h->wg), 0);
    close(h->pipe[0]);
    close(h->pipe[1]);
    return 0;
}

Test(blocking, a_coroutine_that_computes_loses_its_processor, .timeout = 120)
{
    struct held h = {.hold = hold_by_computing};
    at_all_sizes(others_go_on, &h);
}

Test(blocking, a_coroutine_in_a_system_call_loses_its_processor, .timeout = 120)
{
    struct held h = {.hold = hold_in_a_system_call};
    at_all_sizes(others_go_on, &h);
}

Test(blocking, a_coroutine_in_many_short_calls_loses_its_processor, .timeout = 120)
{
    struct held h = {.hold = hold_in_short_calls};
    at_all_sizes(others_go_on, &h);
}

/* What one that is away does with the runtime still works: it gets in line first. */
static void come_back(void *arg)
{
    struct held *h = arg;
    hold_by_computing(h);
    weft_chan *ch = weft_chan_new(sizeof(int), 1);
    int v;
    cr_assert_eq(weft_chan_send(ch, &(int){3}), 0);
    cr_assert_eq(weft_chan_recv(ch, &v), 0);
    cr_assert_eq(weft_chan_recv_until(ch, &v, weft_now() + WEFT_MS), -ETIMEDOUT);
    weft_yield();
    cr_assert_eq(weft_sleep(WEFT_MS), 0);
    weft_chan_free(ch);
    weft_wg_done(&h->wg);
}

static int away_and_back(void *arg)
{
    struct held h = {.wg = WEFT_WG_INIT};
    (void)arg;
    weft_wg_add(&h.wg, 3);
    for (int i = 0; i < 3; i++)
        weft_go(come_back, &h);
    weft_sleep(30 * WEFT_MS); /* long enough that they are away, as a rule */
    atomic_store(&h.is_over, 1);
    return weft_wg_wait(&h.wg);
}

Test(blocking, who_was_away_comes_back, .timeout = 120)
{
    at_all_sizes(away_and_back, NULL);
}

static int announced(void *arg)
{
    weft_stats before, after;
    struct held h = {.hold = hold_in_a_system_call};
    (void)arg;
    cr_assert_eq(pipe(h.pipe), 0);
    cr_assert_eq(write(h.pipe[1], "x", 1), 1);
    cr_assert_eq(weft_get_stats(-1, &before), 0);
    cr_assert_eq(weft_blocking(hold_thunk, &h), 5);
    cr_assert_eq(weft_get_stats(-1, &after), 0);
    cr_assert_geq(after.hand_offs, before.hand_offs + 1, "at once, however short it is");
    close(h.pipe[0]);
    close(h.pipe[1]);
    return 0;
}

Test(blocking, an_announced_call_gives_its_processor_away_at_once, .timeout = 60)
{
    at_all_sizes(announced, NULL);
}

static int return_four(void *arg)
{
    (void)arg;
    return 4;
}

Test(blocking, outside_of_coroutines_it_just_calls)
{
    cr_assert_eq(weft_blocking(return_four, NULL), 4);
}

/* ---- the bound on threads ---- */

static void hold_with_all_threads(void *arg)
{
    struct held *h = arg;
    weft_blocking(hold_thunk, h);
    weft_wg_done(&h->wg);
}

/* Three block, and there are threads for two besides the one that runs coroutines: they are served
 * in turn, by a thread outside. */
static void *let_go(void *arg)
{
    struct held *h = arg;
    for (int i = 0; i < 3; i++) {
        usleep(20000);
        if (write(h->pipe[1], "x", 1) != 1)
            return NULL;
    }
    return NULL;
}

static int too_many_block(void *arg)
{
    struct held h = {.hold = hold_in_a_system_call, .wg = WEFT_WG_INIT};
    pthread_t thread;
    (void)arg;
    if (pipe(h.pipe) < 0 || pthread_create(&thread, NULL, let_go, &h) != 0)
        return 9;
    weft_wg_add(&h.wg, 3);
    for (int i = 0; i < 3; i++)
        weft_go(hold_with_all_threads, &h);
    int rc = weft_wg_wait(&h.wg);
    pthread_join(thread, NULL);
    return rc;
}

static int run_bounded(void *arg)
{
    return weft_run_with(&(weft_run_opts){.procs = 1, .max_threads = 2}, too_many_block, arg);
}

Test(blocking, the_bound_on_threads_is_kept_and_told_once, .timeout = 60)
{
    int status = output_of(run_bounded, NULL, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", status, output_text);
    output_has("all 2 threads are held by coroutines that block");
    output_has("max_threads");
    cr_assert_eq(output_count("threads are held"), 1);
}

/* ---- the number of processors ---- */

struct load {
    _Atomic(int) is_over;
    weft_chan *ch;
    _Atomic(int64_t) sent, received;
    weft_wg wg;
};

static void load_send(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->is_over)) {
        cr_assert_eq(weft_chan_send(l->ch, &(int){1}), 0);
        atomic_fetch_add(&l->sent, 1);
        if (atomic_load(&l->sent) % 16 == 0)
            weft_sleep(50 * WEFT_US);
    }
    weft_wg_done(&l->wg);
}

static void load_receive(void *arg)
{
    struct load *l = arg;
    int v;
    while (weft_chan_recv(l->ch, &v) == 0)
        atomic_fetch_add(&l->received, 1);
    weft_wg_done(&l->wg);
}

static int resize(void *arg)
{
    static const int counts[] = {4, 1, 3, 8, 2, 1, 6, 5};
    struct load l = {.ch = weft_chan_new(sizeof(int), 2), .wg = WEFT_WG_INIT};
    struct load receivers = {.ch = l.ch, .wg = WEFT_WG_INIT};
    (void)arg;
    int before = weft_num_procs();
    weft_wg_add(&l.wg, 4);
    for (int i = 0; i < 4; i++)
        weft_go(load_send, &l);
    weft_wg_add(&receivers.wg, 4);
    for (int i = 0; i < 4; i++)
        weft_go(load_receive, &receivers);
    for (int i = 0; i < 32; i++) {
        int count = counts[i % 8];
        cr_assert_eq(weft_set_procs(count), before);
        cr_assert_eq(weft_num_procs(), count);
        before = count;
        weft_sleep(i % 3 * 300 * WEFT_US);
    }
    cr_assert_eq(weft_set_procs(0), -EINVAL);
    cr_assert_eq(weft_set_procs(257), -EINVAL);
    atomic_store(&l.is_over, 1);
    cr_assert_eq(weft_wg_wait(&l.wg), 0);
    weft_chan_close(l.ch);
    cr_assert_eq(weft_wg_wait(&receivers.wg), 0);
    cr_assert_eq(atomic_load(&receivers.received), atomic_load(&l.sent));
    weft_chan_free(l.ch);
    return 0;
}

Test(procs, can_be_added_and_taken_away_under_load, .timeout = 120)
{
    at_all_sizes(resize, NULL);
    cr_assert_eq(weft_set_procs(2), -EINVAL, "only in a coroutine");
}

static _Atomic(bool) is_enough;
static _Atomic(int) awake;

static void keep_busy(void *arg)
{
    while (!atomic_load(&is_enough)) {
        for (volatile int i = 0; i < 300; i++)
            continue;
        weft_yield();
    }
    weft_wg_done(arg);
}

static void nap(void *arg)
{
    weft_wg *napping = arg;
    weft_sleep(20 * WEFT_MS);
    atomic_fetch_add(&awake, 1);
    weft_wg_done(napping);
}

/* Naps begin on both processors; then one is taken out of use, and the other is never idle. */
static int nap_on_fewer(void *arg)
{
    weft_wg napping = WEFT_WG_INIT, busy = WEFT_WG_INIT;
    (void)arg;
    weft_wg_add(&busy, 8);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(weft_go(keep_busy, &busy), 0);
    weft_wg_add(&napping, 64);
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(weft_go(nap, &napping), 0);
        weft_yield();
    }
    cr_assert_eq(weft_set_procs(1), 2);
    cr_assert_eq(weft_wg_wait(&napping), 0);
    atomic_store(&is_enough, true);
    cr_assert_eq(weft_wg_wait(&busy), 0);
    return 0;
}

Test(blocking, timers_of_a_processor_out_of_use_fire_beside_a_busy_one, .timeout = 60)
{
    for (int i = 0; i < 20; i++) {
        atomic_store(&is_enough, false);
        cr_assert_eq(weft_run_with(&(weft_run_opts){.procs = 2}, nap_on_fewer, NULL), 0);
    }
    cr_assert_eq(atomic_load(&awake), 20 * 64);
}
