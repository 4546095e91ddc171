#include "spawn.h"

#include <stdlib.h>

#include "proc.h"

enum { RECORD = (sizeof(struct spawn) + SPAWN_INLINE + 15) & ~15 };

_Static_assert(RECORD <= 128, "a spawned coroutine that has not run should stay small");

/* A chunk of records: a link, then the records. */
struct chunk {
    struct chunk *next;
    _Alignas(16) char records[];
};

static int pool_grow_locked(struct spawn_pool *pool)
{
    struct chunk *chunk = malloc(sizeof *chunk + (size_t)SPAWN_CHUNK * RECORD);
    if (!chunk)
        return -1;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (int i = 0; i < SPAWN_CHUNK; i++) {
        struct spawn *s = (struct spawn *)(chunk->records + (size_t)i * RECORD);
        s->is_pooled = 1;
        task_list_push(&pool->free, &s->task);
    }
    return 0;
}

/* Moves up to SPAWN_CHUNK free records into `to`. */
static void pool_take(struct spawn_pool *pool, struct task_list *to)
{
    lock_take(&pool->lock);
    if (pool->free.first || pool_grow_locked(pool) == 0) {
        for (int i = 0; i < SPAWN_CHUNK; i++) {
            struct task *task = task_list_pop(&pool->free);
            if (!task)
                break;
            task_list_push(to, task);
        }
    }
    lock_release(&pool->lock);
}

static void pool_give(struct spawn_pool *pool, struct task_list *from, uint32_t count)
{
    lock_take(&pool->lock);
    for (uint32_t i = 0; i < count; i++)
        task_list_push(&pool->free, task_list_pop(from));
    lock_release(&pool->lock);
}

struct spawn *spawn_new(struct proc *p, uint32_t copied)
{
    struct spawn *s;
    if (copied > SPAWN_INLINE) {
        s = aligned_alloc(16, (sizeof *s + copied + 15) & ~(size_t)15);
        if (!s)
            return NULL;
        s->is_pooled = 0;
    } else {
        struct task_list local = TASK_LIST_INIT;
        struct task_list *list = p ? &p->spawns : &local;
        if (!list->first)
            pool_take(&rt.spawn_pool, list);
        struct task *task = task_list_pop(list);
        if (!task)
            return NULL;
        s = task_container(task, struct spawn, task);
        if (!p)
            pool_give(&rt.spawn_pool, &local, local.count);
    }
    s->task.kind = TASK_SPAWN;
    s->copied = copied;
    return s;
}

void spawn_free(struct proc *p, struct spawn *s)
{
    if (!s->is_pooled) {
        free(s);
        return;
    }
    struct task_list local = TASK_LIST_INIT;
    struct task_list *list = p ? &p->spawns : &local;
    /* Newest first: it is still in the cache. */
    s->task.next = list->first;
    list->first = &s->task;
    if (!list->last)
        list->last = &s->task;
    list->count++;
    if (!p || list->count > SPAWN_CACHE)
        pool_give(&rt.spawn_pool, list, p ? SPAWN_CACHE / 2 : 1);
}

void spawn_pool_done(struct spawn_pool *pool)
{
    struct chunk *chunk = pool->chunks;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *pool = (struct spawn_pool){0};
}
