#include "temp_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct temp_files {
    weft_http *h;
    int count;
    char *folder;
};

static char *path_of(struct temp_files *files, int number)
{
    size_t size = strlen(files->folder) + 16;
    char *path = weft_alloc(files->h, size);
    if (path)
        snprintf(path, size, "%s/%d", files->folder, number);
    return path;
}

/* Some may have been moved away meanwhile, and the folder, too. */
static void remove_all(weft_http *h, void *arg)
{
    struct temp_files *files = arg;
    (void)h;
    char path[4096];
    for (int i = 0; i < files->count; i++) {
        int n = snprintf(path, sizeof path, "%s/%d", files->folder, i);
        if (n > 0 && (size_t)n < sizeof path)
            (void)unlink(path);
    }
    (void)rmdir(files->folder);
}

int temp_files_open(weft_http *h, const char *parent, struct temp_files **ret_files)
{
    static const char name[] = "/weft-XXXXXX";
    struct temp_files *files = weft_alloc(h, sizeof *files);
    if (!parent)
        parent = getenv("TMPDIR");
    if (!parent || !*parent)
        parent = "/tmp";
    size_t size = strlen(parent) + sizeof name;
    char *folder = weft_alloc(h, size);
    if (!files || !folder)
        return -ENOMEM;
    if (size > 4000)
        return -ENAMETOOLONG;
    snprintf(folder, size, "%s%s", parent, name);
    *files = (struct temp_files){h, 0, folder};
    int rc = weft_at_end(h, remove_all, files); /* before there is something to remove */
    if (rc < 0)
        return rc;
    if (!mkdtemp(folder))
        return -errno;
    *ret_files = files;
    return 0;
}

int temp_files_new(struct temp_files *files, const char **ret_path)
{
    char *path = path_of(files, files->count);
    if (!path)
        return -ENOMEM;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    files->count++;
    *ret_path = path;
    return fd;
}
