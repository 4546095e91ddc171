/* rt_bench.c: what the runtime's primitives cost, on the public headers.
 * usage: rt_bench [NAME...]; prints name<TAB>ns_per_op; WEFT_MAXPROCS sets the processors. */
#include <stdio.h>
#include <weft/weft.h>

enum { SPAWNS = 1000000, YIELDS = 2000000, SLEEPERS = 1000000, FIB_OF = 22 };

static void done(void *arg)
{
    weft_wg_done(arg);
}

/* Spawns one and waits for it. */
static int64_t spawn_join(void)
{
    weft_wg wg = WEFT_WG_INIT;
    for (int i = 0; i < SPAWNS; i++) {
        weft_wg_add(&wg, 1);
        weft_go(done, &wg);
        weft_wg_wait(&wg);
    }
    return SPAWNS;
}

static void yield_often(void *arg)
{
    for (int i = 0; i < YIELDS / 2; i++)
        weft_yield();
    weft_wg_done(arg);
}

/* Two that yield to each other. */
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

static int64_t fib22(void)
{
    int result;
    weft_wg wg = WEFT_WG_INIT;
    weft_wg_add(&wg, 1);
    weft_go_copy(fib_node, &(struct fib){FIB_OF, &result, &wg}, sizeof(struct fib));
    weft_wg_wait(&wg);
    return result == 17711 ? 57313 : -1; /* the calls that fib(22) makes */
}

static void sleep_a_second(void *arg)
{
    weft_sleep(WEFT_SEC);
    weft_wg_done(arg);
}

static int64_t sleepers_million(void)
{
    weft_wg wg = WEFT_WG_INIT;
    weft_wg_add(&wg, SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        weft_go(sleep_a_second, &wg);
    weft_wg_wait(&wg);
    return SLEEPERS;
}

static const struct {
    const char *name;
    int64_t (*run)(void); /* returns how many operations that were */
} benches[] = {
    {"spawn_join", spawn_join},
    {"yield", yield},
    {"skynet", skynet},
    {"fib22", fib22},
    {"sleepers_million", sleepers_million},
};

enum { BENCHES = sizeof benches / sizeof *benches };

static int run_one(void *arg)
{
    int i = *(int *)arg;
    int64_t before = weft_now();
    int64_t operations = benches[i].run();
    printf("%s\t%.1f\n", benches[i].name, (double)(weft_now() - before) / (double)operations);
    return operations > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 0; i < BENCHES; i++) {
        int is_wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            is_wanted |= strcmp(argv[k], benches[i].name) == 0;
        if (is_wanted)
            status |= weft_run(run_one, &i);
    }
    return status;
}
