#include <criterion/criterion.h>
#include <pthread.h>

#include "runq.h"

enum { TASKS = 200000, THIEVES = 3 };

Test(runq, gives_tasks_in_the_order_pushed)
{
    static struct runq q;
    static struct task tasks[RUNQ_SIZE];
    for (int i = 0; i < RUNQ_SIZE; i++)
        cr_assert(runq_push(&q, &tasks[i]));
    cr_assert_not(runq_push(&q, &tasks[0]), "a full ring refuses");
    for (int i = 0; i < RUNQ_SIZE; i++)
        cr_assert_eq(runq_pop(&q), &tasks[i]);
    cr_assert_null(runq_pop(&q));
}

Test(runq, sheds_half_when_full)
{
    static struct runq q;
    static struct task tasks[RUNQ_SIZE];
    struct task_list list = TASK_LIST_INIT;
    for (int i = 0; i < RUNQ_SIZE; i++)
        runq_push(&q, &tasks[i]);
    cr_assert_eq(runq_shed(&q, &list), RUNQ_SIZE / 2);
    cr_assert_eq(list.count, RUNQ_SIZE / 2);
    cr_assert_eq(list.first, &tasks[0]);
    cr_assert_eq(runq_pop(&q), &tasks[RUNQ_SIZE / 2]);
}

Test(runq, a_thief_takes_half_and_the_next_task_only_when_told)
{
    static struct runq from, to;
    static struct task tasks[9];
    for (int i = 0; i < 8; i++)
        runq_push(&from, &tasks[i]);
    cr_assert_eq(runq_steal(&to, &from, false), &tasks[3]);
    cr_assert_eq(runq_length(&from), 4);
    cr_assert_eq(runq_length(&to), 3);
    while (runq_pop(&from))
        continue;
    while (runq_pop(&to))
        continue;
    atomic_store(&from.next, &tasks[8]);
    cr_assert_null(runq_steal(&to, &from, false));
    cr_assert_eq(runq_steal(&to, &from, true), &tasks[8]);
}

static struct runq shared;
static _Atomic(int) seen[TASKS];
static struct task all[TASKS];
static _Atomic(int) taken;

static void see(struct task *task)
{
    atomic_fetch_add(&seen[task - all], 1);
    atomic_fetch_add(&taken, 1);
}

static void *steal_all(void *arg)
{
    static _Thread_local struct runq mine;
    (void)arg;
    while (atomic_load(&taken) < TASKS) {
        struct task *task = runq_steal(&mine, &shared, true);
        while (task) {
            see(task);
            task = runq_pop(&mine);
        }
    }
    return NULL;
}

Test(runq, loses_and_doubles_nothing_under_thieves, .timeout = 120)
{
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        pthread_create(&thieves[i], NULL, steal_all, NULL);
    for (int i = 0; i < TASKS; i++) {
        struct task *task;
        while (!runq_push(&shared, &all[i]))
            if ((task = runq_pop(&shared)))
                see(task);
        if (i % 7 == 0 && (task = runq_pop(&shared)))
            see(task);
    }
    for (struct task *task; atomic_load(&taken) < TASKS;)
        if ((task = runq_pop(&shared)))
            see(task);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    for (int i = 0; i < TASKS; i++)
        cr_assert_eq(atomic_load(&seen[i]), 1, "task %d was seen %d times", i, seen[i]);
}
