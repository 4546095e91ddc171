/* group.c: groups of coroutines. */
#include "group.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/rt.h>

#include "assert.h"
#include "report.h"
#include "spawn.h"
#include "sync.h"

/* What the owner waits for. */
enum { FOR_A_PLACE = WAITER_WOKEN, FOR_THE_END };

/* What a child gets a copy of. */
struct child {
    struct weft_group_state *group;
    int (*fn)(void *arg);
    void *arg;
    int index;
};

/* The first error counts. */
static void note_error_locked(struct weft_group_state *g, int error)
{
    if (error < 0 && g->error == 0)
        g->error = error;
}

void weft_group_init(weft_group *g, weft_group_opts opts)
{
    struct coro *c = coro_self();
    weft_assert(c != NULL);
    struct weft_group_state *state = calloc(1, sizeof *state);
    g->state = state;
    g->error = state ? 0 : -ENOMEM;
    if (!state)
        return;
    state->opts = opts;
    state->opened_at = __builtin_return_address(0);
    state->owner = c;
    state->outer = c->groups;
    c->groups = state;
    state->error = weft_ctx_new(weft_ctx_current(), opts.timeout ? opts.timeout : WEFT_NO_DEADLINE,
                                &state->ctx);
}

/* A child has ended: the owner goes on if he waited for its place, or for the last. */
static void leave(struct weft_group_state *g, int index, int rc)
{
    spin_take(SYNC_LOCK(g));
    if (index < g->opts.max_results && g->opts.results)
        g->opts.results[index] = rc;
    note_error_locked(g, rc);
    weft_ctx *cancel = rc < 0 && !g->opts.keeps_going ? weft_ctx_ref(g->ctx) : NULL;
    g->running--;
    struct wait_node *node = SYNC_QUEUE(g)->first;
    bool is_last = g->running == 0;
    if (node && (is_last || node->code == FOR_A_PLACE))
        node = wait_queue_claim(SYNC_QUEUE(g), 0);
    else
        node = NULL;
    spin_release(SYNC_LOCK(g)); /* from here on the group may be gone */
    weft_ctx_cancel(cancel);
    weft_ctx_unref(cancel);
    if (node)
        waiter_wake(node->waiter);
}

static void child_main(void *arg)
{
    struct child *child = arg;
    leave(child->group, child->index, child->fn(child->arg));
}

/* Parks until a child leaves, for a place also until the group's context ends; the lock is held and
 * given back. */
static void wait_locked(struct weft_group_state *g, uint32_t code)
{
    struct waiter w;
    struct wait_node node;
    waiter_init_stubborn(&w);
    if (code == FOR_A_PLACE) {
        w.ctx = g->ctx;
        w.is_shared = true;
    }
    wait_node_init(&node, &w, NULL, code);
    wait_queue_push(SYNC_QUEUE(g), &node);
    if (waiter_park(&w, sync_unlock, SYNC_LOCK(g), WAIT_GROUP) >= WAITER_WOKEN)
        return;
    spin_take(SYNC_LOCK(g));
    wait_queue_remove(SYNC_QUEUE(g), &node);
    spin_release(SYNC_LOCK(g));
}

/* Takes a place for one more child. */
static int enter(struct weft_group_state *g, int *ret_index)
{
    weft_assert(g->owner == coro_self());
    for (;;) {
        spin_take(SYNC_LOCK(g));
        int rc = g->ctx ? weft_ctx_error(g->ctx) : g->error;
        bool has_place = g->opts.limit <= 0 || g->running < g->opts.limit;
        note_error_locked(g, rc);
        if (rc == 0 && has_place) {
            g->running++;
            *ret_index = g->spawned++;
        }
        if (rc < 0 || has_place) {
            spin_release(SYNC_LOCK(g));
            return rc;
        }
        wait_locked(g, FOR_A_PLACE);
    }
}

int weft_group_go(weft_group *group, int (*fn)(void *arg), void *arg)
{
    struct weft_group_state *g = group->state;
    struct child child = {.group = g, .fn = fn, .arg = arg};
    weft_assert(g || group->error); /* it has been opened, and not been waited for */
    int rc = g ? enter(g, &child.index) : group->error;
    if (rc < 0)
        return rc;
    rc = spawn_task(&(struct spawn_request){.fn = child_main,
                                            .arg = &child,
                                            .copied = sizeof child,
                                            .ctx = g->ctx,
                                            .spawned_at = __builtin_return_address(0)});
    if (rc < 0)
        leave(g, child.index, rc);
    return rc;
}

int weft_group_wait(weft_group *group)
{
    struct weft_group_state *g = group->state;
    struct coro *c = coro_self();
    if (!g)
        return group->error;
    weft_assert(g->owner == c);
    if (c->groups != g)
        report_open_group(c);
    spin_take(SYNC_LOCK(g));
    if (g->running)
        wait_locked(g, FOR_THE_END);
    else
        spin_release(SYNC_LOCK(g));
    spin_take(SYNC_LOCK(g)); /* the last child may still be giving it back */
    group->error = g->error;
    group->state = NULL;
    spin_release(SYNC_LOCK(g));
    c->groups = g->outer;
    weft_ctx_cancel(g->ctx);
    weft_ctx_unref(g->ctx);
    free(g);
    return group->error;
}

void weft_group_cancel(weft_group *group)
{
    if (group->state)
        weft_ctx_cancel(group->state->ctx);
}

void weft_group_close(weft_group *group)
{
    weft_group_cancel(group);
    (void)weft_group_wait(group);
}
