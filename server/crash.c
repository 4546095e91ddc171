/* crash.c: only calls that are safe enough in a process about to die; the frames come from the
 * unwinder, which follows a coroutine's stack to its end. */
#include "crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum { FRAMES_MAX = 48, OWN_FRAMES = 1, REPORT_SECONDS_MAX = 2 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static void say_frames(void *const frames[], int count)
{
    for (int i = OWN_FRAMES; i < count; i++) {
        char where[200], line[220];
        /* Frames above the handler's and the signal's own are return addresses: the call is before
         * them. */
        const char *at = (const char *)frames[i] - (i > OWN_FRAMES + 1);
        int n = snprintf(line, sizeof line, "  %s\n", weft_describe_code(at, where, sizeof where));
        ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
        (void)ignored;
    }
}

static void on_fatal(int sig, siginfo_t *info, void *context)
{
    char text[160];
    void *frames[FRAMES_MAX];
    (void)context;
    int n = snprintf(text, sizeof text,
                     "weft: worker %d: signal %d (%s) at address %p%s; back trace:\n",
                     (int)getpid(), sig, strsignal(sig), info->si_addr,
                     weft_in_coroutine() ? " in a coroutine" : "");
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)n);
    (void)ignored;
    /* Naming functions takes the loader's lock: should a dead thread have it, this one ends too. */
    signal(SIGALRM, SIG_DFL);
    alarm(REPORT_SECONDS_MAX);
    say_frames(frames, backtrace(frames, FRAMES_MAX));
    signal(sig, SIG_DFL); /* on return it comes again, and ends the process with a core */
    if (sig == SIGABRT || info->si_code <= 0) /* what was sent does not come again by itself */
        raise(sig);
}

void crash_report_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    void *frame;
    backtrace(&frame, 1); /* loads the unwinder while allocating is safe */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaction(fatal[i], &action, NULL);
}
