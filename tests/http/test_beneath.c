/* Opening below a root: what leads out of it is not there, by either way. */
#include <errno.h>

#include "beneath.h"
#include "folder.h"

typedef int opener(const char *root, const char *path, int flags);

static struct folder make(void)
{
    struct folder f;
    folder_make(&f);
    folder_sub(&f, "root");
    folder_sub(&f, "root/a");
    folder_put(&f, "secret", "secret");
    folder_put(&f, "root/a/file", "inside");
    folder_link(&f, "../secret", "root/out");
    folder_link(&f, "/etc", "root/etc");
    folder_link(&f, "a/../../secret", "root/round");
    folder_link(&f, "circle", "root/circle");
    folder_link(&f, "a", "root/inside");
    return f;
}

static int try(opener *open_it, const struct folder *f, const char *path)
{
    char root[128];
    snprintf(root, sizeof root, "%s/root", f->path);
    int fd = open_it(root, path, O_RDONLY);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static void check(opener *open_it)
{
    static const char *const out[] = {"../secret", "a/../../secret", "out",    "etc/passwd",
                                      "round",     "circle",         "none",   "..",
                                      "a/file/x",  "a/none",         "a/file/"};
    struct folder f = make();
    cr_expect_eq(try(open_it, &f, "a/file"), 0);
    cr_expect_eq(try(open_it, &f, "a//file"), 0);
    cr_expect_eq(try(open_it, &f, "a"), 0);
    cr_expect_eq(try(open_it, &f, ""), 0);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        cr_expect_eq(try(open_it, &f, out[i]), -ENOENT, "%s: %d", out[i], try(open_it, &f, out[i]));
    char name[400];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_expect_eq(try(open_it, &f, name), -ENOENT);
    cr_expect_eq(open_it("/nowhere-at-all", "x", O_RDONLY), -ENOENT);
    folder_done(&f);
}

Test(beneath, nothing_leads_out_of_the_root)
{
    struct folder f = make();
    check(beneath_open);
    cr_expect_eq(try(beneath_open, &f, "inside/file"), 0);
    folder_done(&f);
}

Test(beneath, a_kernel_without_openat2_is_served_without_links)
{
    struct folder f = make();
    check(beneath_walk);
    cr_expect_eq(try(beneath_walk, &f, "inside/file"), -ENOENT);
    folder_done(&f);
}
