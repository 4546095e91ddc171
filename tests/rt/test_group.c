#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <weft/weft.h>

#include "at_sizes.h"
#include "output_of.h"

static int sleep_long(void *arg)
{
    (void)arg;
    return weft_sleep(3600 * WEFT_SEC);
}

struct child {
    int64_t sleep;
    int rc, ended_with;
};

static int child_main(void *arg)
{
    struct child *c = arg;
    c->ended_with = weft_sleep(c->sleep);
    return c->ended_with < 0 ? c->ended_with : c->rc;
}

static int first_error(void *arg)
{
    struct child c[3] = {{3600 * WEFT_SEC, 0, 0}, {WEFT_MS, -EIO, 0}, {3600 * WEFT_SEC, 0, 0}};
    int results[3] = {1, 1, 1};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.results = results, .max_results = 3});
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_group_go(&g, child_main, &c[i]), 0);
    cr_assert_eq(weft_group_wait(&g), -EIO, "the first error");
    cr_assert_eq(c[0].ended_with, -ECANCELED, "and it has cancelled the others");
    cr_assert_eq(results[0], -ECANCELED);
    cr_assert_eq(results[1], -EIO);
    return 0;
}

Test(group, the_first_error_cancels_the_others, .timeout = 60)
{
    at_all_sizes(first_error, NULL);
}

static _Atomic(int) inside;

static int count_inside(void *arg)
{
    (void)arg;
    int now = atomic_fetch_add(&inside, 1) + 1;
    weft_sleep(WEFT_MS / 10);
    atomic_fetch_sub(&inside, 1);
    return now > 3 ? -EPROTO : 0;
}

static int limits(void *arg)
{
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.limit = 3});
    for (int i = 0; i < 50; i++)
        cr_assert_eq(weft_group_go(&g, count_inside, NULL), 0);
    cr_assert_eq(weft_group_wait(&g), 0);
    return 0;
}

Test(group, limits_how_many_run, .timeout = 60)
{
    at_all_sizes(limits, NULL);
}

static int timeouts(void *arg)
{
    struct child c = {3600 * WEFT_SEC, 0, 0};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.timeout = 2 * WEFT_MS, .limit = 1});
    cr_assert_eq(weft_group_go(&g, child_main, &c), 0);
    cr_assert_eq(weft_group_go(&g, child_main, &c), -ETIMEDOUT, "no place before the time was up");
    cr_assert_eq(weft_group_wait(&g), -ETIMEDOUT);
    return 0;
}

Test(group, ends_by_its_timeout, .timeout = 60)
{
    at_all_sizes(timeouts, NULL);
}

static int stubborn(void *arg)
{
    struct child c[2] = {{WEFT_MS, -EIO, 0}, {3 * WEFT_MS, 0, 0}};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.keeps_going = 1});
    weft_group_go(&g, child_main, &c[0]);
    weft_group_go(&g, child_main, &c[1]);
    cr_assert_eq(weft_group_wait(&g), -EIO);
    cr_assert_eq(c[1].ended_with, 0, "was not cancelled");
    return 0;
}

Test(group, keeps_going_when_told_to, .timeout = 60)
{
    at_all_sizes(stubborn, NULL);
}

static int nested(void *arg)
{
    int depth = *(int *)arg - 1;
    weft_group g;
    weft_group_init(&g, (weft_group_opts){.limit = 2});
    for (int i = 0; i < 3 && depth > 0; i++)
        weft_group_go(&g, nested, &depth);
    return weft_group_wait(&g);
}

Test(group, groups_nest, .timeout = 60)
{
    at_all_sizes(nested, &(int){5});
}

static void forget_group(void *arg)
{
    weft_group *g = arg;
    weft_group_init(g, (weft_group_opts){.limit = 0});
}

static int forgets(void *arg)
{
    static weft_group g;
    (void)arg;
    weft_go(forget_group, &g);
    weft_sleep(3600 * WEFT_SEC);
    return 0;
}

/* The frame with the group is gone, and its memory used by others, when it is found out. */
__attribute__((noinline)) static void leave_too_early(void)
{
    weft_group inner;
    weft_group_init(&inner, (weft_group_opts){.limit = 0});
    weft_group_go(&inner, sleep_long, NULL);
}

static int forgets_inner(void *arg)
{
    weft_group outer;
    (void)arg;
    weft_group_init(&outer, (weft_group_opts){.limit = 0});
    leave_too_early();
    weft_sleep(WEFT_MS);
    return weft_group_wait(&outer);
}

static int forgets_in_main(void *arg)
{
    (void)arg;
    leave_too_early();
    return 0;
}

static int (*const forgetters[])(void *arg) = {forgets, forgets_inner, forgets_in_main};

static int run_forgetter(void *arg)
{
    weft_run(forgetters[*(int *)arg], NULL);
    return 0;
}

Test(group, one_that_is_left_open_ends_the_program_with_a_message, .timeout = 60)
{
    static const char *const openers[] = {"forget_group", "leave_too_early", "leave_too_early"};
    for (int i = 0; i < 3; i++) {
        int status = output_of(run_forgetter, &i, 30);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%d: %x", i, status);
        output_has("left a group open, whose children may be running");
        output_has(openers[i]);
    }
}

static int scope_left(struct child *c)
{
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){.limit = 0});
    cr_assert_eq(weft_group_go(&g, child_main, c), 0);
    return 7; /* without waiting */
}

static int scope_waited(struct child *c)
{
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){.limit = 0});
    cr_assert_eq(weft_group_go(&g, child_main, c), 0);
    int rc = weft_group_wait(&g);
    cr_assert_eq(weft_group_wait(&g), rc, "again");
    return rc;
}

static int scope_unopened(void)
{
    WEFT_GROUP_SCOPED(g);
    return g.state == NULL;
}

static int scopes(void *arg)
{
    struct child left = {3600 * WEFT_SEC, 0, 0}, waited = {WEFT_MS, -EIO, 0};
    (void)arg;
    cr_assert_eq(scope_left(&left), 7);
    cr_assert_eq(left.ended_with, -ECANCELED, "and has ended by now");
    cr_assert_eq(scope_waited(&waited), -EIO);
    cr_assert_eq(waited.ended_with, 0, "nothing was cancelled");
    cr_assert_eq(scope_unopened(), 1);
    return 0;
}

Test(group, a_scoped_one_leaves_no_child_behind, .timeout = 60)
{
    at_all_sizes(scopes, NULL);
}

static int return_it(void *arg)
{
    weft_yield();
    return *(int *)arg;
}

static int collects(void *arg)
{
    int numbers[10], results[8] = {0};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.results = results, .max_results = 7, .limit = 3});
    for (int i = 0; i < 10; i++) {
        numbers[i] = 100 + i;
        cr_assert_eq(weft_group_go(&g, return_it, &numbers[i]), 0);
    }
    cr_assert_eq(weft_group_wait(&g), 0, "results above zero are no errors");
    for (int i = 0; i < 7; i++)
        cr_assert_eq(results[i], 100 + i);
    cr_assert_eq(results[7], 0, "there was no room for it");
    return 0;
}

Test(group, collects_results_in_the_order_of_spawning, .timeout = 60)
{
    at_all_sizes(collects, NULL);
}

static void *cancel_group(void *arg)
{
    usleep(1000);
    weft_group_cancel(arg);
    return NULL;
}

static int canceled_from_a_thread(void *arg)
{
    pthread_t thread;
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){.limit = 0});
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_group_go(&g, sleep_long, NULL), 0);
    cr_assert_eq(pthread_create(&thread, NULL, cancel_group, &g), 0);
    weft_sleep(5 * WEFT_MS);
    pthread_join(thread, NULL);
    cr_assert_eq(weft_group_go(&g, sleep_long, NULL), -ECANCELED, "nothing new is spawned");
    cr_assert_eq(weft_group_wait(&g), -ECANCELED);
    return 0;
}

Test(group, a_thread_outside_can_cancel_it, .timeout = 60)
{
    at_all_sizes(canceled_from_a_thread, NULL);
}
