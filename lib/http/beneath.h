/* beneath.h: opens files below a root that neither .. nor links lead out of. */
#ifndef HTTP_BENEATH_H
#define HTTP_BENEATH_H

/* Opens `path` (relative, no leading slash) below the folder `root` with open(2)'s `flags`. The
 * kernel resolves it in one call (openat2, Linux 5.6): links are followed as long as they stay
 * below the root. Where the kernel lacks it, or a sandbox forbids it, beneath_walk does it.
 *
 * Returns a descriptor, or a negative errno: -ENOENT also for what leads out of the root, for
 * links in a circle, a file in a folder's place and names too long. Does not park; it blocks the
 * thread as the disk does. */
int beneath_open(const char *root, const char *path, int flags);

/* The same, segment by segment, for kernels without openat2: no link is followed at all. */
int beneath_walk(const char *root, const char *path, int flags);

#endif
