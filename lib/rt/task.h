/* task.h: what a run queue holds: something that a processor can run next.
 *
 * Three things are tasks: a coroutine that was parked or has yielded, a spawn that has not got its
 * stack yet, and a call embedded in an object (an idle connection), which becomes a coroutine each
 * time it is readied and costs nothing else meanwhile. */
#ifndef RT_TASK_H
#define RT_TASK_H

#include <stddef.h>
#include <stdint.h>

enum task_kind {
    TASK_CORO,  /* inside a struct coro */
    TASK_SPAWN, /* inside a struct spawn */
    TASK_CALL,  /* inside somebody's object: `call(task)` runs in a new coroutine */
};

struct task {
    struct task *next;           /* in a list or the global queue; whoever holds the task */
    void (*call)(struct task *); /* TASK_CALL only */
    uint8_t kind;                /* enum task_kind, immutable */
};

/* A list of tasks in order, owned by one thread. */
struct task_list {
    struct task *first;
    struct task *last;
    uint32_t count;
};

#define TASK_LIST_INIT                                                                             \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

static inline void task_list_push(struct task_list *list, struct task *task)
{
    task->next = NULL;
    if (list->last)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
    list->count++;
}

static inline struct task *task_list_pop(struct task_list *list)
{
    struct task *task = list->first;
    if (!task)
        return NULL;
    list->first = task->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    return task;
}

/* Puts a task on a run queue. Whoever calls this holds the task, and must not touch it (nor what
 * it is inside of) afterwards. Any thread while the runtime runs; never parks. */
void task_ready(struct task *task);

/* task_ready for a new piece of work, which another processor should take if it is idle. p is the
 * caller's, pinned, or NULL. */
struct proc;
void task_spawned(struct proc *p, struct task *task);

#define task_container(task, type, member) ((type *)((char *)(task)-offsetof(type, member)))

#endif
