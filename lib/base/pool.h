/* pool.h: records of one size that are taken and given back, and never unmapped.
 *
 * The memory of a record stays a record of its kind while the process lives ("type-stable"): who
 * comes late with a pointer to one finds at worst its next owner, never foreign memory. New records
 * are zeroed; used ones are as they were given. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "lock.h"

struct pool {
    struct lock lock;
    uint32_t size; /* of a record, bytes */
    struct pool_chunk *chunks;
    struct pool_link *free;
};

#define POOL_INIT(type)                                                                            \
    {                                                                                              \
        .size = sizeof(type)                                                                       \
    }

/* A record, aligned to 8; NULL when memory is out. Any thread. */
void *pool_take(struct pool *pool);

/* Gives a record back. Any thread. */
void pool_give(struct pool *pool, void *record);

/* Calls `visit` for every record, taken or free, under the pool's lock. */
void pool_each(struct pool *pool, void (*visit)(void *record, void *arg), void *arg);

#endif
