/* Everything at once, at 1, 2 and 8 processors, with books that must balance: what was sent was
 * received once, what was acquired came back, what was spawned has ended. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "at_sizes.h"

#if defined(__SANITIZE_THREAD__) || defined(WEFT_VALGRIND)
enum { ROUNDS = 150 };
#else
enum { ROUNDS = 600 };
#endif

enum { SIDES = 8, CHANS = 4, IDS = SIDES * ROUNDS };

static uint32_t chance(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* ---- channels and select, given up by deadline and by context ---- */

struct market {
    weft_chan *ch[CHANS];
    weft_wg sending, receiving;
    _Atomic(int) sent[IDS], received[IDS];
    _Atomic(int) given_up;
};

struct trader {
    struct market *m;
    int index;
    uint32_t random;
    int id;     /* to be sent */
    int got[2]; /* where receives put it */
    bool is_sent;
};

/* A wait that ends at once, soon, or not at all. */
static int64_t some_deadline(uint32_t *random)
{
    switch (chance(random) % 4) {
    case 0: return weft_now();
    case 1: return weft_now() + chance(random) % (100 * WEFT_US);
    default: return WEFT_NO_DEADLINE;
    }
}

static int offer(void *arg)
{
    struct trader *t = arg;
    weft_chan *a = t->m->ch[chance(&t->random) % CHANS], *b = t->m->ch[chance(&t->random) % CHANS];
    int rc;
    switch (chance(&t->random) % 4) {
    case 0: rc = weft_chan_try_send(a, &t->id); break;
    case 1: rc = weft_select(WEFT_SEND(a, &t->id), WEFT_SEND(b, &t->id)); break;
    case 2:
        rc = weft_select(WEFT_SEND(a, &t->id), WEFT_AT(some_deadline(&t->random)),
                         WEFT_SEND(b, &t->id));
        rc = rc == 1 ? -ETIMEDOUT : rc;
        break;
    default: rc = weft_chan_send_until(a, &t->id, some_deadline(&t->random));
    }
    t->is_sent = rc >= 0;
    if (rc < 0)
        cr_assert(rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EAGAIN, "%d", rc);
    return 0;
}

static void trade_out(void *arg)
{
    struct trader t = *(struct trader *)arg;
    for (int i = 0; i < ROUNDS; i++) {
        t.id = t.index * ROUNDS + i;
        if (chance(&t.random) % 3 == 0)
            cr_assert_eq(weft_with_timeout(chance(&t.random) % (200 * WEFT_US), offer, &t), 0);
        else
            offer(&t);
        if (t.is_sent)
            atomic_fetch_add(&t.m->sent[t.id], 1);
        else
            atomic_fetch_add(&t.m->given_up, 1);
    }
    weft_wg_done(&t.m->sending);
}

static void note(struct market *m, int id)
{
    cr_assert(id >= 0 && id < IDS, "%d", id);
    atomic_fetch_add(&m->received[id], 1);
}

/* Receives once. Returns whether the channels are still open. */
static int take(void *arg)
{
    struct trader *t = arg;
    int a = (int)(chance(&t->random) % CHANS), b = (int)(chance(&t->random) % CHANS), rc;
    if (chance(&t->random) % 2) {
        rc = weft_chan_recv_until(t->m->ch[a], &t->got[0], some_deadline(&t->random));
    } else {
        rc = weft_select(WEFT_RECV(t->m->ch[a], &t->got[0]), WEFT_RECV(t->m->ch[b], &t->got[1]),
                         WEFT_AFTER(chance(&t->random) % (300 * WEFT_US)));
        if (rc == 2)
            return 1;
    }
    if (rc == 0 || rc == 1)
        note(t->m, t->got[rc]);
    return rc != -EPIPE && rc < WEFT_CLOSED(0);
}

static void trade_in(void *arg)
{
    struct trader t = *(struct trader *)arg;
    int is_open = 1;
    while (is_open)
        is_open = chance(&t.random) % 3 ? take(&t) : weft_with_timeout(100 * WEFT_US, take, &t);
    for (int i = 0; i < CHANS; i++) /* closed; what is in them comes out still */
        while (weft_chan_recv(t.m->ch[i], &t.got[0]) == 0)
            note(t.m, t.got[0]);
    weft_wg_done(&t.m->receiving);
}

static int hold_a_market(void *arg)
{
    static const size_t capacities[CHANS] = {0, 0, 1, 16};
    static struct market m;
    (void)arg;
    memset(&m, 0, sizeof m);
    for (int i = 0; i < CHANS; i++)
        m.ch[i] = weft_chan_new(sizeof(int), capacities[i]);
    for (int i = 0; i < SIDES; i++) {
        struct trader t = {.m = &m, .index = i, .random = 0x1234567U * (unsigned)(i + 1)};
        weft_wg_add(&m.sending, 1);
        weft_wg_add(&m.receiving, 1);
        cr_assert_eq(weft_go_copy(trade_out, &t, sizeof t), 0);
        t.random ^= 0x5bd1e995U;
        cr_assert_eq(weft_go_copy(trade_in, &t, sizeof t), 0);
    }
    cr_assert_eq(weft_wg_wait(&m.sending), 0);
    for (int i = 0; i < CHANS; i++)
        weft_chan_close(m.ch[i]);
    cr_assert_eq(weft_wg_wait(&m.receiving), 0);
    int sent = 0;
    for (int i = 0; i < IDS; i++) {
        cr_assert_eq(m.sent[i], m.received[i], "%d: sent %d times, received %d times", i, m.sent[i],
                     m.received[i]);
        sent += m.sent[i];
    }
    cr_assert_eq(sent + m.given_up, IDS);
    cr_assert_gt(sent, 0);
    for (int i = 0; i < CHANS; i++)
        weft_chan_free(m.ch[i]);
    return 0;
}

Test(stress, channels_and_select_conserve_values_that_are_given_up, .timeout = 120)
{
    at_all_sizes(hold_a_market, NULL);
}

/* ---- timers ---- */

struct bell {
    weft_wg *wg;
    uint32_t random;
};

static void ring(void *arg)
{
    cr_assert_eq(weft_chan_try_send(arg, NULL), 0, "a bell rang twice");
}

/* Each time that a timer is set it either rings once, or was stopped. */
static void set_and_stop(void *arg)
{
    struct bell b = *(struct bell *)arg;
    for (int i = 0; i < ROUNDS / 2; i++) {
        weft_chan *rung = weft_chan_new(0, 1);
        weft_timer *t = weft_timer_new(ring, rung);
        cr_assert_eq(weft_timer_set(t, 3600 * WEFT_SEC, 0), 0);
        cr_assert_eq(weft_timer_set(t, chance(&b.random) % (60 * WEFT_US), 0), 0);
        if (chance(&b.random) % 2)
            weft_yield();
        else
            cr_assert_eq(weft_sleep(chance(&b.random) % (60 * WEFT_US)), 0);
        if (chance(&b.random) % 2 && weft_timer_stop(t))
            cr_assert_eq(weft_chan_try_recv(rung, NULL), -EAGAIN, "a stopped bell rang");
        else
            cr_assert_eq(weft_chan_recv(rung, NULL), 0);
        weft_timer_free(t); /* its call may not have returned */
        weft_chan_free(rung);
    }
    weft_wg_done(b.wg);
}

static int set_many(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    for (int i = 0; i < 2 * SIDES; i++) {
        struct bell b = {&wg, 0x2545f491U * (unsigned)(i + 1)};
        weft_wg_add(&wg, 1);
        cr_assert_eq(weft_go_copy(set_and_stop, &b, sizeof b), 0);
    }
    return weft_wg_wait(&wg);
}

Test(stress, a_timer_rings_once_or_was_stopped, .timeout = 120)
{
    at_all_sizes(set_many, NULL);
}

/* ---- cancellation ---- */

struct shop {
    weft_sem counters;
    weft_mutex till;
    weft_cond news;
    weft_chan *deliveries;
    int64_t in_till; /* under till */
    weft_wg open, delivering;
    _Atomic(int) served, sent_away;
};

struct customer {
    struct shop *shop;
    uint32_t random;
};

static int buy(void *arg)
{
    struct customer *c = arg;
    struct shop *s = c->shop;
    int64_t n = 1 + (int64_t)(chance(&c->random) % 3);
    int rc = weft_sem_acquire(&s->counters, n);
    if (rc < 0)
        return rc;
    switch (chance(&c->random) % 4) {
    case 0: rc = weft_sleep(chance(&c->random) % (50 * WEFT_US)); break;
    case 1: rc = weft_chan_recv(s->deliveries, NULL); break;
    case 2:
        if ((rc = weft_mutex_lock_until(&s->till, WEFT_NO_DEADLINE)) == 0) {
            s->in_till++;
            weft_yield();
            s->in_till--;
            weft_mutex_unlock(&s->till);
        }
        break;
    default:
        weft_mutex_lock(&s->till);
        s->in_till++;
        rc = weft_cond_wait_until(&s->news, &s->till, weft_now() + 50 * WEFT_US);
        s->in_till--;
        weft_mutex_unlock(&s->till);
        rc = rc == -ETIMEDOUT && !weft_ctx_error(weft_ctx_current()) ? 0 : rc;
    }
    weft_sem_release(&s->counters, n);
    return rc;
}

enum { COUNTERS = 6 };

static void keep_buying(void *arg)
{
    struct customer c = *(struct customer *)arg;
    for (int i = 0; i < ROUNDS / 2; i++) {
        int rc = weft_with_timeout(chance(&c.random) % (150 * WEFT_US), buy, &c);
        cr_assert(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EPIPE, "%d", rc);
        atomic_fetch_add(rc == 0 ? &c.shop->served : &c.shop->sent_away, 1);
    }
    weft_wg_done(&c.shop->open);
}

static void deliver(void *arg)
{
    struct shop *s = arg;
    for (int rc = 0; rc != -EPIPE;) {
        rc = weft_chan_send_until(s->deliveries, NULL, weft_now() + 20 * WEFT_US);
        weft_cond_signal(&s->news);
    }
    weft_wg_done(&s->delivering);
}

static int keep_a_shop(void *arg)
{
    struct shop s = {.counters = WEFT_SEM_INIT(COUNTERS),
                     .till = WEFT_MUTEX_INIT,
                     .news = WEFT_COND_INIT,
                     .open = WEFT_WG_INIT,
                     .delivering = WEFT_WG_INIT,
                     .deliveries = weft_chan_new(0, 0)};
    (void)arg;
    weft_wg_add(&s.delivering, 1);
    cr_assert_eq(weft_go(deliver, &s), 0);
    for (int i = 0; i < 2 * SIDES; i++) {
        struct customer c = {&s, 0x6c078965U * (unsigned)(i + 1)};
        weft_wg_add(&s.open, 1);
        cr_assert_eq(weft_go_copy(keep_buying, &c, sizeof c), 0);
    }
    cr_assert_eq(weft_wg_wait(&s.open), 0);
    weft_chan_close(s.deliveries);
    cr_assert_eq(weft_wg_wait(&s.delivering), 0);
    cr_assert_eq(s.served + s.sent_away, 2 * SIDES * (ROUNDS / 2));
    cr_assert_gt(s.served, 0);
    cr_assert_eq(s.in_till, 0);
    cr_assert_eq(weft_mutex_try_lock(&s.till), 0, "the mutex is free");
    cr_assert_eq(weft_sem_try_acquire(&s.counters, COUNTERS), 0, "all of it came back");
    cr_assert_eq(weft_sem_try_acquire(&s.counters, 1), -EAGAIN, "and no more");
    weft_chan_free(s.deliveries);
    return 0;
}

Test(stress, what_was_held_comes_back_however_a_wait_ends, .timeout = 120)
{
    at_all_sizes(keep_a_shop, NULL);
}

/* ---- groups ---- */

enum { CHILDREN = 4, DEPTH = 4 };

struct family {
    uint32_t random;
    int depth;
    _Atomic(int) *alive;
};

static int live(void *arg);

/* Nothing of the group is left when it has been waited for. */
static int raise_family(struct family *parent)
{
    struct family child[CHILDREN];
    _Atomic(int) alive = 0;
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){
                            .limit = (int)(chance(&parent->random) % 4),
                            .timeout = chance(&parent->random) % 8 ? 0 : 100 * WEFT_US,
                            .keeps_going = chance(&parent->random) % 2,
                        });
    for (int i = 0; i < CHILDREN; i++) {
        child[i] = (struct family){chance(&parent->random), parent->depth - 1, &alive};
        int rc = weft_group_go(&g, live, &child[i]);
        cr_assert(rc == 0 || rc == -ECANCELED || rc == -ETIMEDOUT, "%d", rc);
    }
    if (chance(&parent->random) % 8 == 0)
        weft_group_cancel(&g);
    int rc = weft_group_wait(&g);
    cr_assert_eq(alive, 0);
    cr_assert(rc == 0 || rc == -EIO || rc == -ECANCELED || rc == -ETIMEDOUT, "%d", rc);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int live(void *arg)
{
    struct family *f = arg;
    int rc;
    atomic_fetch_add(f->alive, 1);
    if (f->depth > 0)
        rc = raise_family(f);
    else if (chance(&f->random) % 16 == 0)
        rc = -EIO;
    else
        rc = weft_sleep(chance(&f->random) % (30 * WEFT_US));
    atomic_fetch_sub(f->alive, 1);
    return rc;
}

static int raise_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS / 30; i++) {
        struct family f = {.random = 0x9e3779b9U * (unsigned)(i + 1), .depth = DEPTH};
        (void)raise_family(&f);
    }
    return 0;
}

Test(stress, a_group_leaves_nobody_behind, .timeout = 120)
{
    at_all_sizes(raise_many, NULL);
}
