/* stack.h: memory for coroutine stacks.
 *
 * A stack is a large reservation of which only touched pages cost memory. Reservations are powers
 * of two and come from slabs, one mapping for many, each stack with a guard at its low end. Slabs
 * are given back when the runtime ends, not before: a control block at the top of a stack stays
 * readable memory for as long. */
#ifndef RT_STACK_H
#define RT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/base.h>

#include "lock.h"

enum {
    STACK_MIN_LOG = 14,     /* 16 KB */
    STACK_MAX_LOG = 30,     /* 1 GB */
    STACK_DEFAULT_LOG = 18, /* 256 KB */
    STACK_CLASSES = STACK_MAX_LOG - STACK_MIN_LOG + 1,
    STACK_CACHE = 64, /* stacks that a processor keeps hot */
};

/* A slab: one mapping of equal stacks. */
struct stack_slab {
    struct stack_slab *next;
    char *base;
    size_t bytes;
};

/* All stacks of one size. */
struct stack_class {
    struct lock lock;
    uint8_t size_log;
    struct stack_slab *slabs;
    char *fresh, *fresh_end; /* the part of the newest slab that was never given out */
    char **free;             /* low ends of free stacks; room for every stack of all slabs */
    size_t free_count, total;
    size_t dropped, spare; /* see stack.c */
    size_t least_free;     /* the least free_count since the period began */
};

/* The stacks that a processor used last, newest on top. */
struct stack_cache {
    uint32_t count;
    char *stacks[STACK_CACHE];
};

/* The class for at least `size` bytes (0: the default), or -EINVAL past the bounds. */
int stack_class_for(size_t size);

void stack_classes_init(struct stack_class classes[STACK_CLASSES]);
void stack_classes_done(struct stack_class classes[STACK_CLASSES]);

/* For stack_take and stack_give, below. */
WEFT_MUST_USE int stack_cache_fill(struct stack_class *class, struct stack_cache *cache);
void stack_cache_spill(struct stack_class *class, struct stack_cache *cache);
WEFT_MUST_USE int stack_take_uncached(struct stack_class *class, char **ret_low);
void stack_give_uncached(struct stack_class *class, char *low);

/* Gives a stack's low end in *ret_low, from the cache (NULL: a foreign thread's) where there is
 * one. Returns 0; -ENOMEM, after having said once on stderr what ran out and what to set. Never
 * parks. */
WEFT_MUST_USE static inline int stack_take(struct stack_class *class, struct stack_cache *cache,
                                           char **ret_low)
{
    if (class->size_log != STACK_DEFAULT_LOG || !cache)
        return stack_take_uncached(class, ret_low);
    if (cache->count == 0) {
        int rc = stack_cache_fill(class, cache);
        if (rc < 0)
            return rc;
    }
    *ret_low = cache->stacks[--cache->count];
    return 0;
}

/* Takes a stack back; nobody runs on it. */
static inline void stack_give(struct stack_class *class, struct stack_cache *cache, char *low)
{
    if (class->size_log != STACK_DEFAULT_LOG || !cache) {
        stack_give_uncached(class, low);
        return;
    }
    if (cache->count == STACK_CACHE)
        stack_cache_spill(class, cache);
    cache->stacks[cache->count++] = low;
}

/* Gives pages of free stacks back that were not needed lately, a bounded number; `*period`, 0 at
 * first, is its own. Returns when it wants to be called again; INT64_MAX: when somebody has run.
 * The watchdog's. */
int64_t stacks_trim(struct stack_class classes[STACK_CLASSES], int64_t now, int64_t *period);

/* A walk over all stacks that were ever given out; starts zeroed. Slabs stay until the end and are
 * added at the front, so that it may be interrupted at will. */
struct stack_cursor {
    int class;
    struct stack_slab *slab;
    char *low, *end; /* the next stack of slab, and the end of those given out */
};

/* The low end of the next stack, its class in *ret_class; NULL at the end. Any thread. */
char *stack_next(struct stack_class classes[STACK_CLASSES], struct stack_cursor *at,
                 struct stack_class **ret_class);

/* Bytes at a stack's low end that trap. */
size_t stack_guard_bytes(unsigned size_log);

#endif
