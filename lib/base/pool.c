#include "pool.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 32 * 1024 };

/* Before each record. It is not inside of it, so that giving one back does not change it. */
struct pool_link {
    struct pool_link *next;
};

struct pool_chunk {
    struct pool_chunk *next;
    uint32_t count;
    _Alignas(8) char slots[];
};

static size_t slot_bytes(const struct pool *pool)
{
    return sizeof(struct pool_link) + ((pool->size + 7) & ~(size_t)7);
}

static void grow_locked(struct pool *pool)
{
    size_t slot = slot_bytes(pool);
    size_t count = CHUNK_BYTES / slot ? CHUNK_BYTES / slot : 1;
    struct pool_chunk *chunk = calloc(1, sizeof *chunk + count * slot);
    if (!chunk)
        return;
    chunk->count = (uint32_t)count;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = count; i-- > 0;) {
        struct pool_link *link = (struct pool_link *)(chunk->slots + i * slot);
        link->next = pool->free;
        pool->free = link;
    }
}

void *pool_take(struct pool *pool)
{
    lock_take(&pool->lock);
    if (!pool->free)
        grow_locked(pool);
    struct pool_link *link = pool->free;
    if (link)
        pool->free = link->next;
    lock_release(&pool->lock);
    return link ? link + 1 : NULL;
}

void pool_give(struct pool *pool, void *record)
{
    struct pool_link *link = (struct pool_link *)record - 1;
    lock_take(&pool->lock);
    link->next = pool->free;
    pool->free = link;
    lock_release(&pool->lock);
}

void pool_each(struct pool *pool, void (*visit)(void *record, void *arg), void *arg)
{
    lock_take(&pool->lock);
    for (struct pool_chunk *chunk = pool->chunks; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < chunk->count; i++)
            visit(chunk->slots + i * slot_bytes(pool) + sizeof(struct pool_link), arg);
    lock_release(&pool->lock);
}
