#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

/* Runs a test's body at 1, 2 and 8 processors. */
static void at_all_sizes(int (*fn)(void *), void *arg, int expected)
{
    static const int sizes[] = {1, 2, 8};
    for (int i = 0; i < 3; i++) {
        weft_run_opts opts = {.procs = sizes[i]};
        cr_assert_eq(weft_run_with(&opts, fn, arg), expected, "with %d processors", sizes[i]);
    }
}

static int return_seven(void *arg)
{
    (void)arg;
    cr_assert(weft_in_coroutine());
    return 7;
}

Test(runtime, run_returns_what_its_first_coroutine_returns)
{
    at_all_sizes(return_seven, NULL, 7);
    cr_assert_not(weft_in_coroutine());
    cr_assert_eq(weft_num_procs(), 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

Test(runtime, refuses_what_cannot_be)
{
    weft_run_opts many = {.procs = 257}, deep = {.stack_size = (size_t)2 << 30};
    cr_assert_eq(weft_run_with(&many, return_seven, NULL), -EINVAL);
    cr_assert_eq(weft_run_with(&deep, return_seven, NULL), -EINVAL);
    cr_assert_eq(weft_go(nothing, NULL), -ESRCH);
}

static int run_again(void *arg)
{
    (void)arg;
    return weft_run(return_seven, NULL);
}

Test(runtime, only_one_runs_at_a_time)
{
    cr_assert_eq(weft_run(run_again, NULL), -EBUSY);
}

static _Atomic(int) count;

static void add_one(void *arg)
{
    atomic_fetch_add(&count, 1);
    weft_wg_done(arg);
}

#ifdef __SANITIZE_THREAD__
enum { MANY = 3000 }; /* a fiber costs the sanitizer a third of a millisecond */
#else
enum { MANY = 100000 };
#endif

static int spawn_many(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    atomic_store(&count, 0);
    for (int i = 0; i < MANY; i++) {
        weft_wg_add(&wg, 1);
        cr_assert_eq(weft_go(add_one, &wg), 0);
    }
    weft_wg_wait(&wg);
    return atomic_load(&count) - MANY;
}

Test(runtime, every_spawned_coroutine_runs_once, .timeout = 120)
{
    at_all_sizes(spawn_many, NULL, 0);
}

struct order {
    int id;
    char padding[200];
    weft_wg *wg;
};

static void check_order(void *arg)
{
    struct order *o = arg;
    weft_yield();
    atomic_fetch_add(&count, o->id);
    cr_assert_eq(o->padding[199], (char)o->id);
    cr_assert_eq((uintptr_t)o % 16, 0);
    weft_wg_done(o->wg);
}

static int copy_many(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    atomic_store(&count, 0);
    for (int i = 1; i <= 100; i++) {
        struct order o = {.id = i, .wg = &wg};
        o.padding[199] = (char)i;
        weft_wg_add(&wg, 1);
        cr_assert_eq(weft_go_copy(check_order, &o, sizeof o), 0);
    }
    cr_assert_eq(weft_go_copy(check_order, &wg, 17 * 1024), -EINVAL);
    weft_wg_wait(&wg);
    return atomic_load(&count);
}

Test(runtime, a_copied_argument_is_the_coroutines_own)
{
    at_all_sizes(copy_many, NULL, 5050);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    int64_t before = weft_now();
    cr_assert_eq(weft_sleep(5 * WEFT_MS), 0);
    cr_assert_geq(weft_now() - before, 5 * WEFT_MS);
    cr_assert_eq(weft_sleep(0), 0);
    return 0;
}

Test(runtime, sleep_lasts_at_least_as_long_as_asked)
{
    at_all_sizes(sleep_a_little, NULL, 0);
}

static char order_of_wakes[8];
static _Atomic(int) n_wakes;

static void sleep_then_note(void *arg)
{
    struct {
        int ms;
        weft_wg *wg;
    } *s = arg;
    weft_sleep(s->ms * WEFT_MS);
    order_of_wakes[atomic_fetch_add(&n_wakes, 1)] = (char)('0' + s->ms / 20);
    weft_wg_done(s->wg);
}

static int sleepers(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    for (int i = 4; i >= 1; i--) {
        struct {
            int ms;
            weft_wg *wg;
        } s = {i * 20, &wg};
        weft_wg_add(&wg, 1);
        weft_go_copy(sleep_then_note, &s, sizeof s);
    }
    return weft_wg_wait(&wg);
}

Test(runtime, sleepers_wake_in_the_order_of_their_times)
{
    weft_run_opts opts = {.procs = 1};
    cr_assert_eq(weft_run_with(&opts, sleepers, NULL), 0);
    cr_assert_str_eq(order_of_wakes, "1234");
}

static void spin_until(void *arg)
{
    _Atomic(int) *flag = arg;
    while (!atomic_load(flag))
        weft_yield();
}

static int yield_to_each_other(void *arg)
{
    _Atomic(int) flag = 0;
    (void)arg;
    weft_go(spin_until, &flag);
    for (int i = 0; i < 1000; i++)
        weft_yield();
    atomic_store(&flag, 1);
    weft_sleep(WEFT_MS); /* it must not outlive the flag */
    return 0;
}

Test(runtime, yield_lets_the_others_run)
{
    at_all_sizes(yield_to_each_other, NULL, 0);
}

static void *spawn_from_outside(void *arg)
{
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(weft_go(add_one, arg), 0);
    return NULL;
}

static int wait_for_outside(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    pthread_t thread;
    (void)arg;
    atomic_store(&count, 0);
    weft_wg_add(&wg, 1000);
    pthread_create(&thread, NULL, spawn_from_outside, &wg);
    weft_wg_wait(&wg);
    pthread_join(thread, NULL);
    return atomic_load(&count);
}

Test(runtime, a_foreign_thread_can_spawn_and_wakes_idle_processors)
{
    at_all_sizes(wait_for_outside, NULL, 1000);
}

static void wait_on(void *arg)
{
    weft_wg_wait(((weft_wg **)arg)[0]);
    weft_wg_done(((weft_wg **)arg)[1]);
}

static int many_waiters(void *arg)
{
    weft_wg gate = WEFT_WG_INIT, all = WEFT_WG_INIT;
    weft_wg *both[2] = {&gate, &all};
    (void)arg;
    weft_wg_add(&gate, 1);
    for (int i = 0; i < 100; i++) {
        weft_wg_add(&all, 1);
        weft_go_copy(wait_on, both, sizeof both);
    }
    weft_yield();
    weft_wg_done(&gate);
    return weft_wg_wait(&all);
}

Test(runtime, a_wait_group_wakes_all_its_waiters)
{
    at_all_sizes(many_waiters, NULL, 0);
}
