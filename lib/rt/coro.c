#include "coro.h"

#include <sched.h>
#include <string.h>

#include "assert.h"
#include "context.h"
#include "futex.h"
#include "proc.h"
#include "report.h"
#include "scheduler.h"
#include "switch.h"

enum { COLOURS = 8, COLOUR_STEP = 128, ID_BLOCK = 256 };

struct coro *coro_self(void)
{
    struct machine *m = machine_self();
    return m ? m->current : NULL;
}

/* The asymmetric Dekker of watch.c once more: the state is written, then is_pinned is read; who
 * pins writes that, passes the barrier, and reads the state. */
static void wait_while_pinned(struct coro *c)
{
    while (weft_unlikely(atomic_load_explicit(&c->is_pinned, memory_order_acquire)))
        sched_yield();
}

/* c is about to run on m, and nobody else looks at its stack. */
static inline void coro_resume(struct machine *m, struct coro *c)
{
    /* relaxed, and a compiler's fence: see wait_while_pinned */
    atomic_store_explicit(&c->state, CORO_RUNNING, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    wait_while_pinned(c);
    atomic_store_explicit(&c->is_trimmed, false, memory_order_relaxed); /* nobody has it pinned */
    m->current = c;
}

/* First thing on a coroutine's stack, whoever was there before: sees to the one that left it for
 * this one, which is off its stack only now, and leaves the runtime. */
static inline void arrive(void)
{
    struct machine *m = machine_self(); /* perhaps another one than when it left */
    struct coro *left = m->left;
    if (left) {
        m->left = NULL;
        sched_left(m, left);
    }
    atomic_store_explicit(&m->in_runtime, false, memory_order_release); /* as proc_unpin */
}

/* Leaves c, straight for `next`, or for the scheduler. */
static inline void leave(struct machine *m, struct coro *c, struct coro *next, bool is_last)
{
    if (next) {
        m->left = c;
        coro_resume(m, next);
        san_switch_begin(&c->fiber, &next->fiber, is_last);
        context_switch(&c->sp, next->sp);
    } else {
        san_switch_begin(&c->fiber, &m->fiber, is_last);
        context_switch(&c->sp, m->sp);
    }
}

static void coro_main(void *arg)
{
    struct coro *c = arg;
    san_switch_end(&c->fiber);
    arrive();
    if (weft_unlikely(rt.is_fuzzing))
        sched_point();
    c->fn(c->arg);
    if (weft_unlikely(c->groups != NULL))
        report_open_group(c);
    struct machine *m = machine_self(); /* perhaps another one than at the start */
    machine_enter_runtime(m);
    m->post = POST_EXIT;
    leave(m, c, c->ctx ? NULL : sched_straight(m), true); /* a context's end may call a user */
    weft_assert(!"a coroutine that has ended was entered");
}

void coro_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    struct machine *m = machine_self();
    weft_assert(m && m->current);
    struct coro *c = m->current;
    machine_enter_runtime(m);
    struct coro *next = sched_straight(m);
    if (!next && reason == WAIT_YIELD && sched_has_nobody(m)) {
        atomic_store_explicit(&m->in_runtime, false, memory_order_release); /* as proc_unpin */
        return;
    }
    atomic_store_explicit(&c->wait_reason, (uint8_t)reason, memory_order_relaxed);
    m->post = POST_PARK;
    m->commit = commit;
    m->commit_arg = arg;
    leave(m, c, next, false);
    san_switch_end(&c->fiber);
    arrive();
}

struct coro *coro_at(char *low, unsigned size_log)
{
    size_t colour = ((uintptr_t)low >> size_log) % COLOURS * COLOUR_STEP;
    size_t block = (sizeof(struct coro) + 63) & ~(size_t)63;
    return (struct coro *)(low + ((size_t)1 << size_log) - colour - block);
}

const char *wait_reason_text(unsigned reason)
{
    static const char *const texts[WAIT_REASONS] = {
        [WAIT_NONE] = "nothing",
        [WAIT_YIELD] = "its turn",
        [WAIT_SLEEP] = "sleep",
        [WAIT_WG] = "wait group",
        [WAIT_READ] = "network read",
        [WAIT_WRITE] = "network write",
        [WAIT_SEND] = "channel send",
        [WAIT_RECV] = "channel receive",
        [WAIT_SELECT] = "select",
        [WAIT_MUTEX] = "mutex",
        [WAIT_RWLOCK] = "rwlock",
        [WAIT_COND] = "condition",
        [WAIT_ONCE] = "once",
        [WAIT_SEM] = "semaphore",
        [WAIT_BARRIER] = "barrier",
        [WAIT_GROUP] = "group",
        [WAIT_BLOCKING] = "blocking call",
    };
    return reason < WAIT_REASONS ? texts[reason] : "?";
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
        c->spawned_at = (const void *)(uintptr_t)task->call;
        c->name = NULL;
        c->ctx = NULL;
        return top;
    }
    struct spawn *s = task_container(task, struct spawn, task);
    c->fn = s->fn;
    c->arg = s->arg;
    c->spawned_at = s->spawned_at;
    c->name = s->name;
    c->ctx = s->ctx;
    if (s->copied) {
        top -= (s->copied + 15) & ~15U;
        memcpy(top, s->copy, s->copied);
        c->arg = top;
    }
    return top;
}

/* Small numbers are easier to read and to type: processors take them a block at a time. */
static uint64_t id_take(struct proc *p)
{
    if (weft_unlikely(p->id % ID_BLOCK == 0)) /* relaxed: only that they differ matters */
        p->id = atomic_fetch_add_explicit(&rt.id_blocks, 1, memory_order_relaxed) * ID_BLOCK;
    return ++p->id;
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
    struct coro *c = coro_at(low, class->size_log);
    san_fiber_init(&c->fiber, low + stack_guard_bytes(class->size_log),
                   bytes - stack_guard_bytes(class->size_log));
    c->task = (struct task){.kind = TASK_CORO};
    c->low = low;
    c->size_log = class->size_log;
    c->id = id_take(p);
    atomic_store_explicit(&c->wait_reason, WAIT_NONE, memory_order_relaxed);
    c->groups = NULL;
    c->source = NULL;
    atomic_store_explicit(&c->since, p->polled_at, memory_order_relaxed); /* for reports */
    char *top = take_work(c, task, (char *)c);
    weft_assert(((uintptr_t)top & 15) == 0);
    c->sp = top;
    if (task->kind == TASK_SPAWN)
        spawn_free(p, task_container(task, struct spawn, task));
    /* pairs: who reports, and reads what is above only after it */
    atomic_store_explicit(&c->state, CORO_READY, memory_order_release);
    *ret_coro = c;
    return 0;
}

void coro_free(struct proc *p, struct coro *c)
{
    atomic_store_explicit(&c->state, CORO_FREE, memory_order_release);
    wait_while_pinned(c); /* a report may look at it */
    context_unref(c->ctx);
    san_fiber_done(&c->fiber);
    stack_give(&rt.stacks[c->size_log - STACK_MIN_LOG], p ? &p->stacks : NULL, c->low);
}

struct coro *coro_enter(struct machine *m, struct coro *c, bool is_new)
{
    coro_resume(m, c);
    san_switch_begin(&m->fiber, &c->fiber, false);
    if (is_new)
        context_start(&m->sp, c->sp, coro_main, c);
    else
        context_switch(&m->sp, c->sp);
    san_switch_end(&m->fiber);
    c = m->current;
    m->current = NULL;
    return c;
}
