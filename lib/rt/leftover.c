/* leftover.c: nobody will run what is queued any more. */
#include "leftover.h"

#include "context.h"
#include "proc.h"

static void take(struct task *task, visit_spawn *visit, void *arg)
{
    if (task->kind != TASK_SPAWN)
        return;
    struct spawn *s = task_container(task, struct spawn, task);
    if (visit)
        visit(s, arg);
    context_unref(s->ctx);
    spawn_free(NULL, s);
}

void leftovers_take(visit_spawn *visit, void *arg)
{
    struct task *task;
    while ((task = task_list_pop(&rt.global)))
        take(task, visit, arg);
    for (int i = 0; i < proc_count(); i++) {
        struct proc *p = &rt.procs[i];
        if (p->first)
            take(p->first, visit, arg);
        p->first = NULL;
        /* relaxed: nobody else is there */
        if ((task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_relaxed)))
            take(task, visit, arg);
        while ((task = runq_pop(&p->runq)) || (task = spawnq_pop(&p->spawnq)))
            take(task, visit, arg);
    }
}
