/* planted.c: bugs on purpose, one a name, for test_planted.py to see that the sanitizers and
 * Valgrind find them in coroutines, and call them by their names. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define NOINLINE __attribute__((noinline))

static volatile long sink;

/* ---- a data race ---- */

static long balance;
static _Atomic(int) arrived;
static weft_wg running = WEFT_WG_INIT;

/* Both are on machines at once. relaxed: it must not order them. */
static void meet(void)
{
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < 2)
        continue;
}

static NOINLINE void pay_in(void)
{
    balance = balance + 1;
}

static NOINLINE void pay_out(void)
{
    balance = balance - 1;
}

static void saver(void *arg)
{
    (void)arg;
    weft_yield();
    meet();
    pay_in();
    weft_wg_done(&running);
}

static void spender(void *arg)
{
    (void)arg;
    weft_yield();
    meet();
    pay_out();
    weft_wg_done(&running);
}

static int race(void *arg)
{
    (void)arg;
    weft_wg_add(&running, 2);
    weft_go(saver, NULL);
    weft_go(spender, NULL);
    return weft_wg_wait(&running);
}

/* ---- memory ---- */

static NOINLINE long read_freed(long *p)
{
    weft_yield();
    return p[3];
}

static int use_after_free(void *arg)
{
    (void)arg;
    long *p = calloc(8, sizeof *p);
    sink = p[3];
    free(p);
    sink = read_freed(p);
    return 0;
}

static NOINLINE void write_past(char *buf, size_t len)
{
    weft_yield(); /* perhaps on another machine now */
    memset(buf, 'x', len);
}

static int buffer(void *arg)
{
    char buf[32];
    write_past(buf, sizeof buf + (arg != NULL));
    sink = buf[3];
    return 0;
}

static NOINLINE long sink_deep(long n) /* NOLINT: for ever */
{
    volatile char frame[512];
    frame[n % 512] = (char)n;
    return n ? sink_deep(n + 1) + frame[3] : 0;
}

static int overflow(void *arg)
{
    (void)arg;
    sink = sink_deep(1);
    return 0;
}

static NOINLINE int judge(const int *p)
{
    weft_yield();
    return *p > 3 ? 1 : 2;
}

static int uninitialised(void *arg)
{
    (void)arg;
    int *p = malloc(sizeof *p);
    sink = judge(p);
    free(p);
    return 0;
}

/* ---- nothing ---- */

static void add_up(void *arg)
{
    weft_chan *ch = arg;
    long sum = 0, v;
    while (weft_chan_recv(ch, &v) == 0)
        sum += v;
    sink = sum;
    weft_wg_done(&running);
}

static int nothing(void *arg)
{
    (void)arg;
    weft_chan *ch = weft_chan_new(sizeof(long), 1);
    weft_wg_add(&running, 1);
    weft_go(add_up, ch);
    for (long i = 0; i < 100; i++)
        if (weft_chan_send(ch, &i) < 0)
            return 1;
    weft_chan_close(ch);
    if (weft_wg_wait(&running) < 0)
        return 1;
    weft_chan_free(ch);
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void *arg);
} bugs[] = {{"race", race},         {"use_after_free", use_after_free}, {"buffer", buffer},
            {"overflow", overflow}, {"uninitialised", uninitialised},   {"nothing", nothing}};

int main(int argc, char **argv)
{
    weft_run_opts opts = {.procs = 2};
    for (size_t i = 0; argc == 2 && i < sizeof bugs / sizeof *bugs; i++)
        if (strcmp(argv[1], bugs[i].name) == 0)
            return weft_run_with(&opts, bugs[i].fn, argv);
    fprintf(stderr, "usage: planted race|use_after_free|buffer|overflow|uninitialised|nothing\n");
    return 2;
}
