/* A program to look at with gdb; see test_gdb.py. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

__attribute__((noinline)) void reached(void);

static int dies;

/* Where the debugger stops, or the core comes from: all wait, but the one that calls this. */
__attribute__((noinline)) void reached(void)
{
    if (dies)
        abort();
}

__attribute__((noinline)) static int wait_inside(weft_chan *ch, int depth)
{
    volatile int answer = 4000 + depth;
    if (depth > 0)
        return wait_inside(ch, depth - 1) + answer;
    return weft_chan_recv(ch, NULL) + answer;
}

static void wait_deep(void *arg)
{
    if (wait_inside(arg, 2) == 0)
        abort();
}

static void sleep_long(void *arg)
{
    (void)arg;
    if (weft_sleep(3600 * WEFT_SEC) == 0)
        abort();
}

static int parked(void *arg)
{
    weft_chan *ch = weft_chan_new(0, 0);
    (void)arg;
    weft_go_with(&(weft_go_opts){.name = "deep"}, wait_deep, ch);
    weft_go_with(&(weft_go_opts){.stack_size = 64 * 1024}, sleep_long, NULL);
    weft_sleep(20 * WEFT_MS);
    reached();
    weft_chan_close(ch);
    return 0;
}

/* With an argument it leaves a core. */
int main(int argc, char **argv)
{
    (void)argv;
    dies = argc > 1;
    return weft_run_with(&(weft_run_opts){.procs = 2, .leaks = WEFT_LEAKS_IGNORE}, parked, NULL);
}
