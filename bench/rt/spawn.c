/* spawn.c: spawning, ending and yielding. */
#include "bench.h"

enum { SPAWNS = 1000000, ONES = 500000, YIELDS = 2000000, FIB_OF = 22 };

static void done(void *arg)
{
    weft_wg_done(arg);
}

/* Spawns a million, then waits for them. */
static int64_t spawn_join(void)
{
    weft_wg wg = WEFT_WG_INIT;
    weft_wg_add(&wg, SPAWNS);
    for (int i = 0; i < SPAWNS; i++)
        if (weft_go(done, &wg) != 0)
            return -1;
    weft_wg_wait(&wg);
    return SPAWNS;
}

/* Spawns one and waits for it, time and again. */
static int64_t spawn_one(void)
{
    for (int i = 0; i < ONES; i++) {
        weft_wg wg = WEFT_WG_INIT;
        weft_wg_add(&wg, 1);
        if (weft_go(done, &wg) != 0)
            return -1;
        weft_wg_wait(&wg);
    }
    return ONES;
}

static void yield_often(void *arg)
{
    for (int i = 0; i < YIELDS / 2; i++)
        weft_yield();
    weft_wg_done(arg);
}

/* Two that yield, to each other where there is one processor. */
static int64_t yield(void)
{
    weft_wg wg = WEFT_WG_INIT;
    weft_wg_add(&wg, 2);
    weft_go(yield_often, &wg);
    weft_go(yield_often, &wg);
    weft_wg_wait(&wg);
    return YIELDS;
}

struct skynet {
    int64_t number, size;
    int64_t *ret_sum;
    weft_wg *parent;
};

/* Each spawns ten until there are a million, which sum up their numbers. */
static void skynet_node(void *arg)
{
    struct skynet *s = arg;
    if (s->size == 1) {
        *s->ret_sum = s->number;
    } else {
        int64_t sums[10], sum = 0;
        weft_wg wg = WEFT_WG_INIT;
        weft_wg_add(&wg, 10);
        for (int i = 0; i < 10; i++) {
            struct skynet child = {s->number + i * (s->size / 10), s->size / 10, &sums[i], &wg};
            weft_go_copy(skynet_node, &child, sizeof child);
        }
        weft_wg_wait(&wg);
        for (int i = 0; i < 10; i++)
            sum += sums[i];
        *s->ret_sum = sum;
    }
    weft_wg_done(s->parent);
}

static int64_t skynet(void)
{
    int64_t sum;
    weft_wg wg = WEFT_WG_INIT;
    struct skynet root = {0, 1000000, &sum, &wg};
    weft_wg_add(&wg, 1);
    weft_go_copy(skynet_node, &root, sizeof root);
    weft_wg_wait(&wg);
    return sum == INT64_C(499999500000) ? 1111111 : -1;
}

struct fib {
    int n;
    int *ret;
    weft_wg *parent;
};

static void fib_node(void *arg)
{
    struct fib *f = arg;
    int a = f->n, b = 0;
    if (f->n >= 2) {
        weft_wg wg = WEFT_WG_INIT;
        weft_wg_add(&wg, 2);
        weft_go_copy(fib_node, &(struct fib){f->n - 1, &a, &wg}, sizeof(struct fib));
        weft_go_copy(fib_node, &(struct fib){f->n - 2, &b, &wg}, sizeof(struct fib));
        weft_wg_wait(&wg);
    }
    *f->ret = a + b;
    weft_wg_done(f->parent);
}

/* Ten times, to be long enough to measure. */
static int64_t fib22(void)
{
    enum { TIMES = 10, CALLS = 57313 }; /* the calls that fib(22) makes */
    for (int i = 0; i < TIMES; i++) {
        int result;
        weft_wg wg = WEFT_WG_INIT;
        weft_wg_add(&wg, 1);
        weft_go_copy(fib_node, &(struct fib){FIB_OF, &result, &wg}, sizeof(struct fib));
        weft_wg_wait(&wg);
        if (result != 17711)
            return -1;
    }
    return (int64_t)TIMES * CALLS;
}

const struct bench spawn_benches[] = {
    {"spawn_join", spawn_join}, {"spawn_one", spawn_one}, {"yield", yield},
    {"skynet", skynet},         {"fib22", fib22},         {NULL, NULL},
};
