/* overflow.c: a coroutine that overflows its stack dies with a report, not with a riddle.
 *
 * The guard at the stack's low end traps; the handler runs on an alternate stack, says which
 * coroutine it was and what to set, and hands the signal on to whoever had it before, so that the
 * process ends with a core as it would have. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc.h"
#include "symbol.h"

enum { ALT_STACK_BYTES = 32 * 1024 };

static void say(const char *text, int len)
{
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)len);
    (void)ignored;
}

/* Writes to stderr what is known; only calls that are safe enough in a process about to die. */
static void report(const struct coro *c)
{
    char text[512], where[256];
    say(text, snprintf(text, sizeof text,
                       "weft: coroutine %llu%s%s%s overflowed its stack of %zu KB: set a larger "
                       "stack_size in weft_go_opts or weft_run_opts, or put large arrays on the "
                       "heap\n",
                       (unsigned long long)c->id, c->name ? " \"" : "", c->name ? c->name : "",
                       c->name ? "\"" : "", ((size_t)1 << c->size_log) / 1024));
    /* Apart, because looking for the name may meet a lock that somebody else holds. */
    say(text, snprintf(text, sizeof text, "weft: it was spawned at %p", c->spawned_at));
    say(text,
        snprintf(text, sizeof text, ", %s\n", symbol_describe(c->spawned_at, where, sizeof where)));
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    struct machine *m = machine_self();
    const char *at = info->si_addr;
    bool is_sent = info->si_code <= 0; /* by kill or raise: there is no address */
    if (!is_sent && m && m->current) {
        const struct coro *c = m->current;
        if (at >= c->low && at < c->low + stack_guard_bytes(c->size_log))
            report(c);
    }
    /* The fault repeats on return, and meets the handler that was there before. A signal that was
     * sent does not repeat; raised here, it is blocked until the return. */
    sigaction(sig, sig == SIGSEGV ? &rt.old_segv : &rt.old_bus, NULL);
    if (is_sent)
        raise(sig);
}

int overflow_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &rt.old_segv) < 0 ||
        sigaction(SIGBUS, &action, &rt.old_bus) < 0)
        return -errno;
    return 0;
}

void overflow_uninstall(void)
{
    sigaction(SIGSEGV, &rt.old_segv, NULL);
    sigaction(SIGBUS, &rt.old_bus, NULL);
}

int overflow_machine_init(struct machine *m)
{
    m->alt_stack = malloc(ALT_STACK_BYTES);
    if (!m->alt_stack)
        return -ENOMEM;
    stack_t alt = {.ss_sp = m->alt_stack, .ss_size = ALT_STACK_BYTES};
    if (sigaltstack(&alt, &m->old_alt_stack) < 0) {
        int err = errno;
        free(m->alt_stack);
        m->alt_stack = NULL;
        return -err;
    }
    return 0;
}

void overflow_machine_done(struct machine *m)
{
    sigaltstack(&m->old_alt_stack, NULL);
    free(m->alt_stack);
    m->alt_stack = NULL;
}
