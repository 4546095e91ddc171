/* report.c: lists of coroutines.
 *
 * Nobody keeps such a list while the program runs: control blocks are found where they are, at the
 * tops of the stacks of all slabs. To read a parked coroutine's stack it is pinned, and a machine
 * that wants to enter it waits for the moment; see coro.c. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>
#include <weft/debug.h>

#include "group.h"
#include "leftover.h"
#include "machine.h"
#include "proc.h"
#include "sample.h"
#include "switch.h"
#include "symbol.h"

enum { FRAMES_MAX = 48, LEAKS_LISTED = 20, DEADLOCKED_LISTED = 100 };

static struct {
    struct lock lock; /* over walks, against the runtime's end */
    struct sigaction old_quit;
    bool has_quit;
    _Atomic(bool) is_wanted;
} report;

void report_walk_begin(void)
{
    lock_take(&report.lock);
}

void report_walk_end(void)
{
    lock_release(&report.lock);
}

/* ---- finding them ---- */

/* What is known of one, copied. */
struct sight {
    uint64_t id;
    const char *name;
    const void *spawned_at;
    int64_t since;
    uint8_t state, wait_reason, size_log;
    int frame_count;
    const void *frames[FRAMES_MAX];
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct sight *s = arg;
    const void *at = (const void *)_Unwind_GetIP(context);
    if (!at || s->frame_count == FRAMES_MAX)
        return _URC_END_OF_STACK;
    s->frames[s->frame_count++] = at;
    return _URC_NO_REASON;
}

static void unwind(void *arg)
{
    _Unwind_Backtrace(add_frame, arg);
    __asm__ volatile(""); /* no tail call: this frame is counted */
}

/* Drops the frames of the walk itself and of the park: what is left begins in the caller's code. */
static void drop_frames(struct sight *s, int count)
{
    if (s->frame_count <= count)
        return;
    s->frame_count -= count;
    memmove(s->frames, s->frames + count, (size_t)s->frame_count * sizeof *s->frames);
}

/* Copies what c is. Returns false for a stack without a coroutine. */
static bool look_at(struct coro *c, struct sight *s, bool with_frames)
{
    if (atomic_load_explicit(&c->state, memory_order_acquire) == CORO_FREE)
        return false;
    atomic_store_explicit(&c->is_pinned, true, memory_order_relaxed); /* the walk is ours alone */
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);  /* pairs: coro_enter */
    s->state = atomic_load_explicit(&c->state, memory_order_acquire);
    s->frame_count = 0;
    s->id = c->id;
    s->name = c->name;
    s->spawned_at = c->spawned_at;
    s->wait_reason = atomic_load_explicit(&c->wait_reason, memory_order_relaxed);
    s->size_log = c->size_log;
    s->since = atomic_load_explicit(&c->since, memory_order_relaxed);
    if (s->state == CORO_PARKED && with_frames) {
        context_visit(c->sp, unwind, s);
        drop_frames(s, 2); /* unwind, context_visit */
    }
    atomic_store_explicit(&c->is_pinned, false, memory_order_release);
    return s->state != CORO_FREE;
}

typedef void visit_sight(const struct sight *s, void *arg);

static void visit_all(bool with_frames, visit_sight *visit, void *arg)
{
    struct stack_cursor at = {0};
    struct stack_class *class;
    char *low;
    report_walk_begin();
    while ((low = stack_next(rt.stacks, &at, &class))) {
        struct sight s;
        if (look_at(coro_at(low, class->size_log), &s, with_frames))
            visit(&s, arg);
    }
    report_walk_end();
}

/* ---- writing them ---- */

struct writer {
    int fd;
    int error;
    int64_t now;
    int listed, most;
    struct sample *samples; /* of coroutines that run */
    int sample_count;
};

__attribute__((format(printf, 2, 3))) static void say(struct writer *w, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t at = 0; at < len && !w->error;) {
        ssize_t done = write(w->fd, text + at, len - at);
        if (done > 0)
            at += (size_t)done;
        else if (done < 0 && errno != EINTR && errno != EAGAIN)
            w->error = -EIO;
    }
}

static void say_age(struct writer *w, int64_t since)
{
    int64_t age = w->now > since ? w->now - since : 0;
    if (age >= WEFT_SEC)
        say(w, " for %" PRId64 " s", age / WEFT_SEC);
    else
        say(w, " for %" PRId64 " ms", age / WEFT_MS);
}

static void say_frames(struct writer *w, const void *const *frames, int count)
{
    char text[512];
    for (int i = 0; i < count; i++) /* return addresses: one back is inside the call */
        say(w, "    %s\n", symbol_describe((const char *)frames[i] - (i > 0), text, sizeof text));
}

static void say_sight(const struct sight *s, void *arg)
{
    struct writer *w = arg;
    char text[512];
    if (w->listed++ >= w->most)
        return;
    say(w, "coroutine %" PRIu64 "%s%s%s: ", s->id, s->name ? " \"" : "", s->name ? s->name : "",
        s->name ? "\"" : "");
    if (s->state == CORO_PARKED) {
        say(w, "waits in %s", wait_reason_text(s->wait_reason));
        say_age(w, s->since);
    } else if (s->state == CORO_RUNNING && s->wait_reason == WAIT_BLOCKING) {
        say(w, "runs, in a blocking call");
    } else {
        say(w, s->state == CORO_RUNNING ? "runs" : "is about to run");
    }
    say(w, "; spawned at %s\n", symbol_describe(s->spawned_at, text, sizeof text));
    say_frames(w, s->frames, s->frame_count);
    for (int i = 0; s->state == CORO_RUNNING && i < w->sample_count; i++)
        if (w->samples[i].id == s->id)
            say_frames(w, w->samples[i].frames, w->samples[i].frame_count);
}

static bool is_running(void)
{
    int state = atomic_load_explicit(&rt.state, memory_order_acquire);
    return state == RT_RUNNING || state == RT_STOPPING;
}

int weft_dump(int fd)
{
    struct writer w = {.fd = fd, .now = weft_now(), .most = INT32_MAX};
    if (!is_running())
        return -ESRCH;
    int most = machines_count();
    say(&w, "weft: coroutines on %d processors, %d threads:\n", weft_num_procs(), most);
    w.samples = calloc((size_t)most, sizeof *w.samples); /* without memory: without them */
    report_walk_begin();
    if (w.samples)
        w.sample_count = sample_all(w.samples, most);
    report_walk_end();
    visit_all(true, say_sight, &w);
    free(w.samples);
    say(&w, "weft: %d coroutines\n", w.listed);
    return w.error;
}

/* ---- on SIGQUIT ---- */

static void on_quit(int sig)
{
    int saved = errno;
    (void)sig;
    atomic_store_explicit(&report.is_wanted, true, memory_order_release);
    watch_wake();
    errno = saved;
}

void report_install(void)
{
    struct sigaction action = {.sa_handler = on_quit, .sa_flags = SA_RESTART};
    sample_install();
    sigemptyset(&action.sa_mask);
    report.has_quit = sigaction(SIGQUIT, NULL, &report.old_quit) == 0 &&
                      report.old_quit.sa_handler == SIG_DFL &&
                      sigaction(SIGQUIT, &action, NULL) == 0;
}

void report_uninstall(void)
{
    if (report.has_quit)
        sigaction(SIGQUIT, &report.old_quit, NULL);
    report.has_quit = false;
    sample_uninstall();
    symbol_done();
}

bool report_is_wanted(void)
{
    return atomic_load_explicit(&report.is_wanted, memory_order_acquire);
}

void report_all(void)
{
    atomic_store_explicit(&report.is_wanted, false, memory_order_relaxed);
    (void)weft_dump(STDERR_FILENO); /* nobody is there to be told */
}

/* ---- deadlock ---- */

/* Whether something outside could still wake somebody: a timer, a descriptor, another thread. */
static bool is_hope(void)
{
    struct stat st;
    if (atomic_load_explicit(&rt.away, memory_order_acquire) ||
        atomic_load_explicit(&rt.global_count, memory_order_acquire))
        return true;
    int count = proc_count();
    for (int i = 0; i < count; i++) {
        struct proc *p = &rt.procs[i];
        if (timers_first(&p->timers) != TIMER_NEVER || proc_has_work(p) ||
            atomic_load_explicit(&p->registered, memory_order_relaxed))
            return true;
    }
    /* Ours: the machines, the watchdog, who called weft_run, and perhaps a sanitizer's. */
    int ours = machines_count() + 2;
    return stat("/proc/self/task", &st) < 0 || (int)st.st_nlink - 2 < ours ||
           (int)st.st_nlink - 2 > ours + SAN_THREADS;
}

bool report_deadlock(void)
{
    struct writer w = {.fd = STDERR_FILENO, .now = weft_now(), .most = DEADLOCKED_LISTED};
    if (!is_running() || is_hope())
        return false;
    say(&w, "weft: deadlock: all coroutines wait, and nothing is left that could wake one:\n");
    visit_all(true, say_sight, &w);
    if (w.listed > w.most)
        say(&w, "and %d more\n", w.listed - w.most);
    return true;
}

/* ---- leaks ---- */

/* Those that were spawned at one place and wait for one thing. */
struct leak {
    const void *spawned_at;
    const char *name;
    uint8_t state, wait_reason;
    int64_t since; /* the oldest */
    int count;
};

struct leaks {
    struct leak kinds[LEAKS_LISTED];
    int kind_count, count, uncounted;
};

static void add_leak(const struct sight *s, void *arg)
{
    struct leaks *all = arg;
    all->count++;
    for (int i = 0; i < all->kind_count; i++) {
        struct leak *l = &all->kinds[i];
        if (l->spawned_at != s->spawned_at || l->wait_reason != s->wait_reason ||
            l->state != s->state)
            continue;
        l->count++;
        l->since = s->since < l->since ? s->since : l->since;
        return;
    }
    if (all->kind_count == LEAKS_LISTED) {
        all->uncounted++;
        return;
    }
    all->kinds[all->kind_count++] = (struct leak){s->spawned_at,  s->name,  s->state,
                                                  s->wait_reason, s->since, 1};
}

/* One that has not even begun. */
static void add_spawn(const struct spawn *s, void *arg)
{
    struct sight sight = {.spawned_at = s->spawned_at, .name = s->name, .state = CORO_READY};
    add_leak(&sight, arg);
}

int report_leaks(void)
{
    struct writer w = {.fd = STDERR_FILENO, .now = weft_now()};
    struct leaks all = {.count = 0};
    char text[512];
    visit_all(false, add_leak, &all);
    leftovers_take(add_spawn, &all);
    if (all.count == 0)
        return 0;
    say(&w, "weft: %d coroutines had not ended when the first one did:\n", all.count);
    for (int i = 0; i < all.kind_count; i++) {
        const struct leak *l = &all.kinds[i];
        say(&w, "  %d%s%s", l->count, l->name ? " " : "", l->name ? l->name : "");
        if (l->state == CORO_PARKED) {
            say(&w, " waiting in %s", wait_reason_text(l->wait_reason));
            say_age(&w, l->since);
        } else {
            say(&w, " not yet begun");
        }
        say(&w, ", spawned at %s\n", symbol_describe(l->spawned_at, text, sizeof text));
    }
    if (all.uncounted)
        say(&w, "  and %d of other kinds\n", all.uncounted);
    return all.count;
}

void report_open_group(const struct coro *c)
{
    char text[512];
    fprintf(stderr,
            "weft: coroutine %" PRIu64 " left a group open, whose children may be running: "
            "weft_group_wait was not called for the one opened at %s. WEFT_GROUP_SCOPED does it by "
            "itself\n",
            c->id, symbol_describe(c->groups->opened_at, text, sizeof text));
    abort();
}
