/* stack.c: slabs, free stacks, and when their pages go back.
 *
 * Free stacks of a class lie in a pile, the hottest on top. What lay at its bottom for a second
 * untouched was not needed: the watchdog gives the pages of those back, from the bottom up, some at
 * a time, so that a burst of coroutines does not pay for it as it ends.
 *
 *      free[0 ... dropped)             without pages
 *      free[dropped ... spare)         not needed during the last period: go next
 *      free[spare ... free_count)      warm
 */
#include "stack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "assert.h"
#include "stack_pages.h"

enum {
    PAGE = 4096,
    SLAB_BYTES = 64 << 20,  /* at least one stack */
    WARM_STACKS = 1024,     /* free stacks of a class that keep their pages in any case, if they */
    WARM_BYTES = 256 << 20, /* could have at most so many */
    DROP_BATCHES = 8,       /* of STACK_BATCH, a class and a call of stacks_trim: some 0.2 ms */
};

static const int64_t TRIM_PERIOD_NS = 1 * WEFT_SEC;
static const int64_t TRIM_STEP_NS = 2500 * WEFT_US;

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
    stack_pages_init();
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
    stack_pages_done();
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
        stack_say_exhausted("the address space or its limit is used up",
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

/* Takes up to `want` off the pile, the hottest first. Returns how many. */
static int pile_take_locked(struct stack_class *class, char *ret_low[], int want)
{
    int count = 0;
    while (count < want && class->free_count)
        ret_low[count++] = class->free[--class->free_count];
    if (class->free_count < class->least_free) {
        class->least_free = class->free_count;
        class->spare = class->spare < class->free_count ? class->spare : class->free_count;
        class->dropped = class->dropped < class->free_count ? class->dropped : class->free_count;
    }
    return count;
}

/* Takes up to `want` that were never used, still without a guard. Returns how many, or -ENOMEM. */
static int fresh_take_locked(struct stack_class *class, char *ret_low[], int want)
{
    size_t size = (size_t)1 << class->size_log;
    int count = 0;
    if (class->fresh == class->fresh_end) {
        int rc = slab_add_locked(class);
        if (rc < 0)
            return rc;
    }
    while (count < want && class->fresh < class->fresh_end) {
        ret_low[count++] = class->fresh;
        class->fresh += size;
    }
    return count;
}

/* Takes 1 to `want` stacks from the class: used ones, which are warm, before fresh ones. Returns
 * how many, or a negative errno. */
static int class_take(struct stack_class *class, char *ret_low[], int want)
{
    size_t size = (size_t)1 << class->size_log;
    lock_take(&class->lock);
    int used = pile_take_locked(class, ret_low, want), fresh = 0;
    if (!used)
        fresh = fresh_take_locked(class, ret_low, want);
    lock_release(&class->lock);
    if (fresh <= 0)
        return used ? used : fresh;
    int guarded = stack_guard(ret_low, fresh, stack_guard_bytes(class->size_log));
    int first_bare = guarded < 0 ? 0 : guarded;
    if (first_bare < fresh) { /* kept for a later try, unless somebody has taken the next */
        lock_take(&class->lock);
        if (class->fresh == ret_low[fresh - 1] + size)
            class->fresh = ret_low[first_bare];
        lock_release(&class->lock);
    }
    return guarded;
}

/* Puts `count` stacks on the pile, the last on top. */
static void class_give(struct stack_class *class, char *const low[], uint32_t count)
{
    lock_take(&class->lock);
    weft_assert(class->free_count + count <= class->total);
    memcpy(class->free + class->free_count, low, count * sizeof *low);
    class->free_count += count;
    lock_release(&class->lock);
}

int stack_cache_fill(struct stack_class *class, struct stack_cache *cache)
{
    char *low[STACK_BATCH];
    int count = class_take(class, low, STACK_BATCH);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) /* the hottest on top */
        cache->stacks[i] = low[count - 1 - i];
    cache->count = (uint32_t)count;
    return 0;
}

void stack_cache_spill(struct stack_class *class, struct stack_cache *cache)
{
    class_give(class, cache->stacks, STACK_BATCH); /* the coldest */
    cache->count -= STACK_BATCH;
    memmove(cache->stacks, cache->stacks + STACK_BATCH, cache->count * sizeof *cache->stacks);
}

int stack_take_uncached(struct stack_class *class, char **ret_low)
{
    int count = class_take(class, ret_low, 1);
    return count < 0 ? count : 0;
}

void stack_give_uncached(struct stack_class *class, char *low)
{
    class_give(class, &low, 1);
}

static size_t warm_stacks(const struct stack_class *class)
{
    size_t fitting = (size_t)WARM_BYTES >> class->size_log;
    return fitting < WARM_STACKS ? fitting : WARM_STACKS;
}

/* Gives pages of one class back. Returns whether more of them are to go. */
static bool class_trim(struct stack_class *class, bool is_new_period)
{
    size_t from = stack_guard_bytes(class->size_log), end = (size_t)1 << class->size_log;
    bool has_more = true;
    lock_take(&class->lock);
    if (is_new_period) {
        size_t warm = warm_stacks(class);
        class->spare = class->least_free > warm ? class->least_free - warm : 0;
        class->least_free = class->free_count;
    }
    lock_release(&class->lock);
    for (int i = 0; i < DROP_BATCHES && has_more; i++) {
        lock_take(&class->lock); /* over the call, some 20 us: so nobody takes them meanwhile */
        size_t count = class->spare > class->dropped ? class->spare - class->dropped : 0;
        count = count < STACK_BATCH ? count : STACK_BATCH;
        if (count)
            stack_drop(class->free + class->dropped, (int)count, from, end);
        class->dropped += count;
        has_more = class->dropped < class->spare;
        lock_release(&class->lock);
    }
    return has_more;
}

/* Whether another period may find spare ones. */
static bool class_has_pages(struct stack_class *class)
{
    lock_take(&class->lock);
    bool has = class->free_count > class->dropped + warm_stacks(class);
    lock_release(&class->lock);
    return has;
}

int64_t stacks_trim(struct stack_class classes[STACK_CLASSES], int64_t now, int64_t *period)
{
    bool is_new_period = now >= *period, has_more = false, has_pages = false;
    if (is_new_period)
        *period = now + TRIM_PERIOD_NS;
    for (int i = 0; i < STACK_CLASSES; i++) {
        has_more |= class_trim(&classes[i], is_new_period);
        has_pages |= class_has_pages(&classes[i]);
    }
    return has_more ? now + TRIM_STEP_NS : has_pages ? *period : INT64_MAX;
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
