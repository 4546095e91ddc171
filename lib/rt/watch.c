/* watch.c: the watchdog: a thread that holds no processor and sees to it that none is held long.
 *
 * A coroutine that blocks its thread (a system call, somebody's library) or computes for
 * HELD_TOO_LONG_NS loses its processor: another machine goes on with that, and the coroutine
 * finishes on its own thread. Taking is an asymmetric Dekker, so that the machines pay nothing:
 *
 *      machine, entering the runtime           watchdog
 *      in_runtime = true   (plain store)       seize: NONE -> ASKED
 *      seize != NONE?                          membarrier
 *        ASKED -> NONE: keeps it               in_runtime?  ASKED -> NONE: leaves it
 *        TAKEN: goes on without                else         ASKED -> TAKEN: has it
 *
 * Either the watchdog sees in_runtime or the machine sees ASKED; when both see both, the
 * compare-and-swap decides.
 *
 * While every processor is idle the watchdog sleeps, too, and costs nothing. */
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <weft/rt.h>

#include "fence.h"
#include "futex.h"
#include "machine.h"
#include "report.h"
#include "trace.h"
#include "trim.h"

/* How long a coroutine may hold its processor, and how often the watchdog looks at least. */
static const int64_t HELD_TOO_LONG_NS = 10 * WEFT_MS;
static const int64_t LOOK_NS = 2500 * WEFT_US;
static const int64_t LOOK_MIN_NS = 100 * WEFT_US;

/* All have been idle for so long: perhaps for ever. */
static const int64_t DEADLOCK_LOOK_NS = 20 * WEFT_MS;

/* Looks at some more stacks before all is looked at again. */
enum { TRIMS_A_REST = 32 };

_Atomic(unsigned) watch_sleeps;

static struct {
    pthread_t thread;
    _Atomic(bool) is_stopping;
    bool can_seize;               /* the kernel has the barrier */
    int64_t pile_at, pile_period; /* when free stacks are looked at again; see stacks_trim */
    struct {
        uint64_t tick;
        int64_t since; /* the first look at this tick */
    } seen[PROCS_MAX];
} watch;

bool machine_keeps_proc(struct machine *m)
{
    uint8_t asked = SEIZE_ASKED;
    if (atomic_compare_exchange_strong_explicit(&m->seize, &asked, SEIZE_NONE, memory_order_acq_rel,
                                                memory_order_acquire) ||
        asked != SEIZE_TAKEN)
        return asked != SEIZE_AWAY;
    m->proc = NULL;
    /* relaxed: nobody asks a machine that is away */
    atomic_store_explicit(&m->seize, SEIZE_AWAY, memory_order_relaxed);
    return false;
}

/* Takes p from m, unless m is in the runtime or has given it away. */
static bool seize(struct machine *m, struct proc *p)
{
    uint8_t none = SEIZE_NONE;
    if (!atomic_compare_exchange_strong_explicit(&m->seize, &none, SEIZE_ASKED,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    /* pairs: proc_unpin's release: what the machine did to its processor is seen by the next */
    bool is_safe = !atomic_load_explicit(&m->in_runtime, memory_order_acquire) &&
                   atomic_load_explicit(&p->machine, memory_order_acquire) == m;
    uint8_t asked = SEIZE_ASKED;
    return atomic_compare_exchange_strong_explicit(&m->seize, &asked,
                                                   is_safe ? SEIZE_TAKEN : SEIZE_NONE,
                                                   memory_order_acq_rel, memory_order_relaxed) &&
           is_safe;
}

static void hand_off(struct proc *p)
{
    struct machine *m = atomic_load_explicit(&p->machine, memory_order_acquire);
    if (!watch.can_seize || !m || atomic_load_explicit(&m->in_runtime, memory_order_relaxed))
        return;
    struct machine *next = machine_obtain();
    if (!next)
        return;
    atomic_fetch_add_explicit(&rt.away, 1, memory_order_relaxed);
    machine_set_patient(m, true); /* before it can find that it is away, and rest */
    if (!seize(m, p)) {
        machine_set_patient(m, false);
        atomic_fetch_sub_explicit(&rt.away, 1, memory_order_relaxed);
        machine_give(next, NULL);
        return;
    }
    STAT_ADD(p, hand_offs); /* the watchdog holds p for the moment */
    if (trace_is_on())
        trace_hand_off(p);
    machine_give(next, p);
}

/* Work lies at a processor that has not come to it, or a timer of its is due, and others are idle.
 */
static void wake_for(struct proc *p, int64_t now)
{
    if (atomic_load_explicit(&rt.idle, memory_order_relaxed) > 0 &&
        (proc_has_work(p) || timers_first(&p->timers) <= now))
        proc_wake_one();
}

/* Looks at every processor. Returns whether any is busy; *ret_next is when to look again. */
static bool look(int64_t now, int64_t *ret_next)
{
    bool any = false;
    *ret_next = now + LOOK_NS;
    int count = proc_count();
    for (int i = 0; i < count; i++) {
        struct proc *p = &rt.procs[i];
        uint64_t tick = atomic_load_explicit(&p->tick, memory_order_relaxed);
        bool is_idle = atomic_load_explicit(&p->is_idle, memory_order_relaxed);
        any = any || !is_idle;
        if (is_idle || tick != watch.seen[i].tick || watch.seen[i].since == 0) {
            watch.seen[i].tick = tick;
            watch.seen[i].since = now;
            continue;
        }
        wake_for(p, now);
        int64_t due = watch.seen[i].since + HELD_TOO_LONG_NS;
        if (now >= due) {
            hand_off(p);
            watch.seen[i].since = now;
        } else if (due < *ret_next) {
            *ret_next = due;
        }
    }
    return any;
}

static bool all_idle(void)
{
    return atomic_load_explicit(&rt.idle, memory_order_seq_cst) >= proc_count();
}

/* The sum of all ticks: when it stands still, nothing has run. */
static uint64_t ticks(void)
{
    uint64_t sum = 0;
    int count = proc_count();
    for (int i = 0; i < count; i++)
        sum += atomic_load_explicit(&rt.procs[i].tick, memory_order_relaxed);
    return sum;
}

static bool is_stopping(void)
{
    return atomic_load_explicit(&watch.is_stopping, memory_order_acquire);
}

/* Gives some memory of stacks back. Returns when to go on; pinning needs the barrier. */
static int64_t some_trimmed(int64_t now)
{
    int64_t next = watch.can_seize ? trim_some(now) : WEFT_NO_DEADLINE;
    if (now >= watch.pile_at)
        watch.pile_at = stacks_trim(rt.stacks, now, &watch.pile_period);
    return next < watch.pile_at ? next : watch.pile_at;
}

/* Nothing runs, and has not for a while: gives stacks' memory back, then sleeps for good. */
static void rest_while_idle(void)
{
    int64_t now = weft_now(), next = some_trimmed(now);
    for (int i = 1; i < TRIMS_A_REST && next <= now && all_idle(); i++)
        next = some_trimmed(now);
    if (!atomic_load_explicit(&watch_sleeps, memory_order_relaxed))
        return;
    if (next == WEFT_NO_DEADLINE)
        futex_wait(&watch_sleeps, 1, -1);
    else if (next > now)
        futex_wait(&watch_sleeps, 1, next - now);
}

/* Sleeps until a processor is busy, or somebody wants a report. */
static void sleep_while_idle(void)
{
    uint64_t before = ticks();
    atomic_store_explicit(&watch_sleeps, 1, memory_order_relaxed);
    fence_full(); /* pairs: watch_wake_if_asleep */
    if (all_idle() && !is_stopping() && !report_is_wanted())
        futex_wait(&watch_sleeps, 1, DEADLOCK_LOOK_NS);
    if (all_idle() && ticks() == before && !is_stopping() && !report_is_wanted()) {
        if (report_deadlock())
            runtime_stop(-EDEADLK);
        else
            rest_while_idle();
    }
    atomic_store_explicit(&watch_sleeps, 0, memory_order_relaxed);
}

static void *watch_thread(void *arg)
{
    (void)arg;
    _Atomic(unsigned) never = 0;
    while (!is_stopping()) {
        int64_t next, now = weft_now();
        if (report_is_wanted())
            report_all();
        if (!look(now, &next) && all_idle()) {
            sleep_while_idle();
            continue;
        }
        if (watch.pile_at == WEFT_NO_DEADLINE) /* somebody runs: there may be something again */
            watch.pile_at = watch.pile_period;
        (void)some_trimmed(now);
        int64_t left = next - weft_now();
        futex_wait(&never, 0, left > LOOK_MIN_NS ? left : LOOK_MIN_NS);
    }
    return NULL;
}

void watch_wake(void)
{
    atomic_store_explicit(&watch_sleeps, 0, memory_order_relaxed);
    futex_wake(&watch_sleeps, 1);
}

int watch_start(void)
{
    sigset_t all, old;
    memset(watch.seen, 0, sizeof watch.seen);
    trim_init();
    watch.pile_at = watch.pile_period = 0;
    atomic_store_explicit(&watch.is_stopping, false, memory_order_relaxed);
    watch.can_seize = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = -pthread_create(&watch.thread, NULL, watch_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

void watch_stop(void)
{
    atomic_store_explicit(&watch.is_stopping, true, memory_order_release);
    watch_wake();
    pthread_join(watch.thread, NULL);
}
