#include "stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "assert.h"
#include "sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum {
    PAGE = 4096,
    SLAB_BYTES = 64 << 20,  /* at least one stack */
    WARM_STACKS = 1024,     /* free stacks of a class that keep their pages, if they */
    WARM_BYTES = 256 << 20, /* could have at most so many */
    CACHE_BATCH = STACK_CACHE / 2,
};

int stack_class_for(size_t size)
{
    if (size == 0)
        return STACK_DEFAULT_LOG - STACK_MIN_LOG;
    if (size > (size_t)1 << STACK_MAX_LOG)
        return -EINVAL;
    int log = STACK_MIN_LOG;
    while ((size_t)1 << log < size)
        log++;
    return log - STACK_MIN_LOG;
}

size_t stack_guard_bytes(unsigned size_log)
{
    /* Wide enough that a frame with a large array does not step over it, where there is room. */
    return size_log >= 16 ? 4 * PAGE : PAGE;
}

void stack_classes_init(struct stack_class classes[STACK_CLASSES])
{
    for (int i = 0; i < STACK_CLASSES; i++)
        classes[i] = (struct stack_class){.size_log = (uint8_t)(STACK_MIN_LOG + i)};
}

void stack_classes_done(struct stack_class classes[STACK_CLASSES])
{
    for (int i = 0; i < STACK_CLASSES; i++) {
        struct stack_slab *slab = classes[i].slabs;
        while (slab) {
            struct stack_slab *next = slab->next;
            munmap(slab->base, slab->bytes);
            free(slab);
            slab = next;
        }
        free(classes[i].free);
        classes[i] = (struct stack_class){.size_log = classes[i].size_log};
    }
}

/* Says once why no stack can be had; the caller goes on without. */
static void report_exhausted(const char *what, const char *advice)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        fprintf(stderr, "weft: no memory for another coroutine stack: %s; %s\n", what, advice);
}

/* Makes the low end of a stack trap. The kernel's own guard marker costs no mapping of its own;
 * where it is missing, mprotect splits the mapping in two, and the number of mappings a process may
 * have (vm.max_map_count) bounds the number of stacks. */
static int guard_install(char *low, size_t bytes)
{
    static atomic_bool lacks_marker; /* relaxed: a fact about the kernel, found again if missed */
    if (!atomic_load_explicit(&lacks_marker, memory_order_relaxed)) {
        int rc = sys_madvise(low, bytes, MADV_GUARD_INSTALL);
        if (rc != -EINVAL)
            return rc;
        atomic_store_explicit(&lacks_marker, true, memory_order_relaxed);
    }
    int rc = sys_mprotect(low, bytes, PROT_NONE);
    if (rc < 0)
        report_exhausted("the kernel's limit on memory mappings is reached",
                         "raise it with sysctl vm.max_map_count, or use Linux 6.13, which needs "
                         "none; until others end, new coroutines wait");
    return rc;
}

static int slab_add_locked(struct stack_class *class)
{
    size_t size = (size_t)1 << class->size_log;
    size_t bytes = size > SLAB_BYTES ? size : SLAB_BYTES;
    size_t total = class->total + bytes / size;
    char **free_list = realloc(class->free, total * sizeof *free_list);
    if (!free_list)
        return -ENOMEM;
    class->free = free_list;
    struct stack_slab *slab = malloc(sizeof *slab);
    if (!slab)
        return -ENOMEM;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        free(slab);
        report_exhausted("the address space or its limit is used up",
                         "check ulimit -v and vm.overcommit_memory");
        return -ENOMEM;
    }
    /* A huge page would make one touched byte cost 2 MB. Failing costs memory, not correctness. */
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    *slab = (struct stack_slab){class->slabs, base, bytes};
    class->slabs = slab;
    class->total = total;
    class->fresh = base;
    class->fresh_end = class->fresh + bytes;
    return 0;
}

/* Takes one stack from the class: a used one, which is warm, before a fresh one. */
static int class_take(struct stack_class *class, char **ret_low)
{
    size_t size = (size_t)1 << class->size_log;
    int rc = 0;
    char *low = NULL;
    bool is_fresh = false;

    lock_take(&class->lock);
    if (class->free_count) {
        low = class->free[--class->free_count];
    } else {
        if (class->fresh == class->fresh_end)
            rc = slab_add_locked(class);
        if (rc == 0) {
            low = class->fresh;
            class->fresh += size;
            is_fresh = true;
        }
    }
    lock_release(&class->lock);
    if (rc == 0 && is_fresh) {
        rc = guard_install(low, stack_guard_bytes(class->size_log));
        if (rc < 0) { /* kept for a later try: still without a guard, so it must not be used */
            lock_take(&class->lock);
            if (class->fresh == low + size)
                class->fresh = low;
            lock_release(&class->lock);
        }
    }
    if (rc == 0)
        *ret_low = low;
    return rc;
}

static void class_give(struct stack_class *class, char *low)
{
    lock_take(&class->lock);
    bool is_warm = class->free_count < WARM_STACKS &&
                   class->free_count << class->size_log < WARM_BYTES;
    lock_release(&class->lock);
    size_t guard = stack_guard_bytes(class->size_log);
    if (!is_warm) /* failing costs memory, not correctness */
        (void)sys_madvise(low + guard, ((size_t)1 << class->size_log) - guard, MADV_DONTNEED);
    lock_take(&class->lock);
    weft_assert(class->free_count < class->total);
    class->free[class->free_count++] = low;
    lock_release(&class->lock);
}

int stack_take(struct stack_class *class, struct stack_cache *cache, char **ret_low)
{
    bool is_cached = class->size_log == STACK_DEFAULT_LOG && cache;
    if (is_cached && cache->count) {
        *ret_low = cache->stacks[--cache->count];
        return 0;
    }
    return class_take(class, ret_low);
}

void stack_give(struct stack_class *class, struct stack_cache *cache, char *low)
{
    if (class->size_log != STACK_DEFAULT_LOG || !cache) {
        class_give(class, low);
        return;
    }
    if (cache->count == STACK_CACHE) { /* the coldest half goes back */
        for (int i = 0; i < CACHE_BATCH; i++)
            class_give(class, cache->stacks[i]);
        memmove(cache->stacks, cache->stacks + CACHE_BATCH,
                (STACK_CACHE - CACHE_BATCH) * sizeof *cache->stacks);
        cache->count -= CACHE_BATCH;
    }
    cache->stacks[cache->count++] = low;
}

char *stack_next(struct stack_class classes[STACK_CLASSES], struct stack_cursor *at,
                 struct stack_class **ret_class)
{
    while (at->low == at->end) {
        char *fresh = NULL; /* only the newest slab, a class's first, has stacks never given out */
        if (at->slab)
            at->slab = at->slab->next;
        while (!at->slab && at->class < STACK_CLASSES) {
            struct stack_class *class = &classes[at->class ++];
            lock_take(&class->lock);
            at->slab = class->slabs;
            fresh = class->fresh;
            lock_release(&class->lock);
        }
        if (!at->slab)
            return NULL;
        at->low = at->slab->base;
        at->end = fresh ? fresh : at->low + at->slab->bytes;
    }
    char *low = at->low;
    *ret_class = &classes[at->class - 1];
    at->low += (size_t)1 << (*ret_class)->size_log;
    return low;
}
