#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RENAME_TRIES = 8, SEGMENT_MAX = 255 };

/* Whether openat2 has been refused; it will be the next time, too. */
static _Atomic(bool) lacks_openat2;

/* Out of the root, a link in a circle, a file as a folder, a name that cannot be: there is no such
 * page. */
static int outcome(int fd, int err)
{
    if (fd >= 0)
        return fd;
    return err == EXDEV || err == ELOOP || err == ENOTDIR || err == ENAMETOOLONG ? -ENOENT : -err;
}

static int open_root(const char *root)
{
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -errno : dir;
}

int beneath_walk(const char *root, const char *path, int flags)
{
    char segment[SEGMENT_MAX + 1];
    int dir = open_root(root);
    while (dir >= 0) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        bool is_last = path[len + strspn(path + len, "/")] == '\0';
        if (len > SEGMENT_MAX || (len == 2 && memcmp(path, "..", 2) == 0)) {
            close(dir);
            return -ENOENT;
        }
        memcpy(segment, len ? path : ".", len ? len : 1);
        segment[len ? len : 1] = '\0';
        int how = is_last ? flags | (path[len] ? O_DIRECTORY : 0) : O_PATH | O_DIRECTORY;
        int fd = openat(dir, segment, how | O_NOFOLLOW | O_CLOEXEC);
        int err = fd < 0 ? errno : 0;
        close(dir);
        if (fd < 0 || is_last)
            return outcome(fd, err);
        dir = fd;
        path += len;
    }
    return dir;
}

int beneath_open(const char *root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (atomic_load_explicit(&lacks_openat2, memory_order_relaxed)) /* a hint; either way works */
        return beneath_walk(root, path, flags);
    int dir = open_root(root);
    if (dir < 0)
        return dir;
    long fd;
    int err, tries = RENAME_TRIES; /* EAGAIN: something was renamed meanwhile */
    do {
        fd = syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof how);
        err = fd < 0 ? errno : 0;
    } while (err == EAGAIN && --tries);
    close(dir);
    if (err == ENOSYS || err == EPERM) { /* EPERM: what sandboxes say of calls they do not know */
        atomic_store_explicit(&lacks_openat2, err == ENOSYS, memory_order_relaxed);
        return beneath_walk(root, path, flags);
    }
    return outcome((int)fd, err);
}
