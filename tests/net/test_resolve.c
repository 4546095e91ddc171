/* Looking names up: once for all who ask, beside the processors. The test's own looker stands in
 * for the system's. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

#include "resolve.h"

static _Atomic(int) calls, gate, go_ons;

/* "none" does not exist; "slow" waits for the gate, others give 192.0.2.1. Bounded. */
static int look_up(const char *host, union address *ret, int max)
{
    atomic_fetch_add(&calls, 1);
    for (int i = 0; strncmp(host, "slow", 4) == 0 && !atomic_load(&gate) && i < 20000; i++)
        usleep(1000);
    if (strncmp(host, "none", 4) == 0)
        return -ENOENT;
    cr_assert_geq(max, 1);
    memset(ret, 0, sizeof *ret);
    ret->in.sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.1", &ret->in.sin_addr);
    return 1;
}

static int ask(const char *host, int64_t deadline)
{
    union address found[RESOLVE_MAX];
    int count = resolve(weft_cstr(host), htons(80), deadline, found);
    if (count > 0)
        cr_assert_eq(found[0].in.sin_port, htons(80));
    return count;
}

static void run(int procs, int (*fn)(void *))
{
    weft_run_opts opts = {.procs = procs, .leaks = WEFT_LEAKS_FAIL};
    resolve_with(look_up);
    atomic_store(&gate, 0);
    atomic_store(&calls, 0);
    cr_assert_eq(weft_run_with(&opts, fn, NULL), 0);
}

static int never_look_up(void *arg)
{
    union address found[RESOLVE_MAX];
    (void)arg;
    cr_assert_eq(resolve(WEFT_STR("127.0.0.1"), htons(7), WEFT_NO_DEADLINE, found), 1);
    cr_assert_eq(found[0].in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    cr_assert_eq(resolve(WEFT_STR("::1"), htons(7), WEFT_NO_DEADLINE, found), 1);
    cr_assert_eq(found[0].in6.sin6_port, htons(7));
    cr_assert_eq(resolve(WEFT_STR("LocalHost"), htons(7), WEFT_NO_DEADLINE, found), 2);
    cr_assert_eq(resolve(WEFT_STR(""), 0, WEFT_NO_DEADLINE, found), -EINVAL);
    cr_assert_eq(resolve(WEFT_STR("a b"), 0, WEFT_NO_DEADLINE, found), -EINVAL);
    cr_assert_eq(resolve(WEFT_STR("a\0b"), 0, WEFT_NO_DEADLINE, found), -EINVAL);
    char name[RESOLVE_HOST_MAX + 1];
    memset(name, 'a', sizeof name);
    weft_str long_name = {name, sizeof name};
    cr_assert_eq(resolve(long_name, 0, WEFT_NO_DEADLINE, found), -EINVAL);
    cr_assert_eq(atomic_load(&calls), 0);
    return 0;
}

Test(resolve, numbers_and_the_loopback_are_not_looked_up, .timeout = 60)
{
    run(1, never_look_up);
}

static int ask_again(void *arg)
{
    (void)arg;
    cr_assert_eq(ask("a.example", WEFT_NO_DEADLINE), 1);
    cr_assert_eq(ask("A.Example", WEFT_NO_DEADLINE), 1);
    cr_assert_eq(atomic_load(&calls), 1);
    cr_assert_eq(ask("none.example", WEFT_NO_DEADLINE), -ENOENT);
    cr_assert_eq(ask("none.example", WEFT_NO_DEADLINE), -ENOENT);
    cr_assert_eq(atomic_load(&calls), 2);
    return 0;
}

Test(resolve, answers_are_kept_good_and_bad, .timeout = 60)
{
    run(1, ask_again);
}

static void ask_slow(void *arg)
{
    cr_assert_eq(ask("slow.example", WEFT_NO_DEADLINE), 1);
    weft_wg_done(arg);
}

/* One processor: if the look-up held it, nobody would open the gate. */
static int ask_at_once(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    for (int i = 0; i < 50; i++) {
        weft_wg_add(&wg, 1);
        weft_go(ask_slow, &wg);
    }
    while (atomic_load(&calls) == 0)
        cr_assert_eq(weft_sleep(WEFT_MS), 0);
    atomic_store(&gate, 1);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    cr_assert_eq(atomic_load(&calls), 1);
    return 0;
}

Test(resolve, one_look_up_serves_all_who_ask_and_holds_no_processor, .timeout = 60)
{
    run(1, ask_at_once);
    resolve_with(NULL);
}

static int give_up(void *arg)
{
    (void)arg;
    cr_assert_eq(ask("slow.example", weft_now() + 5 * WEFT_MS), -ETIMEDOUT);
    atomic_store(&gate, 1);
    cr_assert_eq(ask("slow.example", WEFT_NO_DEADLINE), 1);
    cr_assert_eq(atomic_load(&calls), 1);
    return 0;
}

Test(resolve, who_gives_up_leaves_the_look_up_to_the_next, .timeout = 60)
{
    run(2, give_up);
}

static void ask_one_of_many(void *arg)
{
    char host[32];
    snprintf(host, sizeof host, "slow-%d.example", atomic_fetch_add(&go_ons, 1));
    cr_assert_eq(ask(host, WEFT_NO_DEADLINE), 1);
    weft_wg_done(arg);
}

static int ask_many(void *arg)
{
    enum { MANY = 1500, AT_ONCE = 16 };
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    for (int i = 0; i < 200; i++) {
        weft_wg_add(&wg, 1);
        weft_go(ask_one_of_many, &wg);
    }
    while (atomic_load(&calls) < AT_ONCE)
        cr_assert_eq(weft_sleep(WEFT_MS), 0);
    cr_assert_eq(atomic_load(&calls), AT_ONCE, "more look-ups at once than allowed");
    atomic_store(&gate, 1);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    for (int i = 200; i < MANY; i++) { /* more than the table holds */
        char host[32];
        snprintf(host, sizeof host, "slow-%d.example", i);
        cr_assert_eq(ask(host, WEFT_NO_DEADLINE), 1);
    }
    cr_assert_eq(atomic_load(&calls), MANY);
    return 0;
}

Test(resolve, look_ups_at_once_and_names_kept_are_bounded, .timeout = 60)
{
    run(2, ask_many);
}

static int leave_behind(void *arg)
{
    (void)arg;
    cr_assert_eq(ask("slow.example", weft_now() + 5 * WEFT_MS), -ETIMEDOUT);
    return 0;
}

static int ask_anew(void *arg)
{
    (void)arg;
    cr_assert_eq(ask("slow.example", WEFT_NO_DEADLINE), 1);
    return 0;
}

Test(resolve, a_new_runtime_does_not_wait_for_an_earlier_ones_look_up, .timeout = 60)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_IGNORE};
    resolve_with(look_up);
    atomic_store(&gate, 0);
    cr_assert_eq(weft_run_with(&opts, leave_behind, NULL), 0);
    atomic_store(&gate, 1);
    int rc;
    while ((rc = weft_run_with(&opts, ask_anew, NULL)) == -EBUSY)
        usleep(1000); /* the earlier one's thread is still in its call */
    cr_assert_eq(rc, 0);
}
