/* poll.c: the part of the netpoller that does not depend on the kernel: the poll words and the
 * deadlines. The states of a word are drawn in poll.h.
 *
 * Deadlines are lazy. One timer a descriptor is armed at the earliest deadline asked for; moving a
 * deadline later only stores it, and the timer, when it fires, looks and arms itself again. Nothing
 * is inserted or removed a request. The timer must not miss an earlier deadline:
 *
 *      holder                          timer, as it fires
 *      deadline = new    (seq_cst)     timer.when = NEVER    (seq_cst, by timers_run)
 *      timer.when > new? (seq_cst)     read both deadlines   (seq_cst)
 *        hasten it                     arm at the earlier
 *
 * One of them sees the other. Nor must a wait be missed that begins as its deadline passes:
 *
 *      who waits                       timer, past the deadline
 *      word = task       (seq_cst)     is_past = true        (seq_cst)
 *      is_past?          (seq_cst)     word holds a task?    (seq_cst)
 *        then the clock, and wakes it    wakes it
 *
 * is_past is a hint that may be old, but never missing. tests/models/poll.pml is all of this as a
 * model that a checker has gone through. */
#include "poll.h"

#include <errno.h>

#include "assert.h"
#include "context.h"
#include "poll_backend.h"
#include "pool.h"

/* What a word holds besides a task's address. */
static const uintptr_t WORD_NIL = 0;
static const uintptr_t WORD_READY = 1;

/* A timer with nothing to watch looks again so much later: it keeps its place in the heap, so that
 * arming it cannot fail. */
static const int64_t IDLE_LOOK_NS = 3600 * WEFT_SEC;

/* Moves a waiting task out of the word. NULL when there is none. */
static struct task *wait_take(struct poll_wait *w, enum poll_why why)
{
    /* seq_cst: on_timer has set is_past before */
    uintptr_t word = atomic_load_explicit(&w->word, memory_order_seq_cst);
    if (word == WORD_NIL || word == WORD_READY)
        return NULL;
    /* pairs: poll_arm published the task; only who wins this may touch it */
    if (!atomic_compare_exchange_strong_explicit(&w->word, &word, WORD_NIL, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return NULL;
    w->why = (uint8_t)why;
    return (struct task *)word;
}

void poll_fire(struct poll_desc *desc, enum poll_direction direction, struct task_list *ready)
{
    struct poll_wait *w = &desc->wait[direction];
    for (;;) {
        uintptr_t word = atomic_load_explicit(&w->word, memory_order_acquire);
        if (word == WORD_READY)
            return;
        if (word == WORD_NIL) {
            /* pairs: the acquire in poll_arm, who then tries the system call again */
            if (atomic_compare_exchange_weak_explicit(&w->word, &word, WORD_READY,
                                                      memory_order_release, memory_order_relaxed))
                return;
            continue;
        }
        struct task *task = wait_take(w, POLL_EVENT);
        if (task) {
            task_list_push(ready, task);
            return;
        }
    }
}

/* Returns false when the edge had come before: then nothing waits. */
static bool wait_put(struct poll_wait *w, struct task *task)
{
    uintptr_t word = WORD_NIL;
    w->why = POLL_EVENT;
    /* pairs: wait_take, and poll_fire's release of READY; seq_cst: wake_if_past comes after */
    if (atomic_compare_exchange_strong_explicit(&w->word, &word, (uintptr_t)task,
                                                memory_order_seq_cst, memory_order_acquire))
        return true;
    weft_assert(word == WORD_READY);
    atomic_store_explicit(&w->word, WORD_NIL, memory_order_relaxed); /* only fire moves NIL on */
    return false;
}

bool poll_disarm(struct poll_desc *desc, enum poll_direction direction, struct task *task)
{
    uintptr_t word = (uintptr_t)task;
    return atomic_compare_exchange_strong_explicit(&desc->wait[direction].word, &word, WORD_NIL,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static int64_t deadline_of(struct poll_desc *desc, enum poll_direction direction)
{
    /* pairs: poll_set_deadline; see the top of this file */
    return atomic_load_explicit(&desc->wait[direction].deadline, memory_order_seq_cst);
}

/* After wait_put: the timer may have looked before it. `deadline` is from before it, for the task
 * may be running and the descriptor may be closed by now, even be somebody else's: then at worst
 * the task is woken early from its next wait, and finds that its deadline has not come. */
static void wake_if_past(struct poll_desc *desc, enum poll_direction direction, struct task *task,
                         int64_t deadline)
{
    struct poll_wait *w = &desc->wait[direction];
    if (weft_likely(!atomic_load_explicit(&w->is_past, memory_order_seq_cst)) ||
        weft_now() < deadline || !poll_disarm(desc, direction, task))
        return;
    w->why = POLL_DEADLINE;
    task_ready(task);
}

void poll_arm(struct poll_desc *desc, enum poll_direction direction, struct task *task)
{
    int64_t deadline = deadline_of(desc, direction);
    if (wait_put(&desc->wait[direction], task))
        wake_if_past(desc, direction, task, deadline);
    else
        task_ready(task);
}

bool poll_interrupt(struct poll_desc *desc, enum poll_direction direction, struct task *task)
{
    struct poll_wait *w = &desc->wait[direction];
    if (!poll_disarm(desc, direction, task))
        return false;
    w->why = POLL_INTERRUPTED;
    task_ready(task);
    return true;
}

void poll_end(struct poll_desc *desc)
{
    atomic_store_explicit(&desc->is_ending, true, memory_order_release); /* pairs: note_read */
    /* relaxed: a function's address; what it needs has a lock of its own */
    poll_on_end *on_end = atomic_load_explicit(&desc->on_end, memory_order_relaxed);
    if (on_end)
        on_end(desc);
}

/* A deadline may have come. Wakes who waits past his, and says when to look again. */
static int64_t on_timer(struct timer *t, int64_t now)
{
    struct poll_desc *desc = (struct poll_desc *)((char *)t - offsetof(struct poll_desc, timer));
    int64_t next = now + IDLE_LOOK_NS;

    /* Deadlines are read before anybody is woken, who might close the descriptor; its memory stays,
     * and closing waits for the heap's lock, which is held here. */
    for (int i = 0; i < 2; i++) {
        int64_t deadline = deadline_of(desc, (enum poll_direction)i);
        if (deadline > now) {
            next = deadline < next ? deadline : next;
            continue;
        }
        atomic_store_explicit(&desc->wait[i].is_past, true, memory_order_seq_cst);
        struct task *task = wait_take(&desc->wait[i], POLL_DEADLINE);
        if (task)
            task_ready(task);
    }
    return next;
}

void poll_set_deadline(struct poll_desc *desc, enum poll_direction direction, int64_t when)
{
    struct poll_wait *w = &desc->wait[direction];
    /* relaxed: only the direction's holder stores it */
    if (atomic_load_explicit(&w->deadline, memory_order_relaxed) == when)
        return;
    /* relaxed: the timer sets it only after it has read the deadline that is stored next */
    atomic_store_explicit(&w->is_past, false, memory_order_relaxed);
    atomic_store_explicit(&w->deadline, when, memory_order_seq_cst); /* pairs: deadline_of */
    if (desc->is_registered && when < atomic_load_explicit(&desc->timer.when, memory_order_seq_cst))
        timer_hasten(&desc->timer, when);
}

void poll_init(struct poll_desc *desc, int fd)
{
    desc->fd = fd;
    desc->is_registered = false;
    desc->registered = NULL;
    atomic_store_explicit(&desc->is_watched, false, memory_order_relaxed); /* not shared yet */
    atomic_store_explicit(&desc->is_ending, false, memory_order_relaxed);
    atomic_store_explicit(&desc->on_end, NULL, memory_order_relaxed);
    for (int i = 0; i < 2; i++) {
        desc->wait[i].why = POLL_EVENT;
        atomic_store_explicit(&desc->wait[i].word, WORD_NIL, memory_order_relaxed);
        atomic_store_explicit(&desc->wait[i].deadline, WEFT_NO_DEADLINE, memory_order_relaxed);
        atomic_store_explicit(&desc->wait[i].is_past, false, memory_order_relaxed);
    }
    timer_init(&desc->timer, on_timer);
}

static struct pool descs = POOL_INIT(struct poll_desc);

struct poll_desc *poll_new(int fd)
{
    struct poll_desc *desc = pool_take(&descs);
    if (desc)
        poll_init(desc, fd);
    return desc;
}

void poll_free(struct poll_desc *desc)
{
    if (desc)
        pool_give(&descs, desc);
}

int poll_open_timer(struct poll_desc *desc, struct proc *p)
{
    int64_t now = weft_now();
    int64_t first = now + IDLE_LOOK_NS;
    for (int i = 0; i < 2; i++) {
        int64_t deadline = deadline_of(desc, (enum poll_direction)i);
        first = deadline < first ? deadline : first;
    }
    int rc = timer_arm(&desc->timer, p, first);
    if (rc < 0)
        return rc;
    desc->is_registered = true;
    desc->registered = &p->registered;
    /* pairs: poller_wait. The kernel orders a registration before its events, but no tool sees that
     */
    atomic_fetch_add_explicit(&p->registered, 1, memory_order_release);
    return 0;
}

int poll_open(struct poll_desc *desc, struct proc *p)
{
    int rc = poll_open_timer(desc, p);
    if (rc < 0)
        return rc;
    rc = poll_backend_add(p, desc); /* from here on others may hold the descriptor */
    if (rc < 0)
        poll_close(desc);
    return rc;
}

void poll_close(struct poll_desc *desc)
{
    if (!desc->is_registered)
        return;
    timer_stop(&desc->timer);
    desc->is_registered = false;
    atomic_fetch_sub_explicit(desc->registered, 1, memory_order_relaxed);
}

/* A coroutine that waits; on its stack. */
struct park {
    struct poll_desc *desc;
    enum poll_direction direction;
    struct coro *coro;
    struct weft_ctx *ctx;
    struct context_watch watch;
};

/* The coroutine's context has ended. */
static void on_context_end(struct context_watch *watch)
{
    struct park *park = (struct park *)((char *)watch - offsetof(struct park, watch));
    poll_interrupt(park->desc, park->direction, &park->coro->task);
}

static bool commit_park(struct coro *c, void *arg)
{
    const struct park *park = arg; /* gone once c is in the word */
    struct poll_desc *desc = park->desc;
    enum poll_direction direction = park->direction;
    int64_t deadline = deadline_of(desc, direction);
    if (!wait_put(&desc->wait[direction], &c->task))
        return false;
    wake_if_past(desc, direction, &c->task, deadline);
    return true;
}

/* The context is locked from its last look until the watch is in place: an end cannot fall in
 * between; and a coroutine that an edge wakes meanwhile waits for the lock before it leaves. */
static bool commit_park_watched(struct coro *c, void *arg)
{
    struct park *park = arg; /* gone once the context is unlocked */
    struct poll_desc *desc = park->desc;
    enum poll_direction direction = park->direction;
    struct poll_wait *w = &desc->wait[direction];
    int64_t deadline = deadline_of(desc, direction);
    struct weft_ctx *ctx = park->ctx;
    struct context_watch *watch = &park->watch;
    if (context_watch_begin(ctx) < 0) {
        w->why = POLL_INTERRUPTED;
        return false;
    }
    bool is_parked = wait_put(w, &c->task);
    context_watch_end(ctx, is_parked ? watch : NULL);
    if (is_parked)
        wake_if_past(desc, direction, &c->task, deadline);
    return is_parked;
}

static void park_once(struct park *park)
{
    enum wait_reason reason = park->direction == POLL_READ ? WAIT_READ : WAIT_WRITE;
    if (weft_likely(!park->ctx)) {
        coro_park(commit_park, park, reason);
        return;
    }
    park->watch.prev = NULL;
    park->watch.on_end = on_context_end;
    coro_park(commit_park_watched, park, reason);
    context_unwatch(park->ctx, &park->watch);
}

int poll_park(struct poll_desc *desc, enum poll_direction direction)
{
    struct coro *c = coro_self();
    weft_assert(c && desc->is_registered);
    struct park park = {.desc = desc, .direction = direction, .coro = c, .ctx = coro_context(c)};
    struct poll_wait *w = &desc->wait[direction];
    for (;;) {
        park_once(&park);
        if (w->why == POLL_EVENT)
            return 0;
        if (w->why == POLL_INTERRUPTED)
            return park.ctx && weft_ctx_error(park.ctx) ? weft_ctx_error(park.ctx) : -ECANCELED;
        /* A timer that was late may have met the next wait: then it parks again. */
        if (weft_now() >= deadline_of(desc, direction))
            return -ETIMEDOUT;
    }
}
