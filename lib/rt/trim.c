/* trim.c: giving back the memory of stacks that once were deep.
 *
 * How deep a coroutine has been nobody records, for that would cost every call. So the watchdog
 * walks over all stacks, a few at a time, and whatever has not run for a second is trimmed once: of
 * a parked coroutine what lies below its stack pointer, of a free stack all but its top. The stack
 * is pinned meanwhile, as reports do: its coroutine can be readied, but not entered. */
#include "trim.h"

#include <linux/membarrier.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/base.h>

#include "coro.h"
#include "proc.h"
#include "report.h"
#include "stack.h"
#include "sys.h"

enum {
    LOOKED_AT = 256, /* stacks a call */
    PINNED = 32,     /* stacks at once: each waits for all of them if it is readied just then */
    PAGE = 4096,
    RED_ZONE = 128, /* what a leaf function may use below its stack pointer */
    /* What a free stack keeps: above it a new coroutine's control block and copied argument are
     * written while it is not yet entered. */
    FREE_KEEP = 2 * SPAWN_MAX_COPY,
};

int64_t trim_after_ns = WEFT_SEC;

static struct {
    struct stack_cursor at;
    int64_t began;    /* this walk; 0: none is under way */
    bool is_complete; /* of the walk so far: nothing is left to be trimmed later */
} walk;

struct candidate {
    struct coro *coro;
    char *low;
};

void trim_init(void)
{
    walk.began = 0;
    walk.at = (struct stack_cursor){0};
}

static void pin(struct candidate *all, int count)
{
    for (int i = 0; i < count; i++)
        atomic_store_explicit(&all[i].coro->is_pinned, true, memory_order_relaxed);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); /* pairs: coro_enter */
}

/* c is pinned. */
static void trim(struct coro *c, char *low, unsigned size_log)
{
    uint8_t state = atomic_load_explicit(&c->state, memory_order_acquire);
    char *bottom = low + stack_guard_bytes(size_log);
    char *top = state == CORO_PARKED ? (char *)c->sp - RED_ZONE : (char *)c - FREE_KEEP;
    if (state == CORO_RUNNING)
        return;
    top -= (uintptr_t)top % PAGE;
    if (top > bottom) /* failing costs memory, not correctness */
        (void)sys_madvise(bottom, (size_t)(top - bottom), MADV_DONTNEED);
    atomic_store_explicit(&c->is_trimmed, true, memory_order_relaxed); /* pinned */
}

static void trim_all(struct candidate *all, int count, unsigned size_log)
{
    if (count == 0)
        return;
    pin(all, count);
    for (int i = 0; i < count; i++) {
        trim(all[i].coro, all[i].low, size_log);
        /* pairs: the acquire of who waits to enter it */
        atomic_store_explicit(&all[i].coro->is_pinned, false, memory_order_release);
    }
}

/* Whether c could be trimmed, now or (*ret_later) some time. All relaxed: pinning decides. */
static bool is_candidate(struct coro *c, int64_t now, bool *ret_later)
{
    int64_t since = atomic_load_explicit(&c->since, memory_order_relaxed);
    if (since == 0 || atomic_load_explicit(&c->is_trimmed, memory_order_relaxed))
        return false;
    bool is_now = atomic_load_explicit(&c->state, memory_order_relaxed) != CORO_RUNNING &&
                  now - since >= trim_after_ns;
    *ret_later |= !is_now;
    return is_now;
}

/* The next few stacks. Returns false at the walk's end. */
static bool step(int64_t now)
{
    struct candidate all[PINNED];
    struct stack_class *class = NULL, *next_class;
    bool is_later = false;
    char *low = NULL;
    int count = 0;
    for (int i = 0; i < LOOKED_AT; i++) {
        if (!(low = stack_next(rt.stacks, &walk.at, &next_class)))
            break;
        if (count == PINNED || next_class != class) {
            trim_all(all, count, class ? class->size_log : 0);
            count = 0;
        }
        class = next_class;
        struct coro *c = coro_at(low, class->size_log);
        if (is_candidate(c, now, &is_later))
            all[count++] = (struct candidate){c, low};
    }
    trim_all(all, count, class ? class->size_log : 0);
    walk.is_complete = walk.is_complete && !is_later;
    return low != NULL;
}

int64_t trim_some(int64_t now)
{
    if (walk.began && !walk.at.class && now - walk.began < trim_after_ns)
        return walk.began + trim_after_ns;
    if (!walk.at.class) {
        walk.began = now;
        walk.is_complete = true;
    }
    report_walk_begin();
    bool goes_on = step(now);
    report_walk_end();
    if (goes_on)
        return now;
    walk.at = (struct stack_cursor){0};
    return walk.is_complete ? WEFT_NO_DEADLINE : walk.began + trim_after_ns;
}
