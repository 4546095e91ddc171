/* wake.c: how late one that sleeps a millisecond at a time is, while others hold the CPUs. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

enum { HOLDERS = 8, NAPS = 500, BLOCK_US = 50000 };

struct holders {
    atomic_bool is_over;
    weft_wg left;
};

static void burn(void *arg)
{
    struct holders *h = arg;
    while (!atomic_load_explicit(&h->is_over, memory_order_relaxed)) {
    }
    weft_wg_done(&h->left);
}

static void block(void *arg)
{
    struct holders *h = arg;
    while (!atomic_load_explicit(&h->is_over, memory_order_relaxed))
        usleep(BLOCK_US);
    weft_wg_done(&h->left);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_as(const char *name, const char *what, int64_t ns)
{
    char line[64];
    snprintf(line, sizeof line, "%s_%s", name, what);
    bench_print(line, (double)ns);
}

static int64_t nap_beside(void (*hold)(void *), const char *name)
{
    struct holders h = {false, WEFT_WG_INIT};
    static int64_t late[NAPS];
    weft_wg_add(&h.left, HOLDERS);
    for (int i = 0; i < HOLDERS; i++)
        if (weft_go(hold, &h) != 0)
            return -1;
    for (int i = 0; i < NAPS; i++) {
        int64_t before = weft_now();
        weft_sleep(WEFT_MS);
        late[i] = weft_now() - before - WEFT_MS;
    }
    atomic_store_explicit(&h.is_over, true, memory_order_relaxed);
    weft_wg_wait(&h.left);
    qsort(late, NAPS, sizeof *late, by_size);
    print_as(name, "p50", late[NAPS / 2]);
    print_as(name, "p99", late[NAPS * 99 / 100]);
    print_as(name, "max", late[NAPS - 1]);
    return 0;
}

static int64_t wake_burning(void)
{
    return nap_beside(burn, "wake_burning");
}

static int64_t wake_blocking(void)
{
    return nap_beside(block, "wake_blocking");
}

const struct bench wake_benches[] = {
    {"wake_burning", wake_burning},
    {"wake_blocking", wake_blocking},
    {NULL, NULL},
};
