/* main.c: what the runtime's primitives cost. The Go twin of each figure is in bench/peers/go/rt.
 * usage: rt_bench [NAME...]; prints name<TAB>ns_per_op; WEFT_MAXPROCS sets the processors. */
#include <stdio.h>

#include "bench.h"

static const struct bench *const families[] = {spawn_benches, chan_benches, mutex_benches,
                                               park_benches, wake_benches};

enum { FAMILIES = sizeof families / sizeof *families };

void bench_print(const char *name, double value)
{
    printf("%s\t%.1f\n", name, value);
    fflush(stdout);
}

static int64_t status_kb(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    long long kb = 0;
    return at && sscanf(at + strlen(field), " %lld", &kb) == 1 ? kb : 0;
}

int64_t bench_memory(void)
{
    char text[4096];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f)
        return 0;
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    return 1024 * (status_kb(text, "VmRSS:") + status_kb(text, "VmPTE:"));
}

static int run_one(void *arg)
{
    const struct bench *b = arg;
    int64_t before = weft_now();
    int64_t operations = b->run();
    int64_t ns = weft_now() - before;
    if (operations > 0)
        bench_print(b->name, (double)ns / (double)operations);
    return operations < 0;
}

static int is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc == 1;
}

int main(int argc, char **argv)
{
    int status = 0, found = 0;
    for (int i = 0; i < FAMILIES; i++) {
        for (const struct bench *b = families[i]; b->name; b++) {
            if (!is_wanted(b->name, argc, argv))
                continue;
            found++;
            if (weft_run(run_one, (void *)b) != 0) {
                fprintf(stderr, "rt_bench: %s went wrong\n", b->name);
                status = 1;
            }
        }
    }
    if (argc > 1 && found < argc - 1) {
        fprintf(stderr, "rt_bench: not all of these are figures of it\n");
        status = 2;
    }
    return status;
}
