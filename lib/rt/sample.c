/* sample.c: back traces of coroutines that run, taken by a signal's handler on their machine.
 *
 *   target:  NULL -> machine      the reporter wants to know, and sends the signal
 *            machine -> BUSY      its handler has come
 *            BUSY -> DONE         and has filled the sample in
 *            machine -> NULL      it has not come in time: a late one finds nothing to do
 *
 * SIGURG is ignored by default, and few programs use it (Go's runtime chose it, too). System calls
 * go on after it, but for those that never do: a nanosleep or poll of the program's own returns
 * early, as after any signal. */
#include "sample.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "futex.h"
#include "machine.h"
#include "proc.h"

static const int64_t PATIENCE_NS = 20 * WEFT_MS;      /* with one machine */
static const int64_t PATIENCE_ALL_NS = 200 * WEFT_MS; /* with all of them */

static struct machine busy, done; /* states of the target, which no machine has as its address */

static struct {
    _Atomic(struct machine *) target;
    _Atomic(unsigned) news; /* futex: moves when a handler has done its work */
    struct sample sample;   /* the handler's while BUSY, else the reporter's */
    const void *interrupted_at;
    bool is_inside; /* the frames of the handler itself have been passed */
    struct sigaction old;
    bool is_installed;
} sampler;

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct sample *s = &sampler.sample;
    const void *at = (const void *)_Unwind_GetIP(context);
    (void)arg;
    sampler.is_inside = sampler.is_inside || at == sampler.interrupted_at;
    if (!at || s->frame_count == SAMPLE_FRAMES)
        return _URC_END_OF_STACK;
    if (sampler.is_inside)
        s->frames[s->frame_count++] = at;
    return _URC_NO_REASON;
}

#if defined(__x86_64__)
static const void *pc_of(const ucontext_t *u)
{
    return (const void *)u->uc_mcontext.gregs[REG_RIP];
}

static const char *sp_of(const ucontext_t *u)
{
    return (const char *)u->uc_mcontext.gregs[REG_RSP];
}
#else
static const void *pc_of(const ucontext_t *u)
{
    return (const void *)u->uc_mcontext.pc;
}

static const char *sp_of(const ucontext_t *u)
{
    return (const char *)u->uc_mcontext.sp;
}
#endif

/* On the machine's alternate stack: the coroutine's own may be small. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    struct machine *m = machine_self(), *wanted = m;
    (void)sig, (void)info;
    if (!m || !atomic_compare_exchange_strong_explicit(&sampler.target, &wanted, &busy,
                                                       memory_order_acq_rel, memory_order_relaxed))
        return;
    const struct coro *c = m->current;
    const char *sp = sp_of(context);
    sampler.sample.frame_count = 0;
    if (c && sp > c->low && sp < c->low + ((size_t)1 << c->size_log)) {
        sampler.sample.id = c->id;
        sampler.interrupted_at = pc_of(context);
        sampler.is_inside = false;
        _Unwind_Backtrace(add_frame, NULL);
    }
    atomic_store_explicit(&sampler.target, &done, memory_order_release);
    atomic_fetch_add_explicit(&sampler.news, 1, memory_order_release);
    futex_wake(&sampler.news, 1);
}

/* Waits until the handler has done its work. Returns whether it has. */
static bool await(struct machine *m, int64_t until)
{
    for (;;) {
        unsigned news = atomic_load_explicit(&sampler.news, memory_order_acquire);
        struct machine *is = atomic_load_explicit(&sampler.target, memory_order_acquire);
        if (is == &done)
            return true;
        int64_t left = until - weft_now();
        if (left <= 0 && is == m &&
            atomic_compare_exchange_strong_explicit(&sampler.target, &is, NULL,
                                                    memory_order_acq_rel, memory_order_acquire))
            return false;
        futex_wait(&sampler.news, news, left > 0 ? left : WEFT_MS);
    }
}

struct collection {
    struct sample *samples;
    int count, most;
    int64_t until;
};

static void sample_one(struct machine *m, void *arg)
{
    struct collection *all = arg;
    int tid = atomic_load_explicit(&m->tid, memory_order_relaxed); /* relaxed: a number */
    int64_t now = weft_now();
    if (tid == 0 || all->count == all->most || now >= all->until)
        return;
    atomic_store_explicit(&sampler.target, m, memory_order_release);
    bool is_there = syscall(SYS_tgkill, getpid(), tid, SIGURG) == 0 && await(m, now + PATIENCE_NS);
    if (is_there && sampler.sample.frame_count > 0)
        all->samples[all->count++] = sampler.sample;
    atomic_store_explicit(&sampler.target, NULL, memory_order_relaxed);
}

int sample_all(struct sample *samples, int most)
{
    struct collection all = {samples, 0, most, weft_now() + PATIENCE_ALL_NS};
    if (sampler.is_installed)
        machines_each(sample_one, &all);
    return all.count;
}

void sample_install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sampler.is_installed = sigaction(SIGURG, NULL, &sampler.old) == 0 &&
                           sampler.old.sa_handler == SIG_DFL &&
                           sigaction(SIGURG, &action, NULL) == 0;
}

void sample_uninstall(void)
{
    if (sampler.is_installed)
        sigaction(SIGURG, &sampler.old, NULL);
    sampler.is_installed = false;
}

void sample_allow(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    if (sampler.is_installed)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
