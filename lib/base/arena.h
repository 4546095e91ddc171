/* arena.h: memory that is given back all at once.
 *
 * Bump allocation in a first chunk that the owner supplies (on his stack), then in chunks from the
 * heap. arena_reset keeps the first chunk only. One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { ARENA_ALIGN = 16, ARENA_CHUNK = 16 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(ARENA_ALIGN) char bytes[];
};

struct arena {
    char *at, *end;
    char *first, *first_end;
    struct arena_chunk *chunks;
};

static inline void arena_init(struct arena *a, char *first, size_t size)
{
    a->first = (char *)(((uintptr_t)first + ARENA_ALIGN - 1) & ~(uintptr_t)(ARENA_ALIGN - 1));
    a->first_end = first + size;
    a->at = a->first;
    a->end = a->first_end;
    a->chunks = NULL;
}

/* Memory of `size` bytes, aligned to 16; NULL when memory is out. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - 2 * ARENA_CHUNK)
        return NULL;
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (size > (size_t)(a->end - a->at)) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        struct arena_chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->at = chunk->bytes;
        a->end = chunk->bytes + room;
    }
    void *got = a->at;
    a->at += size;
    return got;
}

static inline void arena_reset(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    a->at = a->first;
    a->end = a->first_end;
}

#endif
