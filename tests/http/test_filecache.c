/* What is kept of files, how long, and how much. */
#include <errno.h>
#include <weft/rt.h>
#include <weft/sync.h>

#include "filecache.h"
#include "folder.h"

static struct file *get(const struct folder *f, const char *name, int64_t trust)
{
    struct file *got = NULL;
    cr_assert_eq(file_get(f->path, weft_cstr(name), false, trust, &got), 0);
    return got;
}

Test(filecache, a_settled_small_file_is_kept_and_a_young_or_large_one_is_not)
{
    struct folder f;
    static char large[FILE_SMALL_BYTES + 1];
    folder_make(&f);
    folder_put(&f, "old", "old");
    folder_write(&f, "young", "young", 5, 0);
    folder_write(&f, "large", large, sizeof large, FOLDER_OLD);
    static const char *const names[] = {"old", "young", "large"};
    for (int i = 0; i < 3; i++) {
        struct file *a = get(&f, names[i], WEFT_SEC * 1000);
        struct file *b = get(&f, names[i], WEFT_SEC * 1000);
        cr_expect_eq(a == b, i == 0, "%s", names[i]);
        cr_expect_eq(a->bytes != NULL, i != 2);
        cr_expect_eq(a->is_settled, i != 1);
        file_put(a);
        file_put(b);
    }
    folder_done(&f);
}

Test(filecache, what_is_held_is_trusted_as_long_as_the_caller_says)
{
    struct folder f;
    folder_make(&f);
    folder_put(&f, "a", "one");
    struct file *first = get(&f, "a", WEFT_SEC * 1000);
    folder_put(&f, "a", "three");
    struct file *trusted = get(&f, "a", WEFT_SEC * 1000);
    struct file *asked = get(&f, "a", -1);
    cr_expect_eq(trusted, first);
    cr_expect_neq(asked, first);
    cr_expect_eq(asked->size, 5);
    cr_expect_eq(memcmp(first->bytes, "one", 3), 0); /* who holds it keeps it */
    struct file *again = get(&f, "a", -1);
    cr_expect_eq(again, asked); /* it is the same on the disk: not read again */
    file_put(first);
    file_put(trusted);
    file_put(asked);
    file_put(again);
    folder_done(&f);
}

Test(filecache, it_is_bounded_and_lets_the_oldest_go)
{
    enum { MORE = FILECACHE_SHARDS * FILECACHE_SHARD_FILES * 2 };
    struct folder f;
    char name[32];
    folder_make(&f);
    folder_put(&f, "first", "first");
    struct file *first = get(&f, "first", WEFT_SEC * 1000);
    for (int i = 0; i < MORE; i++) {
        snprintf(name, sizeof name, "%d", i);
        folder_put(&f, name, name);
        file_put(get(&f, name, WEFT_SEC * 1000));
    }
    struct file *again = get(&f, "first", WEFT_SEC * 1000);
    cr_expect_neq(again, first);
    cr_expect_eq(atomic_load(&first->refs), 1);
    file_put(first);
    file_put(again);
    folder_done(&f);
}

Test(filecache, folders_and_what_is_no_file_are_told_apart)
{
    struct folder f;
    struct file *got;
    folder_make(&f);
    folder_sub(&f, "sub");
    cr_assert_eq(mkfifo(folder_at(&f, "fifo"), 0600), 0);
    cr_expect_eq(file_get(f.path, WEFT_STR("sub"), false, 0, &got), -EISDIR);
    cr_expect_eq(file_get(f.path, WEFT_STR("fifo"), false, 0, &got), -ENOENT);
    cr_expect_eq(file_get(f.path, WEFT_STR("none"), false, 0, &got), -ENOENT);
    folder_done(&f);
}

struct race {
    struct folder f;
    weft_wg wg;
    _Atomic(int) wrong;
};

static void reader(void *arg)
{
    struct race *r = *(struct race **)arg;
    for (int i = 0; i < 300; i++) {
        struct file *got;
        char name[8];
        snprintf(name, sizeof name, "%d", i % 5);
        if (file_get(r->f.path, weft_cstr(name), false, i % 3 ? WEFT_SEC : -1, &got) < 0)
            continue;
        if (got->bytes && (got->size != 4 || memcmp(got->bytes, "same", 4) != 0))
            atomic_fetch_add(&r->wrong, 1);
        file_put(got);
        weft_yield();
    }
    weft_wg_done(&r->wg);
}

static int race(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < 8; i++) {
        weft_wg_add(&r->wg, 1);
        weft_go_copy(reader, &r, sizeof r);
    }
    for (int i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i % 5);
        folder_write(&r->f, "x", "same", 4, FOLDER_OLD + i);
        char from[4200];
        snprintf(from, sizeof from, "%s", folder_at(&r->f, "x"));
        cr_assert_eq(rename(from, folder_at(&r->f, name)), 0);
        weft_yield();
    }
    return weft_wg_wait(&r->wg);
}

Test(filecache, many_read_while_files_are_replaced, .timeout = 60)
{
    struct race r = {.wg = WEFT_WG_INIT};
    folder_make(&r.f);
    weft_run_opts opts = {.procs = 2};
    cr_expect_eq(weft_run_with(&opts, race, &r), 0);
    cr_expect_eq(atomic_load(&r.wrong), 0);
    folder_done(&r.f);
}
