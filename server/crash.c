/* crash.c: only calls that are safe enough in a process about to die; the frames come from the
 * unwinder, which follows a coroutine's stack to its end. */
#include "crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum { FRAMES_MAX = 48, OWN_FRAMES = 1 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

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
    int count = backtrace(frames, FRAMES_MAX);
    if (count > OWN_FRAMES)
        backtrace_symbols_fd(frames + OWN_FRAMES, count - OWN_FRAMES, STDERR_FILENO);
    signal(sig, SIG_DFL); /* on return it comes again, and ends the process with a core */
    if (sig == SIGABRT)
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
