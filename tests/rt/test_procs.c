#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "procs.h"

static char root[64];

/* Writes a file below `root`, and the folders that lead to it. */
static void put(const char *path, const char *text)
{
    char at[512];
    snprintf(at, sizeof at, "%s%s", root, path);
    for (char *slash = strchr(at + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(at, 0700);
        *slash = '/';
    }
    FILE *f = fopen(at, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void root_new(void)
{
    snprintf(root, sizeof root, "/tmp/weft-procs-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void root_free(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

Test(procs, the_quota_of_a_version_2_group_is_rounded_up)
{
    root_new();
    cr_assert_eq(procs_quota(root), 0, "without the file there is none");
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    cr_assert_eq(procs_quota(root), 0);
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
    cr_assert_eq(procs_quota(root), 0, "unlimited");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
    cr_assert_eq(procs_quota(root), 3);
    put("/sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
    cr_assert_eq(procs_quota(root), 2, "the group above is tighter");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    cr_assert_eq(procs_quota(root), 1, "and the container's own, at the root");
    root_free();
}

Test(procs, the_quota_of_a_version_1_group_is_found)
{
    root_new();
    put("/proc/self/cgroup", "3:cpuset:/docker/a\n2:cpu,cpuacct:/docker/a\n1:name=systemd:/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(procs_quota(root), 0, "unlimited");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "350000\n");
    cr_assert_eq(procs_quota(root), 4);
    /* In the container the path is not there, but its top is. */
    put("/proc/self/cgroup", "2:cpu:/docker/elsewhere\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(procs_quota(root), 2);
    root_free();
}

Test(procs, a_cgroup_file_of_nonsense_is_no_quota)
{
    root_new();
    put("/proc/self/cgroup", "x\n0:\n\n0::\n7:cpu\n");
    put("/sys/fs/cgroup/cpu.max", "-5 0\n");
    cr_assert_eq(procs_quota(root), 0);
    root_free();
}

Test(procs, the_default_follows_the_environment)
{
    setenv("WEFT_MAXPROCS", "3", 1);
    cr_assert_eq(weft_default_procs(), 3);
    unsetenv("WEFT_MAXPROCS");
    int without = weft_default_procs();
    cr_assert_geq(without, 1);
    static const char *const wrong[] = {"", "0", "257", "2x", "-1"};
    for (int i = 0; i < 5; i++) {
        setenv("WEFT_MAXPROCS", wrong[i], 1);
        cr_assert_eq(weft_default_procs(), without, "ignored: '%s'", wrong[i]);
    }
}

Test(procs, the_default_follows_the_affinity_mask)
{
    int status;
    unsetenv("WEFT_MAXPROCS");
    pid_t child = fork(); /* the mask is the thread's, and the test's own stays */
    if (child == 0) {
        cpu_set_t all, one;
        CPU_ZERO(&one);
        if (sched_getaffinity(0, sizeof all, &all) < 0)
            _exit(9);
        for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
            if (CPU_ISSET(i, &all))
                CPU_SET(i, &one);
        if (sched_setaffinity(0, sizeof one, &one) < 0)
            _exit(9);
        _exit(weft_default_procs());
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "one CPU, one processor");
}
