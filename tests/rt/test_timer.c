#include <criterion/criterion.h>
#include <stdlib.h>

#include "proc.h"
#include "timer.h"

enum { TIMERS = 1000 };

static int fired;
static int64_t last_time;

struct probe {
    struct timer timer;
    int64_t when;
};

static int64_t on_fire(struct timer *t, int64_t now)
{
    struct probe *p = (struct probe *)t;
    (void)now;
    cr_assert_geq(p->when, last_time, "timers fire in the order of their times");
    last_time = p->when;
    fired++;
    return TIMER_NEVER;
}

static struct proc *proc_new(void)
{
    static struct proc p;
    atomic_store(&p.timers.first, TIMER_NEVER);
    return &p;
}

Test(timer, fires_in_order_and_only_what_is_due)
{
    static struct probe probes[TIMERS];
    struct proc *p = proc_new();
    uint32_t random = 1;
    for (int i = 0; i < TIMERS; i++) {
        random = random * 1664525 + 1013904223;
        probes[i].when = random % 10000 + 1;
        timer_init(&probes[i].timer, on_fire);
        cr_assert_eq(timer_arm(&probes[i].timer, p, probes[i].when), 0);
    }
    int due = 0;
    for (int i = 0; i < TIMERS; i++)
        due += probes[i].when <= 5000;
    cr_assert_gt(timers_run(&p->timers, 5000), 5000);
    cr_assert_eq(fired, due);
    cr_assert_eq(timers_run(&p->timers, 20000), TIMER_NEVER);
    cr_assert_eq(fired, TIMERS);
}

Test(timer, stopped_timers_do_not_fire_and_hastened_ones_fire_early)
{
    static struct probe probes[TIMERS];
    struct proc *p = proc_new();
    for (int i = 0; i < TIMERS; i++) {
        probes[i].when = i + 1;
        timer_init(&probes[i].timer, on_fire);
        cr_assert_eq(timer_arm(&probes[i].timer, p, probes[i].when), 0);
    }
    for (int i = 0; i < TIMERS; i += 2)
        cr_assert(timer_stop(&probes[i].timer));
    cr_assert_not(timer_stop(&probes[0].timer), "it was stopped already");
    probes[TIMERS - 1].when = 1;
    timer_hasten(&probes[TIMERS - 1].timer, 1);
    timers_run(&p->timers, 1);
    cr_assert_eq(fired, 1);
    timers_run(&p->timers, TIMERS);
    cr_assert_eq(fired, TIMERS / 2);
}

/* A million armed at once: half are stopped, in no order, and the others fire in the order of their
 * times. */
Test(timer, a_million_may_be_pending, .timeout = 120)
{
    enum { MANY = 1000000 };
    struct probe *probes = calloc(MANY, sizeof *probes);
    struct proc *p = proc_new();
    uint32_t random = 7;
    cr_assert_not_null(probes);
    for (int i = 0; i < MANY; i++) {
        random = random * 1664525 + 1013904223;
        probes[i].when = random % 1000000 + 1;
        timer_init(&probes[i].timer, on_fire);
        cr_assert_eq(timer_arm(&probes[i].timer, p, probes[i].when), 0);
    }
    for (int i = 0; i < MANY; i += 2)
        cr_assert(timer_stop(&probes[(int64_t)i * 7919 % MANY].timer));
    for (int64_t now = 0; now <= 1000000; now += 10000)
        timers_run(&p->timers, now);
    cr_assert_eq(fired, MANY / 2);
    cr_assert_eq(timers_first(&p->timers), TIMER_NEVER);
    timers_done(&p->timers);
    free(probes);
}
