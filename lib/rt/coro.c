#include "coro.h"

#include <string.h>

#include "assert.h"
#include "proc.h"
#include "switch.h"

enum { COLOURS = 8, COLOUR_STEP = 128 };

struct coro *coro_self(void)
{
    struct machine *m = machine_self();
    return m ? m->current : NULL;
}

/* Leaves the coroutine for the scheduler of the machine it runs on. */
static void leave(struct machine *m, struct coro *c, bool is_last)
{
    san_switch_begin(&c->fiber, &m->fiber, is_last);
    context_switch(&c->sp, m->sp);
}

static void coro_main(void *arg)
{
    struct coro *c = arg;
    san_switch_end(&c->fiber);
    c->fn(c->arg);
    struct machine *m = machine_self(); /* perhaps another one than at the start */
    m->post = POST_EXIT;
    leave(m, c, true);
    weft_assert(!"a coroutine that has ended was entered");
}

void coro_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    struct machine *m = machine_self();
    weft_assert(m && m->current);
    struct coro *c = m->current;
    c->wait_reason = (uint8_t)reason;
    m->post = POST_PARK;
    m->commit = commit;
    m->commit_arg = arg;
    leave(m, c, false);
    san_switch_end(&c->fiber);
}

static void run_call(void *arg)
{
    struct task *task = arg;
    task->call(task);
}

/* What a new coroutine runs, moved out of the task; the copy of an argument goes below `top`.
 * Returns the new top. */
static char *take_work(struct coro *c, struct task *task, char *top)
{
    if (task->kind == TASK_CALL) {
        c->fn = run_call;
        c->arg = task;
        c->spawned_at = NULL;
        return top;
    }
    struct spawn *s = task_container(task, struct spawn, task);
    c->fn = s->fn;
    c->arg = s->arg;
    c->spawned_at = s->spawned_at;
    if (s->copied) {
        top -= (s->copied + 15) & ~15U;
        memcpy(top, s->copy, s->copied);
        c->arg = top;
    }
    return top;
}

int coro_make(struct proc *p, struct task *task, struct coro **ret_coro)
{
    uint8_t class_index = rt.default_stack;
    if (task->kind == TASK_SPAWN)
        class_index = task_container(task, struct spawn, task)->stack_class;
    struct stack_class *class = &rt.stacks[class_index];
    char *low;
    int rc = stack_take(class, &p->stacks, &low);
    if (rc < 0)
        return rc;

    size_t bytes = (size_t)1 << class->size_log;
    size_t colour = ((uintptr_t)low >> class->size_log) % COLOURS * COLOUR_STEP;
    struct coro *c = (struct coro *)(low + bytes - colour - ((sizeof *c + 63) & ~(size_t)63));
    san_fiber_init(&c->fiber, low + stack_guard_bytes(class->size_log),
                   bytes - stack_guard_bytes(class->size_log));
    c->task = (struct task){.kind = TASK_CORO};
    c->low = low;
    c->size_log = class->size_log;
    c->id = p->ids++;
    c->wait_reason = WAIT_NONE;
    char *top = take_work(c, task, (char *)c);
    weft_assert(((uintptr_t)top & 15) == 0);
    c->sp = top;
    if (task->kind == TASK_SPAWN)
        spawn_free(p, task_container(task, struct spawn, task));
    *ret_coro = c;
    return 0;
}

void coro_free(struct proc *p, struct coro *c)
{
    san_fiber_done(&c->fiber);
    stack_give(&rt.stacks[c->size_log - STACK_MIN_LOG], &p->stacks, c->low);
}

void coro_enter(struct machine *m, struct coro *c, bool is_new)
{
    m->current = c;
    san_switch_begin(&m->fiber, &c->fiber, false);
    if (is_new)
        context_start(&m->sp, c->sp, coro_main, c);
    else
        context_switch(&m->sp, c->sp);
    san_switch_end(&m->fiber);
    m->current = NULL;
}
