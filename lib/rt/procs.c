/* procs.c: how many processors a runtime gets by default. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/rt.h>

#include "proc.h"

/* The CPU quota of a cgroup v2 folder, rounded up to whole CPUs; 0 when it has none. */
static long quota_of(const char *folder)
{
    char path[512];
    long long quota, period;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%lld %lld", &quota, &period); /* "max 100000" when unlimited: got 0 */
    fclose(f);
    return got == 2 && quota > 0 && period > 0 ? (long)((quota + period - 1) / period) : 0;
}

/* The tightest quota from this process's cgroup up to the root; 0 for none. */
static long cgroup_quota(void)
{
    char line[400];
    long tightest = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::", 3) != 0) /* the v2 hierarchy */
            continue;
        char *folder = line + 3;
        folder[strcspn(folder, "\n")] = '\0';
        for (;;) {
            long quota = quota_of(folder);
            if (quota && (!tightest || quota < tightest))
                tightest = quota;
            char *slash = strrchr(folder, '/');
            if (!slash)
                break;
            *slash = '\0';
        }
    }
    fclose(f);
    return tightest;
}

int weft_default_procs(void)
{
    const char *set = getenv("WEFT_MAXPROCS");
    if (set) {
        char *end;
        long n = strtol(set, &end, 10);
        if (*set && !*end && n >= 1 && n <= PROCS_MAX)
            return (int)n;
        fprintf(stderr, "weft: WEFT_MAXPROCS=%s is not a number from 1 to %d; ignored\n", set,
                PROCS_MAX);
    }
    cpu_set_t cpus;
    long n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    long quota = cgroup_quota();
    if (quota && quota < n)
        n = quota;
    return n < 1 ? 1 : n > PROCS_MAX ? PROCS_MAX : (int)n;
}
