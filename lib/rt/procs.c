/* procs.c: how many processors a runtime gets by default.
 *
 * /proc/self/cgroup has a line a hierarchy, "ID:CONTROLLERS:PATH": version 2's is "0::PATH", and
 * version 1's for the CPU lists "cpu" among its controllers, which are also the name of its folder
 * (or a link with "cpu" alone stands beside it). In a container the path may be the host's, which
 * is not to be seen from within: the folders above it are tried as well, up to the container's own.
 */
#include "procs.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/rt.h>

#include "proc.h"

enum { PATH_MAX_BYTES = 1024, LINE_MAX_BYTES = 512 };

static long whole_cpus(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (long)((quota + period - 1) / period) : 0;
}

/* Reads up to two numbers from a file; returns how many there were. */
static int read_numbers(const char *folder, const char *name, long long *ret_a, long long *ret_b)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    int got = fscanf(f, "%lld %lld", ret_a, ret_b); /* "max 100000" when unlimited: none */
    fclose(f);
    return got;
}

static long quota_v2(const char *folder)
{
    long long quota, period;
    return read_numbers(folder, "cpu.max", &quota, &period) == 2 ? whole_cpus(quota, period) : 0;
}

static long quota_v1(const char *folder)
{
    long long quota, period, none; /* -1 when unlimited */
    if (read_numbers(folder, "cpu.cfs_quota_us", &quota, &none) < 1 ||
        read_numbers(folder, "cpu.cfs_period_us", &period, &none) < 1)
        return 0;
    return whole_cpus(quota, period);
}

static void tighten(long *tightest, long quota)
{
    if (quota && (!*tightest || quota < *tightest))
        *tightest = quota;
}

/* From the folder `path` below `mount` up to the mount itself. */
static long tightest_up(const char *mount, const char *path, long (*quota_of)(const char *folder))
{
    char folder[PATH_MAX_BYTES];
    size_t root = strlen(mount);
    long tightest = 0;
    snprintf(folder, sizeof folder, "%s%s", mount, path);
    for (;;) {
        tighten(&tightest, quota_of(folder));
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root)
            return tightest;
        *slash = '\0';
    }
}

static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
    return false;
}

static long quota_of_line(const char *root, char *line)
{
    char mount[PATH_MAX_BYTES];
    long tightest = 0;
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return 0;
    *path++ = '\0';
    controllers++;
    if (!*controllers) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return tightest_up(mount, path, quota_v2);
    }
    if (!has_cpu(controllers))
        return 0;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
    tighten(&tightest, tightest_up(mount, path, quota_v1));
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    tighten(&tightest, tightest_up(mount, path, quota_v1));
    return tightest;
}

long procs_quota(const char *root)
{
    char path[PATH_MAX_BYTES], line[LINE_MAX_BYTES];
    long tightest = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        tighten(&tightest, quota_of_line(root, line));
    fclose(f);
    return tightest;
}

/* The CPUs in the affinity mask; a kernel for more CPUs than a cpu_set_t has refuses it. */
static long affine_cpus(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus)
                                                         : sysconf(_SC_NPROCESSORS_ONLN);
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
    long n = affine_cpus();
    long quota = procs_quota("");
    if (quota && quota < n)
        n = quota;
    return n < 1 ? 1 : n > PROCS_MAX ? PROCS_MAX : (int)n;
}
