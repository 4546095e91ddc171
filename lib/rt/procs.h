/* procs.h: how many CPUs this process may use. */
#ifndef RT_PROCS_H
#define RT_PROCS_H

/* The tightest CPU quota of this process's control groups, of either version, from its own up to
 * the root, rounded up to whole CPUs; 0 when there is none. `root` goes before the paths of /proc
 * and /sys: "" but in a test. Any thread. */
long procs_quota(const char *root);

#endif
