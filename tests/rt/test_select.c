#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "at_sizes.h"

#if defined(__SANITIZE_THREAD__) || defined(WEFT_VALGRIND)
enum { MANY = 1000 };
#else
enum { MANY = 10000 };
#endif

static int ready_cases(void *arg)
{
    int a = 0, b = 0, v = 3;
    (void)arg;
    weft_chan *full = weft_chan_new(sizeof v, 1), *empty = weft_chan_new(sizeof v, 1);
    cr_assert_eq(weft_chan_send(full, &v), 0);
    cr_assert_eq(weft_select(WEFT_RECV(empty, &a), WEFT_RECV(full, &b)), 1);
    cr_assert_eq(b, 3);
    cr_assert_eq(weft_select(WEFT_RECV(empty, &a), WEFT_DEFAULT), 1);
    cr_assert_eq(weft_select(WEFT_SEND(full, &v), WEFT_RECV(empty, &a)), 0);
    cr_assert_eq(weft_select(WEFT_SEND(full, &v), WEFT_RECV(NULL, &a), WEFT_AFTER(WEFT_MS)), 2);
    cr_assert_eq(weft_select(WEFT_AFTER(WEFT_SEC), WEFT_AFTER(WEFT_MS)), 1, "the earlier");
    cr_assert_eq(weft_select(WEFT_AT(weft_now()), WEFT_RECV(empty, &a)), 0);
    weft_chan_close(empty);
    cr_assert_eq(weft_select(WEFT_RECV(empty, &a), WEFT_SEND(full, &v)), WEFT_CLOSED(0));
    weft_chan_close(full);
    cr_assert_eq(weft_select(WEFT_SEND(full, &v)), WEFT_CLOSED(0));
    cr_assert_eq(weft_select_cases(NULL, 0), -EINVAL);
    weft_chan_free(full);
    weft_chan_free(empty);
    return 0;
}

Test(select, takes_what_is_ready, .timeout = 60)
{
    at_all_sizes(ready_cases, NULL);
}

/* Of three that are always ready each is taken often: 3000 tries, and a fair one has 1000 with a
 * standard deviation of 26. */
static int fairness(void *arg)
{
    int hits[3] = {0}, v = 0;
    weft_chan *ch[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        ch[i] = weft_chan_new(sizeof v, 1);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_chan_send(ch[i], &v), 0);
    for (int i = 0; i < 3000; i++) {
        int k = weft_select(WEFT_RECV(ch[0], &v), WEFT_RECV(ch[1], &v), WEFT_RECV(ch[2], &v));
        cr_assert(k >= 0 && k < 3);
        hits[k]++;
        cr_assert_eq(weft_chan_send(ch[k], &v), 0);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert(hits[i] > 800 && hits[i] < 1200, "case %d: %d of 3000", i, hits[i]);
        weft_chan_free(ch[i]);
    }
    return 0;
}

Test(select, is_fair, .timeout = 60)
{
    at_all_sizes(fairness, NULL);
}

enum { CHANS = 3, SIDES = 4 };

struct mesh {
    weft_chan *ch[CHANS], *quit;
    _Atomic(int64_t) sum, count;
    weft_wg sending, receiving;
};

static void send_anywhere(void *arg)
{
    struct mesh *m = arg;
    for (int i = 1; i <= MANY; i++) {
        int rc = weft_select(WEFT_SEND(m->ch[0], &i), WEFT_SEND(m->ch[1], &i),
                             WEFT_SEND(m->ch[2], &i));
        cr_assert(rc >= 0 && rc < CHANS);
    }
    weft_wg_done(&m->sending);
}

static void receive_anywhere(void *arg)
{
    struct mesh *m = arg;
    int v, w = 0;
    for (;;) {
        /* One of them also with a timer, which comes rarely. */
        int rc = weft_select(WEFT_RECV(m->ch[2], &v), WEFT_RECV(m->ch[0], &v),
                             WEFT_RECV(m->ch[1], &v), WEFT_RECV(m->quit, &w),
                             WEFT_AFTER(50 * WEFT_MS));
        if (rc == WEFT_CLOSED(3))
            break;
        if (rc == 4)
            continue;
        cr_assert(rc >= 0 && rc < 3, "%d", rc);
        atomic_fetch_add(&m->sum, v);
        atomic_fetch_add(&m->count, 1);
    }
    weft_wg_done(&m->receiving);
}

/* Selects that send against selects that receive, on the same channels: a swap on two waiters at
 * once, and nothing may be lost or come twice. */
static int meshed(void *arg)
{
    struct mesh m = {.sending = WEFT_WG_INIT, .receiving = WEFT_WG_INIT};
    (void)arg;
    for (int i = 0; i < CHANS; i++)
        m.ch[i] = weft_chan_new(sizeof(int), (size_t)(i == 2));
    m.quit = weft_chan_new(0, 0);
    for (int i = 0; i < SIDES; i++) {
        weft_wg_add(&m.sending, 1);
        weft_wg_add(&m.receiving, 1);
        weft_go(send_anywhere, &m);
        weft_go(receive_anywhere, &m);
    }
    cr_assert_eq(weft_wg_wait(&m.sending), 0);
    while (atomic_load(&m.count) < (int64_t)SIDES * MANY)
        weft_sleep(WEFT_MS);
    weft_chan_close(m.quit);
    cr_assert_eq(weft_wg_wait(&m.receiving), 0);
    cr_assert_eq(atomic_load(&m.count), (int64_t)SIDES * MANY);
    cr_assert_eq(atomic_load(&m.sum), (int64_t)SIDES * MANY * (MANY + 1) / 2);
    for (int i = 0; i < CHANS; i++)
        weft_chan_free(m.ch[i]);
    weft_chan_free(m.quit);
    return 0;
}

Test(select, loses_and_doubles_nothing, .timeout = 300)
{
    at_all_sizes(meshed, NULL);
}

static int same_channel_twice(void *arg)
{
    int v = 1, w = 0;
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof v, 1);
    /* Both ways on one channel: first it has room, then it has a value. */
    cr_assert_eq(weft_select(WEFT_RECV(ch, &w), WEFT_SEND(ch, &v)), 1);
    cr_assert_eq(weft_select(WEFT_RECV(ch, &w), WEFT_SEND(ch, &v)), 0);
    cr_assert_eq(w, 1);
    weft_chan *bare = weft_chan_new(sizeof v, 0);
    /* A select must not meet itself. */
    cr_assert_eq(weft_select(WEFT_RECV(bare, &w), WEFT_SEND(bare, &v), WEFT_AFTER(WEFT_MS)), 2);
    weft_chan_free(ch);
    weft_chan_free(bare);
    return 0;
}

Test(select, knows_a_channel_that_comes_twice, .timeout = 60)
{
    at_all_sizes(same_channel_twice, NULL);
}

/* Two that receive, one that sends and a closed one, all ready: 4000 tries, of which each gets 1000
 * with a standard deviation of 27. Chi squared with three degrees of freedom exceeds 30 once in a
 * million. */
static int mixed_fairness(void *arg)
{
    int hits[4] = {0}, v = 0, w;
    (void)arg;
    weft_chan *a = weft_chan_new(sizeof v, 1), *b = weft_chan_new(sizeof v, 1),
              *c = weft_chan_new(sizeof v, 1), *closed = weft_chan_new(sizeof v, 0);
    weft_chan_close(closed);
    cr_assert_eq(weft_chan_send(a, &v), 0);
    cr_assert_eq(weft_chan_send(b, &v), 0);
    for (int i = 0; i < 4000; i++) {
        int k = weft_select(WEFT_RECV(a, &w), WEFT_SEND(c, &v), WEFT_RECV(closed, &w),
                            WEFT_RECV(b, &w));
        k = k == WEFT_CLOSED(2) ? 2 : k;
        cr_assert(k >= 0 && k < 4);
        hits[k]++;
        if (k == 0)
            cr_assert_eq(weft_chan_send(a, &v), 0);
        else if (k == 1)
            cr_assert_eq(weft_chan_recv(c, &w), 0);
        else if (k == 3)
            cr_assert_eq(weft_chan_send(b, &v), 0);
    }
    double chi = 0;
    for (int i = 0; i < 4; i++)
        chi += (hits[i] - 1000.0) * (hits[i] - 1000.0) / 1000.0;
    cr_assert(chi < 30, "%d %d %d %d", hits[0], hits[1], hits[2], hits[3]);
    weft_chan_free(a);
    weft_chan_free(b);
    weft_chan_free(c);
    weft_chan_free(closed);
    return 0;
}

Test(select, is_fair_between_kinds_of_cases, .timeout = 60)
{
    at_all_sizes(mixed_fairness, NULL);
}

static int refusals(void *arg)
{
    weft_case many[WEFT_SELECT_MAX + 1];
    (void)arg;
    for (int i = 0; i <= WEFT_SELECT_MAX; i++)
        many[i] = WEFT_AFTER(0);
    cr_assert_eq(weft_select_cases(many, WEFT_SELECT_MAX + 1), -EINVAL);
    cr_assert_eq(weft_select_cases(many, -1), -EINVAL);
    cr_assert_eq(weft_select_cases(many, WEFT_SELECT_MAX), 0);
    return 0;
}

Test(select, takes_so_many_cases_and_no_more, .timeout = 60)
{
    at_all_sizes(refusals, NULL);
}
