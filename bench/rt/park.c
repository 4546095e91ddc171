/* park.c: what coroutines that wait, or have not run yet, take. */
#include <errno.h>
#include <stdatomic.h>

#include "bench.h"

enum { PARKED = 1000000, SLEEPERS = 1000000, UNRUN = 50000 };

static void sleep_a_second(void *arg)
{
    weft_sleep(WEFT_SEC);
    weft_wg_done(arg);
}

/* A million that sleep a second; printed again without that second. */
static int64_t sleepers_million(void)
{
    weft_wg wg = WEFT_WG_INIT;
    int64_t before = weft_now();
    weft_wg_add(&wg, SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        if (weft_go(sleep_a_second, &wg) != 0)
            return -1;
    weft_wg_wait(&wg);
    int64_t ns = weft_now() - before;
    bench_print("sleepers_million", (double)ns / SLEEPERS);
    bench_print("sleepers_million_overhead", (double)(ns - WEFT_SEC) / SLEEPERS);
    return 0;
}

struct gate {
    weft_wg arrived, left;
    weft_chan *opens;
};

static void wait_at(void *arg)
{
    struct gate *gate = arg;
    char nothing;
    weft_wg_done(&gate->arrived);
    if (weft_chan_recv(gate->opens, &nothing) == -EPIPE)
        weft_wg_done(&gate->left);
}

/* A million that wait for a channel. */
static int64_t parked_million(void)
{
    struct gate gate = {WEFT_WG_INIT, WEFT_WG_INIT, weft_chan_new(0, 0)};
    int64_t before = bench_memory();
    weft_wg_add(&gate.arrived, PARKED);
    weft_wg_add(&gate.left, PARKED);
    for (int i = 0; i < PARKED; i++)
        if (weft_go(wait_at, &gate) != 0)
            return -1;
    weft_wg_wait(&gate.arrived);
    bench_print("parked_million_bytes", (double)(bench_memory() - before) / PARKED);
    weft_chan_close(gate.opens);
    weft_wg_wait(&gate.left);
    weft_chan_free(gate.opens);
    return 0;
}

struct started {
    weft_wg left;
    atomic_int count;
};

static void count_start(void *arg)
{
    struct started *s = arg;
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    weft_wg_done(&s->left);
}

/* Fifty thousand on one processor, which their spawner keeps meanwhile. */
static int64_t unrun(void)
{
    struct started s = {WEFT_WG_INIT, 0};
    if (weft_set_procs(1) < 0)
        return -1;
    weft_sleep(WEFT_MS); /* until this runs on the one that is left */
    int64_t before = bench_memory();
    weft_wg_add(&s.left, UNRUN);
    for (int i = 0; i < UNRUN; i++)
        if (weft_go(count_start, &s) != 0)
            return -1;
    int waiting = UNRUN - atomic_load_explicit(&s.count, memory_order_relaxed);
    bench_print("unrun_bytes", (double)(bench_memory() - before) / waiting);
    weft_wg_wait(&s.left);
    return 0;
}

const struct bench park_benches[] = {
    {"sleepers_million", sleepers_million},
    {"parked_million", parked_million},
    {"unrun", unrun},
    {NULL, NULL},
};
