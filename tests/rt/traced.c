/* A program with something of everything that a trace shows; see test_trace.py. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

enum { SPAWNED = 200 };

static int block_shortly(void *arg)
{
    (void)arg;
    usleep(2000);
    return 0;
}

static void compute(void *arg)
{
    int64_t until = weft_now() + 200 * WEFT_US;
    while (weft_now() < until)
        ;
    weft_wg_done(arg);
}

static void hold(void *arg)
{
    int64_t until = weft_now() + 40 * WEFT_MS; /* loses its processor */
    while (weft_now() < until)
        ;
    weft_sleep(WEFT_MS);
    weft_wg_done(arg);
}

struct echo {
    weft_chan *ch;
    int fd;
    weft_wg *wg;
    _Atomic(int) is_about_to_wait;
};

static void answer(void *arg)
{
    struct echo *e = arg;
    char byte;
    e->is_about_to_wait = 1;
    if (weft_poll(e->fd, WEFT_READABLE, WEFT_NO_DEADLINE) < 0 || read(e->fd, &byte, 1) != 1)
        abort();
    for (int i = 0; i < 20; i++)
        if (weft_chan_send(e->ch, &i) < 0)
            abort();
    weft_wg_done(e->wg);
}

/* Until a processor has stolen from the other one, as it does whenever it is idle meanwhile. */
static void be_stolen_from(void)
{
    weft_stats stats = {0};
    for (int round = 0; round < 1000 && stats.steals == 0; round++) {
        weft_wg wg = WEFT_WG_INIT;
        weft_wg_add(&wg, 10);
        for (int i = 0; i < 10; i++)
            weft_go(compute, &wg);
        if (weft_wg_wait(&wg) < 0 || weft_get_stats(-1, &stats) < 0)
            abort();
    }
}

static int traced(void *arg)
{
    int pair[2], v;
    weft_wg wg = WEFT_WG_INIT;
    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    struct echo e = {weft_chan_new(sizeof(int), 0), pair[0], &wg, 0};
    weft_wg_add(&wg, SPAWNED + 2);
    weft_go(hold, &wg);
    weft_go(answer, &e);
    for (int i = 0; i < SPAWNED; i++)
        weft_go(compute, &wg);
    while (!e.is_about_to_wait)
        weft_sleep(WEFT_MS);
    weft_sleep(20 * WEFT_MS);
    if (write(pair[1], "x", 1) != 1)
        return 1;
    for (int i = 0; i < 20; i++)
        if (weft_chan_recv(e.ch, &v) < 0)
            return 1;
    weft_blocking(block_shortly, NULL);
    weft_sleep(WEFT_MS);
    int rc = weft_wg_wait(&wg);
    be_stolen_from();
    weft_chan_free(e.ch);
    close(pair[0]);
    close(pair[1]);
    return rc;
}

static int by_hand(void *arg)
{
    const char *path = arg;
    if (weft_trace_stop(path) != -3 || weft_trace_start() != 0 || weft_trace_start() != -16)
        return 2; /* -ESRCH, -EBUSY */
    int rc = traced(NULL);
    return rc ? rc : weft_trace_stop(path);
}

/* With an argument the trace is started and stopped by the program, and written there. */
int main(int argc, char **argv)
{
    weft_run_opts opts = {.procs = 2};
    if (weft_trace_start() != -3)
        return 3;
    return weft_run_with(&opts, argc > 1 ? by_hand : traced, argc > 1 ? argv[1] : NULL);
}
