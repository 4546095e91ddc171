/* bench.h: what the families of runtime benchmarks share. Each family is one file with a table of
 * its figures; main.c runs those that are asked for, each in a runtime of its own, on weft's public
 * headers alone. */
#ifndef BENCH_RT_BENCH_H
#define BENCH_RT_BENCH_H

#include <stdint.h>
#include <weft/weft.h>

/* One figure. A timed one returns how many operations it did, and the harness prints nanoseconds
 * an operation. The others return 0 after they have printed what they measured. Negative: it went
 * wrong. */
struct bench {
    const char *name; /* NULL ends a table */
    int64_t (*run)(void);
};

/* Prints one line: name<TAB>value. */
void bench_print(const char *name, double value);

/* Bytes of memory that the process holds now: resident pages and page tables. */
int64_t bench_memory(void);

extern const struct bench spawn_benches[], chan_benches[], mutex_benches[], park_benches[],
    wake_benches[];

#endif
