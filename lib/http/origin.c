#include "origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "sys.h"

enum { NEAR_LOOKS = 8 }; /* idle lines looked at for one of this processor's */

struct origin *origin_new(const char *network, const char *address,
                          const struct origin_limits *limits, struct idle_budget *budget)
{
    size_t size = strlen(address) + 1;
    struct origin *o = calloc(1, sizeof *o + size);
    if (!o)
        return NULL;
    weft_assert(strlen(network) < sizeof o->network);
    atomic_init(&o->refs, 1);
    o->limits = *limits;
    o->budget = budget;
    o->free = (weft_sem)WEFT_SEM_INIT(limits->max_in_use);
    o->run = rt_run_id();
    memcpy(o->network, network, strlen(network));
    memcpy(o->address, address, size);
    return o;
}

struct origin *origin_ref(struct origin *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed); /* the caller has one */
    return o;
}

void origin_unref(struct origin *o)
{
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        free(o);
}

/* ---- the list ---- */

static void list_remove_locked(struct line *l)
{
    struct origin *o = l->origin;
    *(l->prev ? &l->prev->next : &o->newest) = l->next;
    *(l->next ? &l->next->prev : &o->oldest) = l->prev;
    l->is_idle = false;
    o->idle_count--;
    if (o->budget)
        atomic_fetch_sub_explicit(&o->budget->count, 1,
                                  memory_order_relaxed); /* a bound, no lock */
}

static void list_put_locked(struct line *l)
{
    struct origin *o = l->origin;
    l->prev = NULL;
    l->next = o->newest;
    *(l->next ? &l->next->prev : &o->oldest) = l;
    o->newest = l;
    l->is_idle = true;
    o->idle_count++;
}

static void line_free(struct line *l)
{
    struct origin *o = l->origin;
    if (l->run != rt_run_id())
        conn_forget(l->conn);
    weft_conn_close(l->conn);
    free(l);
    origin_unref(o);
}

static void chain_free(struct line *chain)
{
    while (chain) {
        struct line *next = chain->next;
        line_free(chain);
        chain = next;
    }
}

/* What an earlier weft_run has left is closed: no poller knows it, and nobody waits any more.
 * Returns it, for chain_free without the lock. */
static struct line *renew_locked(struct origin *o)
{
    struct line *chain = NULL;
    if (o->run == rt_run_id())
        return NULL;
    o->run = rt_run_id();
    o->free = (weft_sem)WEFT_SEM_INIT(o->limits.max_in_use);
    while (o->newest) {
        struct line *l = o->newest;
        list_remove_locked(l);
        l->next = chain;
        chain = l;
    }
    return chain;
}

/* One of this processor's among those used last: its wake-ups come here. */
static struct line *choose_locked(struct origin *o)
{
    struct line *l = o->newest;
    for (int i = 0; l && i < NEAR_LOOKS; i++, l = l->next)
        if (conn_is_near(l->conn))
            return l;
    return o->newest;
}

static struct line *take_idle(struct origin *o)
{
    struct line *l;
    lock_take(&o->lock);
    struct line *stale = renew_locked(o);
    while ((l = choose_locked(o))) {
        list_remove_locked(l);
        if (conn_take_back(l->conn))
            break; /* else its wake-up is on its way, and closes it */
    }
    lock_release(&o->lock);
    chain_free(stale);
    return l;
}

static void on_wake(weft_conn *c, enum conn_wake why);

/* Puts a line that is drained into the list, if there is room. Under the lock it is armed, too: who
 * finds it in the list can disarm it. */
static bool keep(struct line *l)
{
    struct origin *o = l->origin;
    bool is_kept = false;
    if (o->budget && /* relaxed: a bound, no lock */
        atomic_fetch_add_explicit(&o->budget->count, 1, memory_order_relaxed) >= o->budget->max) {
        atomic_fetch_sub_explicit(&o->budget->count, 1, memory_order_relaxed);
        return false;
    }
    int64_t until = weft_now() + o->limits.idle_timeout;
    lock_take(&o->lock);
    if (!o->is_closed && o->idle_count < o->limits.max_idle && o->run == l->run) {
        is_kept = true;
        list_put_locked(l);
        conn_idle(l->conn, on_wake, until);
    }
    lock_release(&o->lock);
    if (!is_kept && o->budget)
        atomic_fetch_sub_explicit(&o->budget->count, 1, memory_order_relaxed);
    return is_kept;
}

/* Whether nothing is there to read, so that what comes next comes with an edge. */
static bool is_quiet(struct line *l)
{
    char byte;
    return conn_try_read(l->conn, &byte, 1) == -EAGAIN;
}

/* Runs in a coroutine of its own, which has the line: whoever else found it could not disarm it. */
static void on_wake(weft_conn *c, enum conn_wake why)
{
    struct line *l = c->owner;
    struct origin *o = l->origin;
    lock_take(&o->lock);
    bool was_idle = l->is_idle;
    if (was_idle)
        list_remove_locked(l);
    lock_release(&o->lock);
    bool is_false_alarm = was_idle && why == CONN_READABLE && is_quiet(l);
    if (!is_false_alarm || !keep(l))
        line_free(l);
}

void origin_close(struct origin *o)
{
    struct line *chain = NULL, *l;
    lock_take(&o->lock);
    o->is_closed = true;
    while ((l = o->newest)) {
        list_remove_locked(l);
        if (l->run != rt_run_id() || conn_take_back(l->conn)) {
            l->next = chain;
            chain = l;
        }
    }
    lock_release(&o->lock);
    chain_free(chain);
}

/* ---- taking and giving ---- */

static int dial_within(struct origin *o, int64_t timeout, weft_conn **ret_conn)
{
    if (strcmp(o->network, "tls") == 0) {
        weft_tls_dial_opts opts = {0};
        if (o->limits.tls)
            opts = *o->limits.tls;
        opts.timeout = timeout;
        return weft_dial_tls(o->address, &opts, ret_conn);
    }
    weft_dial_opts opts = {.timeout = timeout};
    return weft_dial_with(o->network, o->address, &opts, ret_conn);
}

static int dial(struct origin *o, int64_t deadline, struct line **ret_line)
{
    int64_t left = deadline - weft_now(), timeout = o->limits.connect_timeout;
    struct line *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    if (left < timeout)
        timeout = left > 0 ? left : 1;
    *l = (struct line){.origin = o, .run = rt_run_id()};
    int rc = dial_within(o, timeout, &l->conn);
    if (rc < 0) {
        free(l);
        return rc;
    }
    l->conn->owner = l;
    origin_ref(o);
    *ret_line = l;
    return 0;
}

int origin_take(struct origin *o, bool is_fresh, int64_t deadline, struct line **ret_line)
{
    struct line *l = is_fresh ? NULL : take_idle(o);
    int rc = weft_sem_try_acquire(&o->free, 1);
    if (rc < 0)
        rc = weft_sem_acquire_until(&o->free, 1, deadline);
    if (rc < 0) {
        if (l)
            line_free(l);
        return rc;
    }
    if (!l && !is_fresh)
        l = take_idle(o); /* perhaps given back while it waited */
    if (l) {
        l->is_reused = true;
        *ret_line = l;
        return 0;
    }
    rc = dial(o, deadline, ret_line);
    if (rc < 0)
        weft_sem_release(&o->free, 1);
    return rc;
}

bool line_is_silent(const struct line *l)
{
    char byte;
    return sys_peek(l->conn->desc.fd, &byte, 1) == -EAGAIN;
}

void line_give(struct line *l)
{
    struct origin *o = l->origin;
    bool is_drained = l->conn->is_drained || is_quiet(l);
    origin_ref(o);
    if (!is_drained || !keep(l))
        line_free(l);
    weft_sem_release(&o->free, 1);
    origin_unref(o);
}

void line_drop(struct line *l)
{
    struct origin *o = l->origin;
    origin_ref(o);
    line_free(l);
    weft_sem_release(&o->free, 1);
    origin_unref(o);
}
