/* spawn.h: a coroutine that has been spawned and has not run: no stack, one small record. */
#ifndef RT_SPAWN_H
#define RT_SPAWN_H

#include <stdint.h>

#include "lock.h"
#include "task.h"

enum {
    SPAWN_INLINE = 48,          /* bytes of a copied argument that fit the pooled record */
    SPAWN_MAX_COPY = 16 * 1024, /* bytes of a copied argument at most */
    SPAWN_CACHE = 256,          /* records that a processor keeps */
    SPAWN_CHUNK = 64,           /* records allocated at once */
};

struct spawn {
    struct task task;
    void (*fn)(void *arg);
    void *arg; /* unused when something is copied */
    const void *spawned_at;
    const char *name;
    struct weft_ctx *ctx; /* a reference, which the coroutine gets */
    uint32_t copied;      /* bytes of `copy`; 0: pass arg */
    uint8_t stack_class;
    uint8_t is_pooled;
    _Alignas(16) char copy[];
};

/* Free records, by pointers beside them: a record whose last user was on another processor is not
 * touched before it is used again. */
struct spawn_pool {
    struct lock lock;
    struct spawn **free;
    size_t count, room, allocated; /* free ones; all there are; what `free` could hold */
    void *chunks;
};

/* The free records of a processor, newest on top. */
struct spawn_cache {
    uint32_t count;
    struct spawn *free[SPAWN_CACHE];
};

/* What is asked of a new coroutine. */
struct spawn_request {
    void (*fn)(void *arg);
    const void *arg;
    size_t copied;        /* bytes of arg to copy; 0: arg itself is passed */
    size_t stack_size;    /* bytes; 0: the run's default */
    struct weft_ctx *ctx; /* its current context, borrowed */
    const char *name;     /* or NULL */
    const void *spawned_at;
};

/* Spawns a coroutine. Returns 0; -EINVAL, -ENOMEM, -ESRCH as weft_go_copy. Any thread. */
int spawn_task(const struct spawn_request *request);

struct proc;

/* A record with room for `copied` bytes; NULL when memory is out. p may be NULL (foreign thread).
 */
struct spawn *spawn_new(struct proc *p, uint32_t copied);

/* Gives a record back. p may be NULL. */
void spawn_free(struct proc *p, struct spawn *s);

void spawn_pool_done(struct spawn_pool *pool);

#endif
