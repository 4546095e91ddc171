/* Linked with --wrap for every call that gets memory: what is counted here is what weft asks for.
 */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <weft/weft.h>

#include "at_sizes.h"

static _Atomic(long) allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    atomic_fetch_add(&allocations, 1);
    return __real_mmap(addr, len, prot, flags, fd, offset);
}

enum { ROUNDS = 1000 };

struct pair {
    weft_chan *there, *back, *never;
    weft_wg wg;
};

static void answer(void *arg)
{
    struct pair *p = arg;
    int v, w = 0;
    for (;;) {
        int rc = weft_select(WEFT_RECV(p->there, &v), WEFT_RECV(p->never, &w),
                             WEFT_AFTER(3600 * WEFT_SEC));
        if (rc != 0)
            break;
        rc = weft_select(WEFT_SEND(p->back, &v), WEFT_RECV(p->never, &w));
        cr_assert_eq(rc, 0);
    }
    weft_wg_done(&p->wg);
}

/* Selects that park, under a context, with a timer, on several channels. */
static int selects(void *arg)
{
    struct pair p = {weft_chan_new(sizeof(int), 0), weft_chan_new(sizeof(int), 0),
                     weft_chan_new(sizeof(int), 0), WEFT_WG_INIT};
    weft_ctx *ctx;
    long before = 0;
    int v = 0;
    (void)arg;
    cr_assert_eq(weft_ctx_new(NULL, 3600 * WEFT_SEC, &ctx), 0);
    weft_ctx *old = weft_ctx_enter(ctx);
    weft_wg_add(&p.wg, 1);
    cr_assert_eq(weft_go(answer, &p), 0);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        if (i == ROUNDS) /* from here on the caches and the timers' heaps have their size */
            before = atomic_load(&allocations);
        cr_assert_eq(weft_select(WEFT_SEND(p.there, &i), WEFT_RECV(p.never, &v),
                                 WEFT_AFTER(3600 * WEFT_SEC)),
                     0);
        cr_assert_eq(weft_select(WEFT_RECV(p.never, &v), WEFT_RECV(p.back, &v)), 1);
        cr_assert_eq(v, i);
    }
    /* A processor that is met for the first time gets its heap of timers, and the watchdog may
     * need another machine; all that is once each, not once a select. */
    long count = atomic_load(&allocations) - before;
    cr_assert(count <= 2 * weft_num_procs() + 4, "%ld in %d rounds", count, ROUNDS);
    weft_chan_close(p.there);
    weft_ctx_leave(old);
    cr_assert_eq(weft_wg_wait(&p.wg), 0);
    weft_ctx_unref(ctx);
    weft_chan_free(p.there);
    weft_chan_free(p.back);
    weft_chan_free(p.never);
    return 0;
}

Test(select, allocates_nothing, .timeout = 60)
{
    long before = atomic_load(&allocations);
    weft_chan *ch = weft_chan_new(1, 1);
    cr_assert_eq(atomic_load(&allocations) - before, 1, "the counting works");
    weft_chan_free(ch);
    at_all_sizes(selects, NULL);
}

/* What is ready is taken without parking: the coroutine is entered once, and goes on. */
static int ready_ones(void *arg)
{
    weft_chan *full = weft_chan_new(sizeof(int), 1), *empty = weft_chan_new(sizeof(int), 1);
    weft_stats before, after;
    int v = 1;
    (void)arg;
    cr_assert_eq(weft_chan_send(full, &v), 0);
    cr_assert_eq(weft_get_stats(-1, &before), 0);
    long allocated = atomic_load(&allocations);
    for (int i = 0; i < ROUNDS; i++) {
        cr_assert_eq(weft_select(WEFT_RECV(empty, &v), WEFT_RECV(full, &v), WEFT_AFTER(WEFT_SEC)),
                     1);
        cr_assert_eq(weft_select(WEFT_RECV(full, &v), WEFT_SEND(full, &v)), 1);
        cr_assert_eq(weft_select(WEFT_RECV(empty, &v), WEFT_DEFAULT), 1);
    }
    cr_assert_eq(atomic_load(&allocations), allocated);
    cr_assert_eq(weft_get_stats(-1, &after), 0);
    cr_assert_eq(after.switches, before.switches, "%d switches",
                 (int)(after.switches - before.switches));
    weft_chan_free(full);
    weft_chan_free(empty);
    return 0;
}

Test(select, takes_what_is_ready_without_parking, .timeout = 60)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_FAIL};
    unsetenv("WEFT_SCHED_SEED"); /* which makes everything park now and then */
    cr_assert_eq(weft_run_with(&opts, ready_ones, NULL), 0);
}
