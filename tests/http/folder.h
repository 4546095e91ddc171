/* folder.h: a folder of this test's own, with files as old as the test says. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_OLD = 1700000000 }; /* Tue, 14 Nov 2023 22:13:20 GMT */

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/weft-files-XXXXXX");
    cr_assert_not_null(mkdtemp(f->path));
}

static inline const char *folder_at(const struct folder *f, const char *name)
{
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    return path;
}

/* Writes a file, last modified at `when` (seconds), or now for 0. */
static inline void folder_write(const struct folder *f, const char *name, const void *bytes,
                                size_t len, int64_t when)
{
    FILE *file = fopen(folder_at(f, name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    fclose(file);
    struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    if (when)
        cr_assert_eq(utimensat(AT_FDCWD, folder_at(f, name), times, 0), 0);
}

static inline void folder_put(const struct folder *f, const char *name, const char *text)
{
    folder_write(f, name, text, strlen(text), FOLDER_OLD);
}

static inline void folder_sub(const struct folder *f, const char *name)
{
    cr_assert_eq(mkdir(folder_at(f, name), 0755), 0);
}

static inline void folder_link(const struct folder *f, const char *target, const char *name)
{
    cr_assert_eq(symlink(target, folder_at(f, name)), 0);
}

static inline void folder_remove_all(int dir)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0)
            continue;
        folder_remove_all(openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

static inline void folder_done(struct folder *f)
{
    folder_remove_all(open(f->path, O_RDONLY | O_DIRECTORY));
    rmdir(f->path);
}

#endif
