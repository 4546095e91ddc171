/* machine.c: threads that run coroutines, and what they do without a processor.
 *
 *   new ---------> resting <--------- its coroutine parked or ended, and its processor was gone
 *                  |     ^
 *     machine_give |     | machine_give(NULL)
 *                  v     |
 *                  runs machine_loop with a processor
 *
 * A machine that has rested long ends; its record waits in `unused` for the next one. */
#include "machine.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "futex.h"
#include "sample.h"

enum { MACHINE_STACK = 256 * 1024 };

static const int64_t REST_NS = 10 * WEFT_SEC;
static const uint64_t PATIENT_SLICE_NS = 50 * WEFT_MS;

/* What sched_setattr(2) takes, in its first version; glibc has no declaration of it. */
struct sched_attr_v0 {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* The machines of the running runtime; under the lock. */
static struct {
    struct lock lock;
    struct machine *resting; /* newest first */
    struct machine
        *unused; /* records of machines that have ended; their threads are to be joined */
    struct machine *all[MACHINES_MAX];
    int records;
    _Atomic(unsigned) alive; /* threads that have not come to their end */
    sem_t news;              /* posted when one has, and when the runtime stops */
    bool has_complained;
    bool is_abandoned; /* weft_run has returned while some were still alive */
} machines;

static int machine_init(struct machine *m)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    int err = pthread_getattr_np(pthread_self(), &attr);
    if (err)
        return -err;
    pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    san_fiber_init_thread(&m->fiber, low, bytes);
    atomic_store_explicit(&m->tid, (int)syscall(SYS_gettid), memory_order_relaxed);
    int rc = overflow_machine_init(m);
    if (rc == 0) {
        machine_tls = m;
        sample_allow();
    }
    return rc;
}

void machine_set_patient(struct machine *m, bool is_patient)
{
    struct sched_attr_v0 attr = {.size = sizeof attr};
    int tid = atomic_load_explicit(&m->tid, memory_order_relaxed); /* relaxed: a number */
    /* relaxed: two that meet here both mean false in the end */
    if (atomic_load_explicit(&m->is_patient, memory_order_relaxed) == is_patient || tid == 0 ||
        syscall(SYS_sched_getattr, tid, &attr, sizeof attr, 0) < 0 || attr.policy != SCHED_OTHER)
        return;
    attr.runtime = is_patient ? PATIENT_SLICE_NS : 0; /* 0: the kernel's own */
    syscall(SYS_sched_setattr, tid, &attr, 0);        /* failing costs promptness, no more */
    atomic_store_explicit(&m->is_patient, is_patient, memory_order_relaxed);
}

static void machine_done(struct machine *m)
{
    machine_tls = NULL;
    atomic_store_explicit(&m->tid, 0, memory_order_relaxed);
    overflow_machine_done(m);
}

static void take_proc(struct machine *m, struct proc *p)
{
    m->proc = p;
    atomic_store_explicit(&m->seize, SEIZE_NONE, memory_order_release);
    atomic_store_explicit(&p->machine, m, memory_order_release); /* pairs: the watchdog's acquire */
}

/* The thread's last act. When weft_run has given up waiting, the last thread cleans up for it. */
static void say_end(void)
{
    lock_take(&machines.lock);
    unsigned left = atomic_fetch_sub_explicit(&machines.alive, 1, memory_order_acq_rel) - 1;
    bool is_last = left == 0 && machines.is_abandoned;
    lock_release(&machines.lock);
    if (is_last)
        runtime_release();
    else
        sem_post(&machines.news);
}

static void *machine_thread(void *arg)
{
    struct machine *m = arg;
    int rc = machine_init(m);
    if (rc < 0) { /* whoever gives it a processor would wait for ever */
        fprintf(stderr, "weft: a thread could not be set up: %s\n", strerror(-rc));
        abort();
    }
    machine_loop(m);
    machine_done(m);
    say_end();
    return NULL;
}

static struct machine *record_new_locked(void)
{
    struct machine *m = machines.unused;
    if (m) {
        machines.unused = m->next;
        if (m->has_thread)
            pthread_join(m->thread, NULL); /* it has nothing left to do but to end */
    } else if (machines.records < rt.opts.max_threads && (m = aligned_alloc(64, sizeof *m))) {
        machines.all[machines.records++] = m;
    }
    if (m) {
        memset(m, 0, sizeof *m);
        atomic_store_explicit(&m->in_runtime, true,
                              memory_order_relaxed); /* before it has a proc */
    }
    return m;
}

static int thread_start(struct machine *m)
{
    sigset_t all, old;
    pthread_attr_t attr;
    int rc = -pthread_attr_init(&attr);
    if (rc < 0)
        return rc;
    pthread_attr_setstacksize(&attr, MACHINE_STACK);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the thread that called weft_run */
    atomic_fetch_add_explicit(&machines.alive, 1, memory_order_relaxed);
    m->is_fresh = true;
    rc = -pthread_create(&m->thread, &attr, machine_thread, m);
    m->has_thread = rc == 0;
    if (rc < 0)
        atomic_fetch_sub_explicit(&machines.alive, 1, memory_order_relaxed);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static void complain_locked(int rc)
{
    if (machines.has_complained)
        return;
    machines.has_complained = true;
    if (rc == 0)
        fprintf(stderr,
                "weft: all %d threads are held by coroutines that block or compute; others wait. "
                "Raise max_threads in weft_run_opts, or let fewer block at once\n",
                machines.records);
    else
        fprintf(stderr, "weft: cannot start thread %d: %s; coroutines that block hold processors\n",
                machines.records + 1, strerror(-rc));
}

struct machine *machine_obtain(void)
{
    int rc = 0;
    lock_take(&machines.lock);
    struct machine *m = machines.resting;
    if (m) {
        machines.resting = m->next;
    } else if ((m = record_new_locked()) && (rc = thread_start(m)) < 0) {
        m->next = machines.unused;
        machines.unused = m;
        m = NULL;
    }
    if (!m)
        complain_locked(rc);
    lock_release(&machines.lock);
    return m;
}

static void rest_locked(struct machine *m)
{
    m->next = machines.resting;
    machines.resting = m;
}

void machine_give(struct machine *m, struct proc *p)
{
    if (!p) {
        lock_take(&machines.lock);
        rest_locked(m);
        lock_release(&machines.lock);
        return;
    }
    take_proc(m, p);
    /* pairs: the acquire in machine_rest */
    atomic_fetch_add_explicit(&m->wakes, 1, memory_order_release);
    futex_wake(&m->wakes, 1);
}

static bool is_stopping(void)
{
    return atomic_load_explicit(&rt.state, memory_order_seq_cst) == RT_STOPPING;
}

/* Takes a machine off the resting ones. Returns whether it was there. */
static bool unrest(struct machine *m)
{
    bool found = false;
    lock_take(&machines.lock);
    for (struct machine **at = &machines.resting; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            found = true;
            break;
        }
    if (found) {
        m->next = machines.unused;
        machines.unused = m;
    }
    lock_release(&machines.lock);
    return found;
}

bool machine_rest(struct machine *m)
{
    unsigned wakes = 0;
    if (m->is_fresh) { /* who started it gives it something, or has done so */
        m->is_fresh = false;
    } else {
        machine_set_patient(m, false);
        wakes = atomic_load_explicit(&m->wakes, memory_order_acquire);
        atomic_fetch_sub_explicit(&rt.away, 1, memory_order_release);
        lock_take(&machines.lock);
        rest_locked(m);
        lock_release(&machines.lock);
    }
    for (;;) {
        /* In this order: who stops says so, and then moves the word. */
        bool is_given = atomic_load_explicit(&m->wakes, memory_order_acquire) != wakes;
        if (is_stopping())
            return false;
        if (is_given)
            return true;
        int64_t until = weft_now() + REST_NS;
        futex_wait(&m->wakes, wakes, REST_NS);
        if (weft_now() >= until && unrest(m))
            return false;
    }
}

void machines_wake(void)
{
    lock_take(&machines.lock);
    for (int i = 0; i < machines.records; i++) {
        /* pairs: machine_rest, which may be about to sleep: the word has to move */
        atomic_fetch_add_explicit(&machines.all[i]->wakes, 1, memory_order_release);
        futex_wake(&machines.all[i]->wakes, 1);
    }
    lock_release(&machines.lock);
    sem_post(&machines.news);
}

void machines_each(void (*fn)(struct machine *m, void *arg), void *arg)
{
    lock_take(&machines.lock);
    for (int i = 0; i < machines.records; i++)
        fn(machines.all[i], arg);
    lock_release(&machines.lock);
}

int machines_count(void)
{
    return (int)atomic_load_explicit(&machines.alive, memory_order_relaxed); /* a statistic */
}

int machines_start(void)
{
    int count = proc_count();
    sem_init(&machines.news, 0, 0);
    for (int i = 0; i < count; i++) {
        struct machine *m = machine_obtain();
        if (!m) {
            runtime_stop(-EAGAIN);
            return -EAGAIN;
        }
        machine_give(m, &rt.procs[i]);
    }
    return 0;
}

int machines_wait(int64_t grace_ns)
{
    while (!is_stopping())
        sem_wait(&machines.news); /* a signal may end it early */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += grace_ns / WEFT_SEC;
    while (atomic_load_explicit(&machines.alive, memory_order_acquire))
        if (sem_timedwait(&machines.news, &until) < 0 && errno == ETIMEDOUT)
            break;
    lock_take(&machines.lock);
    int alive = (int)atomic_load_explicit(&machines.alive, memory_order_acquire);
    machines.is_abandoned = alive > 0;
    lock_release(&machines.lock);
    return alive;
}

void machines_done(void)
{
    for (int i = 0; i < machines.records; i++) {
        struct machine *m = machines.all[i];
        if (m->has_thread && pthread_equal(m->thread, pthread_self()))
            pthread_detach(m->thread);
        else if (m->has_thread)
            pthread_join(m->thread, NULL);
        free(m);
    }
    memset(machines.all, 0, (size_t)machines.records * sizeof *machines.all);
    machines.records = 0;
    machines.resting = machines.unused = NULL;
    machines.has_complained = machines.is_abandoned = false;
    sem_destroy(&machines.news);
}
