#include "spawn.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
    size_t room = pool->room + SPAWN_CHUNK;
    if (room > pool->allocated) {
        size_t allocated = 2 * room;
        struct spawn **free_list = realloc(pool->free, allocated * sizeof *free_list);
        if (!free_list)
            return -1;
        pool->free = free_list;
        pool->allocated = allocated;
    }
    struct chunk *chunk = malloc(sizeof *chunk + (size_t)SPAWN_CHUNK * RECORD);
    if (!chunk)
        return -1;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->room = room;
    for (int i = SPAWN_CHUNK - 1; i >= 0; i--) /* the first on top */
        pool->free[pool->count++] = (struct spawn *)(chunk->records + (size_t)i * RECORD);
    return 0;
}

/* Takes up to `want` free records, at most SPAWN_CHUNK. Returns how many; 0: memory is out. */
static uint32_t pool_take(struct spawn_pool *pool, struct spawn *to[], uint32_t want)
{
    uint32_t count = 0;
    lock_take(&pool->lock);
    if (pool->count || pool_grow_locked(pool) == 0) {
        count = pool->count < want ? (uint32_t)pool->count : want;
        pool->count -= count;
        memcpy(to, pool->free + pool->count, count * sizeof *to);
    }
    lock_release(&pool->lock);
    return count;
}

static void pool_give(struct spawn_pool *pool, struct spawn *const from[], uint32_t count)
{
    lock_take(&pool->lock);
    weft_assert(pool->count + count <= pool->room);
    memcpy(pool->free + pool->count, from, count * sizeof *from);
    pool->count += count;
    lock_release(&pool->lock);
}

static struct spawn *pooled_new(struct proc *p)
{
    struct spawn *s;
    if (!p)
        return pool_take(&rt.spawn_pool, &s, 1) ? s : NULL;
    struct spawn_cache *cache = &p->spawns;
    if (cache->count == 0 &&
        (cache->count = pool_take(&rt.spawn_pool, cache->free, SPAWN_CHUNK)) == 0)
        return NULL;
    s = cache->free[--cache->count];
    if (cache->count) /* another processor was the last to touch it, perhaps */
        __builtin_prefetch(cache->free[cache->count - 1], 1);
    return s;
}

struct spawn *spawn_new(struct proc *p, uint32_t copied)
{
    bool is_pooled = copied <= SPAWN_INLINE;
    struct spawn *s = is_pooled ? pooled_new(p)
                                : aligned_alloc(16, (sizeof *s + copied + 15) & ~(size_t)15);
    if (s) {
        s->task.kind = TASK_SPAWN;
        s->copied = copied;
        s->is_pooled = is_pooled;
    }
    return s;
}

void spawn_free(struct proc *p, struct spawn *s)
{
    if (!s->is_pooled) {
        free(s);
        return;
    }
    if (!p) {
        pool_give(&rt.spawn_pool, &s, 1);
        return;
    }
    struct spawn_cache *cache = &p->spawns;
    if (cache->count == SPAWN_CACHE) { /* the coldest go */
        pool_give(&rt.spawn_pool, cache->free, SPAWN_CACHE / 2);
        cache->count = SPAWN_CACHE / 2;
        memcpy(cache->free, cache->free + SPAWN_CACHE / 2, cache->count * sizeof *cache->free);
    }
    cache->free[cache->count++] = s;
}

void spawn_pool_done(struct spawn_pool *pool)
{
    struct chunk *chunk = pool->chunks;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(pool->free);
    *pool = (struct spawn_pool){0};
}
