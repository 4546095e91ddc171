#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

#include "output_of.h"

/* ---- deadlock ---- */

__attribute__((noinline, noclone)) static int wait_on_nobody(weft_chan *ch)
{
    int v;
    int rc = weft_chan_recv(ch, &v);
    __asm__ volatile(""); /* no tail call: the frame is there to be seen */
    return rc;
}

static void deadlocked_child(void *arg)
{
    (void)wait_on_nobody(arg);
}

static int deadlocked(void *arg)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 0);
    weft_mutex m = WEFT_MUTEX_INIT;
    (void)arg;
    weft_go_with(&(weft_go_opts){.name = "reader"}, deadlocked_child, ch);
    weft_mutex_lock(&m);
    weft_mutex_lock(&m);
    return 0;
}

static int run_deadlocked(void *arg)
{
    (void)arg;
    return weft_run_with(&(weft_run_opts){.procs = 2}, deadlocked, NULL) == -EDEADLK ? 0 : 1;
}

Test(report, a_deadlock_is_told_instead_of_a_hang, .timeout = 60)
{
    int status = output_of(run_deadlocked, NULL, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", status, output_text);
    output_has("weft: deadlock: all coroutines wait, and nothing is left that could wake one:");
    output_has("\"reader\": waits in channel receive for");
    output_has("waits in mutex for");
    output_has("spawned at deadlocked+0x");
    output_has("wait_on_nobody+0x"); /* the back trace */
}

static int not_deadlocked(void *arg)
{
    (void)arg;
    return weft_sleep(60 * WEFT_MS); /* longer than it takes to be called a deadlock */
}

static int run_not_deadlocked(void *arg)
{
    return weft_run(not_deadlocked, arg);
}

Test(report, a_long_wait_for_a_timer_is_no_deadlock, .timeout = 60)
{
    int status = output_of(run_not_deadlocked, NULL, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_str_eq(output_text, "");
}

/* ---- leaks ---- */

static void leak_in_a_channel(void *arg)
{
    cr_assert_eq(weft_chan_recv(arg, NULL), 0, "it never comes");
}

static void leak_in_a_sleep(void *arg)
{
    (void)arg;
    weft_sleep(3600 * WEFT_SEC);
}

static int leaks(void *arg)
{
    weft_chan *ch = weft_chan_new(0, 0);
    (void)arg;
    for (volatile int i = 0; i < 3; i++) /* not unrolled: one place spawns all three */
        weft_go(leak_in_a_channel, ch);
    weft_go_with(&(weft_go_opts){.name = "sleeper"}, leak_in_a_sleep, NULL);
    weft_sleep(5 * WEFT_MS);
    weft_go(leak_in_a_sleep, NULL); /* does not get as far as running, as a rule */
    return 0;
}

static int run_leaks(void *arg)
{
    weft_run_opts opts = {.procs = 1, .leaks = *(int *)arg};
    int rc = weft_run_with(&opts, leaks, NULL);
    return rc == -ENOTEMPTY ? 4 : rc;
}

Test(report, what_has_not_ended_is_listed_at_the_end, .timeout = 60)
{
    int how = WEFT_LEAKS_REPORT;
    int status = output_of(run_leaks, &how, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", status, output_text);
    output_has("weft: 5 coroutines had not ended when the first one did:");
    output_has("3 waiting in channel receive for");
    output_has("1 sleeper waiting in sleep for");
    output_has("1 not yet begun");
    output_has("spawned at leaks+0x");
}

Test(report, a_leak_can_fail_a_run_or_be_ignored, .timeout = 60)
{
    int how = WEFT_LEAKS_FAIL;
    int status = output_of(run_leaks, &how, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 4, "%x: %s", status, output_text);
    output_has("had not ended");
    how = WEFT_LEAKS_IGNORE;
    status = output_of(run_leaks, &how, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_str_eq(output_text, "");
}

/* ---- SIGQUIT ---- */

static void wait_for_end(void *arg)
{
    cr_assert_eq(weft_chan_recv(arg, NULL), -EPIPE);
}

__attribute__((noinline, noclone)) static int spin_on(_Atomic(int) *flag)
{
    while (!atomic_load(flag))
        ;
    return 0;
}

static void compute_until(void *arg)
{
    (void)spin_on(arg);
}

static int blocking_until(void *arg)
{
    while (!atomic_load((_Atomic(int) *)arg))
        usleep(1000);
    return 0;
}

static void block_until(void *arg)
{
    (void)weft_blocking(blocking_until, arg);
}

/* SIGQUIT comes, the list is written, and everything goes on. */
static int quits(void *arg)
{
    static _Atomic(int) is_over;
    int before = dup(STDERR_FILENO), ends[2];
    char text[16384];
    size_t len = 0;
    (void)arg;
    weft_chan *ch = weft_chan_new(0, 0);
    weft_go_with(&(weft_go_opts){.name = "waiter"}, wait_for_end, ch);
    weft_go_with(&(weft_go_opts){.name = "computer"}, compute_until, &is_over);
    weft_go_with(&(weft_go_opts){.name = "blocker"}, block_until, &is_over);
    weft_sleep(30 * WEFT_MS);
    if (pipe2(ends, O_NONBLOCK) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return 2;
    kill(getpid(), SIGQUIT);
    while (len < sizeof text - 1) {
        ssize_t n = read(ends[0], text + len, sizeof text - 1 - len);
        if (n > 0)
            len += (size_t)n;
        text[len] = '\0';
        if (strstr(text, "weft: 4 coroutines\n"))
            break;
        weft_sleep(WEFT_MS);
    }
    dup2(before, STDERR_FILENO);
    fputs(text, stderr);
    atomic_store(&is_over, 1);
    weft_chan_close(ch);
    weft_sleep(5 * WEFT_MS);
    return 0;
}

static int run_quits(void *arg)
{
    int rc = weft_run_with(&(weft_run_opts){.procs = 2}, quits, arg);
    fprintf(stderr, "it went on\n");
    return rc;
}

Test(report, SIGQUIT_lists_all_coroutines_and_goes_on, .timeout = 60)
{
    int status = output_of(run_quits, NULL, 30);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", status, output_text);
    output_has("weft: coroutines on 2 processors, ");
    output_has("\"waiter\": waits in channel receive for ");
    output_has("wait_for_end+0x");
    output_has("\"computer\": runs");
#ifndef __SANITIZE_THREAD__ /* which keeps signals back until the next system call */
    output_has("spin_on+0x");
#endif
    output_has("\"blocker\": runs, in a blocking call");
    output_has("blocking_until+0x");
    output_has("spawned at quits+0x");
    output_has("it went on");
}

Test(report, without_a_runtime_there_is_nothing_to_list)
{
    weft_stats stats;
    cr_assert_eq(weft_dump(STDERR_FILENO), -ESRCH);
    cr_assert_eq(weft_get_stats(-1, &stats), -ESRCH);
}

/* ---- counters ---- */

static void count_me(void *arg)
{
    weft_yield();
    weft_wg_done(arg);
}

static int counted(void *arg)
{
    weft_wg wg = WEFT_WG_INIT;
    weft_stats all, before, sum = {0};
    (void)arg;
    cr_assert_eq(weft_get_stats(-1, &before), 0);
    weft_wg_add(&wg, 100);
    for (int i = 0; i < 100; i++)
        weft_go(count_me, &wg);
    cr_assert_eq(weft_wg_wait(&wg), 0);
    cr_assert_eq(weft_get_stats(-1, &all), 0);
    cr_assert_eq(all.spawned - before.spawned, 100);
    cr_assert_geq(all.switches - before.switches, 200);
    cr_assert_geq(all.threads, 2);
    for (int i = 0; i < weft_num_procs(); i++) {
        weft_stats one;
        cr_assert_eq(weft_get_stats(i, &one), 0);
        sum.spawned += one.spawned;
        sum.switches += one.switches;
        sum.steals += one.steals;
        sum.polls += one.polls;
    }
    cr_assert_geq(sum.spawned, all.spawned);
    cr_assert_geq(sum.switches, all.switches);
    cr_assert_geq(sum.steals, all.steals);
    cr_assert_geq(sum.polls, all.polls);
    cr_assert_eq(weft_get_stats(2, &all), -EINVAL);
    cr_assert_eq(weft_get_stats(-2, &all), -EINVAL);
    return 0;
}

Test(stats, count_what_happens_in_all_and_by_processor, .timeout = 60)
{
    cr_assert_eq(weft_run_with(&(weft_run_opts){.procs = 2}, counted, NULL), 0);
}
