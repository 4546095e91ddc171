#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/weft.h>

#include "at_sizes.h"
#include "output_of.h"
#include "stack.h"
#include "sys.h"
#include "trim.h"

enum { PAGE = 4096, DEEP = 150 * 1024, SHALLOW = 48 * 1024 };

/* ---- the walk ---- */

Test(stack, a_walk_meets_every_stack_given_out_once)
{
    static struct stack_class classes[STACK_CLASSES];
    static const size_t sizes[] = {16 << 10, 256 << 10, 64 << 20};
    static const int counts[] = {5000, 300, 3}; /* the first two over several slabs */
    int met = 0, expected = 0;
    stack_classes_init(classes);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < counts[i]; k++, expected++) {
            char *low;
            cr_assert_eq(stack_take(&classes[stack_class_for(sizes[i])], NULL, &low), 0);
            low[sizes[i] / 2] = 1;
        }
    struct stack_cursor at = {0};
    struct stack_class *class;
    for (char *low; (low = stack_next(classes, &at, &class)); met++)
        cr_assert(low[((size_t)1 << class->size_log) / 2] == 1);
    cr_assert_eq(met, expected);
    stack_classes_done(classes);
}

/* ---- the pile of free ones ---- */

enum { WARM = 1024, EXTRA = 300, COUNT = WARM + EXTRA };

static struct stack_class classes[STACK_CLASSES];
static char *low[COUNT];

static struct stack_class *small(void)
{
    return &classes[stack_class_for(16 * 1024)];
}

static char *top_page(char *stack)
{
    return stack + 16 * 1024 - PAGE;
}

static int resident(void)
{
    int count = 0;
    for (int i = 0; i < COUNT; i++) {
        unsigned char is_there;
        cr_assert_eq(mincore(top_page(low[i]), PAGE, &is_there), 0);
        count += is_there & 1;
    }
    return count;
}

static void take_and_touch_all(void)
{
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(stack_take(small(), NULL, &low[i]), 0);
        memset(top_page(low[i]), 1, PAGE);
    }
}

static void give_all(void)
{
    for (int i = 0; i < COUNT; i++)
        stack_give(small(), NULL, low[i]);
}

Test(stack, free_ones_give_back_what_was_not_needed_for_a_period_and_keeps_the_rest_warm)
{
    int64_t period = 0, now = WEFT_SEC, next;
    stack_classes_init(classes);
    take_and_touch_all();
    give_all();
    next = stacks_trim(classes, now, &period);
    cr_assert_eq(resident(), COUNT); /* nobody knows yet whether they will be needed */
    cr_assert_eq(next, period);
    for (int calls = 0; next != INT64_MAX; calls++) {
        cr_assert(calls < 10);
        next = stacks_trim(classes, now = next, &period);
    }
    cr_assert_eq(resident(), WARM);
    take_and_touch_all(); /* they can be used again */
    cr_assert_eq(resident(), COUNT);
    give_all();
    stack_classes_done(classes);
}

Test(stack, free_ones_keep_what_was_needed_during_the_period)
{
    int64_t period = 0;
    stack_classes_init(classes);
    take_and_touch_all();
    give_all();
    stacks_trim(classes, WEFT_SEC, &period);
    take_and_touch_all();
    give_all();
    stacks_trim(classes, period, &period);
    cr_assert_eq(resident(), COUNT);
    stack_classes_done(classes);
}

Test(stack, has_a_guard_that_traps_at_the_low_end_of_each)
{
    struct stack_cache cache = {0};
    int pipe_fd[2];
    stack_classes_init(classes);
    cr_assert_eq(pipe(pipe_fd), 0);
    for (int i = 0; i < 100; i++) {
        struct stack_class *class = i % 2 ? small() : &classes[stack_class_for(0)];
        size_t guard = stack_guard_bytes(class->size_log);
        char *stack;
        cr_assert_eq(stack_take(class, &cache, &stack), 0);
        cr_assert_eq(write(pipe_fd[1], stack, 1), -1);
        cr_assert_eq(errno, EFAULT);
        cr_assert_eq(write(pipe_fd[1], stack + guard - 1, 1), -1);
        cr_assert_eq(write(pipe_fd[1], stack + guard, 1), 1);
    }
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    stack_classes_done(classes);
}

Test(stack, a_cache_that_overflows_loses_none_and_gives_the_hottest_first)
{
    struct stack_cache cache = {0};
    struct stack_class *class = &classes[stack_class_for(0)];
    enum { MANY = 3 * STACK_CACHE };
    char *many[MANY], *again;
    stack_classes_init(classes);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(stack_take(class, &cache, &many[i]), 0);
    for (int i = 0; i < MANY; i++)
        stack_give(class, &cache, many[i]);
    for (int i = MANY - 1; i >= MANY - STACK_CACHE / 2; i--) {
        cr_assert_eq(stack_take(class, &cache, &again), 0);
        cr_assert_eq(again, many[i]);
    }
    cr_assert_eq(class->free_count + cache.count,
                 class->total -
                     (size_t)(class->fresh_end - class->fresh) / ((size_t)1 << class->size_log) -
                     STACK_CACHE / 2);
    stack_classes_done(classes);
}

/* ---- giving deep pages back ---- */

/* Touches `bytes` of the stack below, with a pattern, and returns. */
__attribute__((noinline)) static int go_deep(int64_t bytes)
{
    volatile char frame[1024];
    for (size_t i = 0; i < sizeof frame; i += 64)
        frame[i] = (char)i;
    int below = bytes > (int64_t)sizeof frame ? go_deep(bytes - (int64_t)sizeof frame) : 0;
    return below + frame[64];
}

/* How many pages from DEEP to SHALLOW below `top` are there. */
static int deep_pages(const char *top)
{
    unsigned char is_there[DEEP / PAGE];
    char *from = (char *)((uintptr_t)(top - DEEP) & ~(uintptr_t)(PAGE - 1));
    int count = 0;
    cr_assert_eq(mincore(from, DEEP - SHALLOW, is_there), 0);
    for (int i = 0; i < (DEEP - SHALLOW) / PAGE; i++)
        count += is_there[i] & 1;
    return count;
}

struct diver {
    weft_chan *go, *dived; /* of tops */
    int stays;
};

static void dive(void *arg)
{
    struct diver *d = arg;
    volatile char top = 1;
    const char *at = (const char *)&top;
    int kept[64];
    for (int i = 0; i < 64; i++)
        kept[i] = i;
    go_deep(DEEP + PAGE);
    cr_assert_gt(deep_pages(at), 20, "it has been deep");
    cr_assert_eq(weft_chan_send(d->dived, &at), 0);
    if (!d->stays)
        return;
    cr_assert_eq(weft_chan_recv(d->go, NULL), 0);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(kept[i], i, "what it uses is untouched");
    go_deep(DEEP); /* and the rest is memory again */
    cr_assert_eq(weft_chan_send(d->dived, &at), 0);
}

static int give_back(void *arg)
{
    struct diver d = {weft_chan_new(0, 0), weft_chan_new(sizeof(char *), 1), *(int *)arg};
    const char *top;
    cr_assert_eq(weft_go(dive, &d), 0);
    cr_assert_eq(weft_chan_recv(d.dived, &top), 0);
    while (deep_pages(top) > 0)
        weft_sleep(WEFT_MS);
    if (d.stays) {
        cr_assert_eq(weft_chan_send(d.go, NULL), 0);
        cr_assert_eq(weft_chan_recv(d.dived, &top), 0);
    }
    weft_chan_free(d.go);
    weft_chan_free(d.dived);
    return 0;
}

Test(stack, a_parked_coroutine_gives_its_deep_pages_back, .timeout = 120)
{
    int stays = 1;
    trim_after_ns = 2 * WEFT_MS;
    at_all_sizes(give_back, &stays);
}

Test(stack, one_that_has_ended_gives_its_deep_pages_back, .timeout = 120)
{
    int stays = 0;
    trim_after_ns = 2 * WEFT_MS;
    at_all_sizes(give_back, &stays);
}

static void dive_often(void *arg)
{
    for (int i = 0; i < 60; i++) {
        int kept[32];
        for (int k = 0; k < 32; k++)
            kept[k] = i + k;
        go_deep(i % 5 * 20 * 1024 + 1024);
        if (i % 3)
            weft_yield();
        else
            weft_sleep(i % 7 * 100 * WEFT_US);
        for (int k = 0; k < 32; k++)
            cr_assert_eq(kept[k], i + k);
    }
    weft_wg_done(arg);
}

static int trimmed_as_they_run(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    weft_wg_add(&wg, 100);
    for (int i = 0; i < 100; i++)
        weft_go(dive_often, &wg);
    (void)weft_wg_wait(&wg);
    return 0;
}

/* ---- where the kernel has no guard marker, and where no more guards can be had ---- */

#ifdef WEFT_FAULTS

static _Atomic(int) guards_left;

static int fail_guards(const char *call)
{
    if (strcmp(call, "madvise") == 0)
        return -EINVAL; /* an older kernel */
    if (strcmp(call, "mprotect") == 0 && atomic_fetch_sub(&guards_left, 1) <= 0)
        return -ENOMEM; /* vm.max_map_count */
    return 0;
}

static void wait_for(void *arg)
{
    cr_assert_eq(weft_chan_recv(arg, NULL), -EPIPE);
}

/* More are spawned than can have a stack: those that could not run do when others have ended. */
static int beyond_the_guards(void *arg)
{
    weft_chan *ch = weft_chan_new(0, 0);
    (void)arg;
    for (int i = 0; i < 20; i++)
        weft_go(wait_for, ch);
    weft_sleep(5 * WEFT_MS);
    weft_chan_close(ch);
    weft_stats stats;
    do { /* until all have run */
        weft_sleep(WEFT_MS);
        if (weft_get_stats(-1, &stats) < 0)
            return 1;
    } while (stats.queued > 0);
    weft_sleep(5 * WEFT_MS);
    weft_chan_free(ch);
    return 0;
}

static int run_beyond_the_guards(void *arg)
{
    (void)arg;
    sys_fault_hook = fail_guards;
    atomic_store(&guards_left, 10);
    return weft_run_with(&(weft_run_opts){.procs = 2, .leaks = WEFT_LEAKS_FAIL}, beyond_the_guards,
                         NULL);
}

Test(stack, the_limit_of_guard_pages_is_told_once_and_survived, .timeout = 60)
{
    int status = output_of(run_beyond_the_guards, NULL, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", status, output_text);
    output_has("no memory for another coroutine stack: the kernel's limit on memory mappings");
    output_has("vm.max_map_count");
    cr_assert_eq(output_count("no memory for another"), 1);
}

#endif

/* ---- overflow ---- */

/* Not to be turned into a loop. */
static int recurse(volatile int *depth)
{
    volatile char frame[1024];
    frame[0] = (char)++*depth;
    return *depth < 0 ? 0 : recurse(depth) + frame[0];
}

static void overflow_by_depth(void *arg)
{
    volatile int depth = 0;
    (void)arg;
    recurse(&depth);
}

/* A frame so large that its far end lies beyond the guard, in the stack of somebody else. */
static void overflow_at_once(void *arg)
{
    volatile char large[400 * 1024];
    large[0] = 1;
    (void)arg, (void)large[1];
}

static int spawn_overflow(void *arg)
{
    weft_go_opts opts = {.stack_size = 64 * 1024, .name = "parser"};
    if (weft_go_with(&opts, (void (*)(void *))arg, NULL) < 0)
        return 1;
    return weft_sleep(10 * WEFT_SEC);
}

static int run_overflow(void *arg)
{
    return weft_run_with(&(weft_run_opts){.procs = 1}, spawn_overflow, arg);
}

static void expect_report(int status)
{
    cr_assert(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0), "%x: %s",
              status, output_text);
    output_has("\"parser\" overflowed its stack of 64 KB");
    output_has("set a larger stack_size in weft_go_opts or weft_run_opts");
    output_has("spawn_overflow+0x");
}

Test(stack, an_overflow_names_the_coroutine_and_who_spawned_it, .timeout = 60)
{
    expect_report(output_of(run_overflow, (void *)overflow_by_depth, 30));
}

Test(stack, a_frame_larger_than_the_guard_does_not_step_over_it, .timeout = 60)
{
    expect_report(output_of(run_overflow, (void *)overflow_at_once, 30));
}

#ifdef WEFT_FAULTS

static int run_overflow_behind_mprotect(void *arg)
{
    sys_fault_hook = fail_guards;
    atomic_store(&guards_left, 1000);
    return run_overflow(arg);
}

Test(stack, a_guard_of_mprotect_catches_an_overflow_too, .timeout = 60)
{
    expect_report(output_of(run_overflow_behind_mprotect, (void *)overflow_by_depth, 30));
}

#endif

/* ---- sizes ---- */

static void use_some(void *arg)
{
    struct {
        int64_t depth;
        weft_wg *wg;
    } *u = arg;
    go_deep(u->depth);
    weft_wg_done(u->wg);
}

static int sizes(void *arg)
{
    struct {
        int64_t depth;
        weft_wg *wg;
    } use;
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    for (int log = STACK_MIN_LOG; log <= STACK_MAX_LOG; log++) {
        weft_go_opts opts = {.stack_size = (size_t)1 << log};
        int64_t room = (int64_t)opts.stack_size / 4;
        use.depth = room < 20 << 20 ? room : 20 << 20;
        use.wg = &wg;
        weft_wg_add(&wg, 1);
        /* go_with does not copy: the frame stays until the wait below */
        cr_assert_eq(weft_go_with(&opts, use_some, &use), 0);
        cr_assert_eq(weft_wg_wait(&wg), 0);
    }
    weft_go_opts too_large = {.stack_size = ((size_t)1 << 30) + 1};
    cr_assert_eq(weft_go_with(&too_large, use_some, &use), -EINVAL);
    return 0;
}

Test(stack, has_every_size_from_16_KB_to_1_GB, .timeout = 120)
{
    at_all_sizes(sizes, NULL);
}

Test(stack, trimming_disturbs_nobody, .timeout = 120)
{
    trim_after_ns = 0;
    at_all_sizes(trimmed_as_they_run, NULL);
}
