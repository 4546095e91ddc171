/* select.c: waiting on several channels.
 *
 * All the channels are locked, in the order of their addresses, before any is looked at: so nothing
 * can become ready in between, and of what is ready one is chosen at random. When nothing is, the
 * waiter enters every queue before the first lock is given back. Whoever ends the wait wins a swap
 * on the waiter's word; the waiter takes its nodes out of the other queues. */
#include <errno.h>
#include <stdlib.h>

#include "assert.h"
#include "chan.h"
#include "proc.h"

struct selection {
    const weft_case *cases;
    int count;
    weft_chan **locks; /* the channels, each once, in the order of their addresses */
    int n_locks;
};

static bool is_channel(const weft_case *c)
{
    return (c->op == WEFT_OP_SEND || c->op == WEFT_OP_RECV) && c->chan;
}

static void collect_locks(struct selection *s)
{
    s->n_locks = 0;
    for (int i = 0; i < s->count; i++) {
        weft_chan *ch = s->cases[i].chan;
        int at = s->n_locks;
        if (!is_channel(&s->cases[i]))
            continue;
        while (at > 0 && s->locks[at - 1] > ch)
            at--;
        if (at > 0 && s->locks[at - 1] == ch)
            continue;
        for (int j = s->n_locks; j > at; j--)
            s->locks[j] = s->locks[j - 1];
        s->locks[at] = ch;
        s->n_locks++;
    }
}

static void lock_all(const struct selection *s)
{
    for (int i = 0; i < s->n_locks; i++)
        spin_take(&s->locks[i]->lock);
}

/* Also on behalf of a coroutine that has parked, whose stack holds *s: it can leave only once it
 * has had the last of these locks. */
static void unlock_all(void *arg)
{
    const struct selection *s = arg;
    weft_chan **locks = s->locks;
    for (int i = 0, n = s->n_locks; i < n; i++)
        spin_release(&locks[i]->lock);
}

static uint32_t chance(uint32_t below)
{
    static __thread uint32_t foreign = 2463534242U;
    struct pin pin;
    struct proc *p = proc_pin(&pin);
    uint32_t *state = p ? &p->random : &foreign;
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    proc_unpin(&pin);
    return (uint32_t)(((uint64_t)x * below) >> 32);
}

static bool is_ready_locked(const weft_case *c)
{
    const weft_chan *ch = c->chan;
    if (c->op == WEFT_OP_SEND)
        return ch->is_closed || ch->count < ch->capacity || ch->receivers.first;
    return ch->is_closed || ch->count || ch->senders.first;
}

/* Tries what is ready, in random order, with all locks held. Returns the case's index, or its
 * WEFT_CLOSED, or -EAGAIN. */
static int try_locked(const struct selection *s, struct waiter **ret_wake)
{
    uint16_t ready[WEFT_SELECT_MAX];
    uint32_t n = 0;
    for (int i = 0; i < s->count; i++)
        if (is_channel(&s->cases[i]) && is_ready_locked(&s->cases[i]))
            ready[n++] = (uint16_t)i;
    while (n) {
        uint32_t pick = n > 1 ? chance(n) : 0;
        int i = ready[pick];
        const weft_case *c = &s->cases[i];
        int rc = c->op == WEFT_OP_SEND ? chan_send_locked(c->chan, c->value, ret_wake)
                                       : chan_recv_locked(c->chan, c->value, ret_wake);
        if (rc != CHAN_WAIT)
            return rc == CHAN_DONE ? i : WEFT_CLOSED(i);
        ready[pick] = ready[--n]; /* who waited there was woken by somebody else */
    }
    return -EAGAIN;
}

/* The earliest time case: its index in *ret_case (-1: none). */
static int64_t earliest(const struct selection *s, int *ret_case)
{
    int64_t first = WEFT_NO_DEADLINE, now = 0;
    *ret_case = -1;
    for (int i = 0; i < s->count; i++) {
        const weft_case *c = &s->cases[i];
        if (c->op != WEFT_OP_AFTER && c->op != WEFT_OP_AT)
            continue;
        int64_t when = c->time;
        if (c->op == WEFT_OP_AFTER) {
            now = now ? now : weft_now();
            when = when < WEFT_NO_DEADLINE - now ? now + when : WEFT_NO_DEADLINE;
        }
        if (*ret_case < 0 || when < first) {
            *ret_case = i;
            first = when;
        }
    }
    return first;
}

static int default_of(const struct selection *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->cases[i].op == WEFT_OP_DEFAULT)
            return i;
    return -1;
}

static struct wait_queue *queue_of(const weft_case *c)
{
    return c->op == WEFT_OP_SEND ? &c->chan->senders : &c->chan->receivers;
}

/* Takes the nodes that are still queued out. Each lock is taken, so that nobody reads them any
 * more. */
static void leave_queues(const struct selection *s, struct wait_node *nodes, int woken_by)
{
    for (int i = 0; i < s->count; i++) {
        if (!is_channel(&s->cases[i]) || i == woken_by)
            continue;
        spin_take(&s->cases[i].chan->lock);
        wait_queue_remove(queue_of(&s->cases[i]), &nodes[i]);
        spin_release(&s->cases[i].chan->lock);
    }
}

/* Parks with all locks held. Returns as weft_select_cases. */
static int wait_locked(struct selection *s)
{
    struct waiter w;
    struct wait_node nodes[s->count];
    int time_case;
    waiter_init(&w, earliest(s, &time_case), true);
    for (int i = 0; i < s->count; i++) {
        if (!is_channel(&s->cases[i]))
            continue;
        wait_node_init(&nodes[i], &w, s->cases[i].value,
                       WAITER_WOKEN + (uint32_t)i * CHAN_CODE_STEP);
        wait_queue_push(queue_of(&s->cases[i]), &nodes[i]);
    }
    uint32_t word = waiter_park(&w, unlock_all, s, WAIT_SELECT);
    if (word < WAITER_WOKEN) {
        leave_queues(s, nodes, -1);
        return word == WAITER_TIMED_OUT ? time_case : waiter_error(&w, word);
    }
    int index = (int)((word - WAITER_WOKEN) / CHAN_CODE_STEP);
    leave_queues(s, nodes, index);
    return (word - WAITER_WOKEN) & CHAN_CLOSED ? WEFT_CLOSED(index) : index;
}

int weft_select_cases(const weft_case *cases, int count)
{
    if (count < 1 || count > WEFT_SELECT_MAX)
        return -EINVAL;
    weft_chan *locks[count];
    struct selection s = {.cases = cases, .count = count, .locks = locks};
    struct waiter *wake = NULL;
    if (weft_unlikely(rt.is_fuzzing))
        sched_point();
    collect_locks(&s);
    lock_all(&s);
    int rc = try_locked(&s, &wake);
    if (rc == -EAGAIN && (rc = default_of(&s)) < 0)
        return wait_locked(&s);
    unlock_all(&s);
    if (wake)
        waiter_wake(wake);
    return rc;
}
