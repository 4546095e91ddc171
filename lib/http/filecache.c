#include "filecache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "beneath.h"
#include "encoding.h"
#include "mime.h"
#include "spin.h"

enum { BUCKETS = 128, NAME_MAX_BYTES = 4096 };

static const int64_t SETTLED_NS = 1 * WEFT_SEC;

struct shard {
    _Alignas(64) struct spin lock; /* guards all of it, and the lists through its files */
    int n_files;
    int64_t n_bytes;
    struct file *newest, *oldest;
    struct file *buckets[BUCKETS];
};

static struct shard shards[FILECACHE_SHARDS];

/* ---- loading ---- */

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * WEFT_SEC + t.tv_nsec;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return ns_of(t);
}

static struct file_identity identity_of(const struct stat *st)
{
    return (struct file_identity){st->st_dev, st->st_ino, st->st_size, ns_of(st->st_mtim),
                                  ns_of(st->st_ctim)};
}

static bool is_same(struct file_identity a, struct file_identity b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           a.modified_ns == b.modified_ns && a.changed_ns == b.changed_ns;
}

/* What stands at a path now. Returns 0 or a negative errno. */
static int look(const char *root, const char *name, struct stat *ret)
{
    int fd = beneath_open(root, name, O_PATH);
    if (fd < 0)
        return fd;
    int rc = fstat(fd, ret) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

const char *file_sibling_ending(int encoding)
{
    static const char *const endings[ENCODING_COUNT] = {
        [ENCODING_GZIP] = ".gz", [ENCODING_ZSTD] = ".zst", [ENCODING_BR] = ".br"};
    return endings[encoding];
}

static unsigned siblings_of(const char *root, weft_str name)
{
    char path[NAME_MAX_BYTES];
    struct stat st;
    unsigned found = 0;
    if (name.len + sizeof ".zst" > sizeof path)
        return 0;
    memcpy(path, name.ptr, name.len);
    for (int e = ENCODING_GZIP; e < ENCODING_COUNT; e++) {
        const char *ending = file_sibling_ending(e);
        memcpy(path + name.len, ending, strlen(ending) + 1);
        if (look(root, path, &st) == 0 && S_ISREG(st.st_mode))
            found |= 1U << e;
    }
    return found;
}

/* Reads a small file into memory. One that turns out to have changed meanwhile stays open instead,
 * and counts as unsettled. */
static void read_small(struct file *f)
{
    struct stat st;
    if (f->size > FILE_SMALL_BYTES)
        return;
    char *bytes = malloc(f->size ? (size_t)f->size : 1);
    if (!bytes)
        return;
    ssize_t n = pread(f->fd, bytes, (size_t)f->size, 0);
    if (n != f->size || fstat(f->fd, &st) < 0 || !is_same(identity_of(&st), f->identity)) {
        f->is_settled = false;
        free(bytes);
        return;
    }
    f->bytes = bytes;
    close(f->fd);
    f->fd = -1;
}

static void describe(struct file *f, const struct stat *st, weft_str name)
{
    f->identity = identity_of(st);
    f->size = st->st_size;
    int64_t now = clock_ns(CLOCK_REALTIME);
    f->is_settled = f->identity.modified_ns < now - SETTLED_NS;
    f->type = mime_type(name);
    f->modified = st->st_mtim.tv_sec;
    if (f->modified > now / WEFT_SEC)
        f->modified = now / WEFT_SEC; /* never later than Date (RFC 9110 section 8.8.2.1) */
    date_format(f->modified_text, f->modified);
    f->modified_text[DATE_LEN] = '\0';
    snprintf(f->etag, sizeof f->etag, "\"%llx-%llx-%llx\"", (unsigned long long)st->st_ino,
             (unsigned long long)st->st_size, (unsigned long long)f->identity.modified_ns);
}

static int file_load(const char *root, weft_str name, const char *key, size_t key_len,
                     struct file **ret_file)
{
    struct stat st;
    int fd = beneath_open(root, name.ptr, O_RDONLY | O_NONBLOCK); /* a FIFO must not wait */
    if (fd < 0)
        return fd;
    int rc = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = -ENOENT;
    struct file *f = rc == 0 ? malloc(sizeof *f + key_len) : NULL;
    if (!f) {
        close(fd);
        return rc == 0 ? -ENOMEM : rc;
    }
    f->fd = fd;
    f->bytes = NULL;
    f->key_len = key_len;
    f->siblings = 0;
    memcpy(f->key, key, key_len);
    atomic_init(&f->refs, 1);
    atomic_init(&f->checked_at, clock_ns(CLOCK_MONOTONIC_COARSE));
    describe(f, &st, name);
    read_small(f);
    *ret_file = f;
    return 0;
}

void file_put(struct file *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->bytes);
    free(f);
}

/* ---- the cache ---- */

static uint64_t hash_of(const char *key, size_t len)
{
    uint64_t hash = len * UINT64_C(0x9e3779b97f4a7c15), word;
    for (; len >= sizeof word; key += sizeof word, len -= sizeof word) {
        memcpy(&word, key, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, key, len);
    hash = (hash ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

static struct shard *shard_of(uint64_t hash)
{
    return &shards[hash % FILECACHE_SHARDS];
}

static struct file **bucket_of(struct shard *s, uint64_t hash)
{
    return &s->buckets[hash / FILECACHE_SHARDS % BUCKETS];
}

static void use_unlink(struct shard *s, struct file *f)
{
    *(f->newer ? &f->newer->older : &s->newest) = f->older;
    *(f->older ? &f->older->newer : &s->oldest) = f->newer;
}

static void use_link(struct shard *s, struct file *f)
{
    f->newer = NULL;
    f->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = f;
    s->newest = f;
}

static struct file *find_locked(struct shard *s, uint64_t hash, const char *key, size_t key_len)
{
    for (struct file *f = *bucket_of(s, hash); f; f = f->next)
        if (f->hash == hash && f->key_len == key_len && memcmp(f->key, key, key_len) == 0)
            return f;
    return NULL;
}

/* Takes it out of the shard; the cache's reference is the caller's now. */
static void remove_locked(struct shard *s, struct file *f)
{
    struct file **at = bucket_of(s, f->hash);
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    use_unlink(s, f);
    s->n_files--;
    s->n_bytes -= f->size;
}

/* Finds a file and gives a reference to it, or NULL. */
static struct file *cache_find(uint64_t hash, const char *key, size_t key_len)
{
    struct shard *s = shard_of(hash);
    spin_take(&s->lock);
    struct file *f = find_locked(s, hash, key, key_len);
    if (f) {
        if (s->newest != f) {
            use_unlink(s, f);
            use_link(s, f);
        }
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed); /* the cache has one */
    }
    spin_release(&s->lock);
    return f;
}

/* Puts in `f` (may be NULL) in the place of `old` (may be NULL), if that is still there, and lets
 * go what has been used least recently where there is no room. */
static void cache_replace(uint64_t hash, struct file *f, struct file *old)
{
    enum { OUT_AT_ONCE = 8 };
    struct file *out[OUT_AT_ONCE];
    struct shard *s = shard_of(hash);
    int n_out = 0;
    spin_take(&s->lock);
    if (old && find_locked(s, hash, old->key, old->key_len) == old) {
        remove_locked(s, old);
        out[n_out++] = old;
    }
    while (f && s->oldest && n_out < OUT_AT_ONCE &&
           (s->n_files >= FILECACHE_SHARD_FILES || s->n_bytes + f->size > FILECACHE_SHARD_BYTES)) {
        out[n_out] = s->oldest;
        remove_locked(s, out[n_out++]);
    }
    if (f && s->n_files < FILECACHE_SHARD_FILES && s->n_bytes + f->size <= FILECACHE_SHARD_BYTES &&
        !find_locked(s, hash, f->key, f->key_len)) {
        f->hash = hash;
        struct file **bucket = bucket_of(s, hash);
        f->next = *bucket;
        *bucket = f;
        use_link(s, f);
        s->n_files++;
        s->n_bytes += f->size;
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    }
    spin_release(&s->lock);
    while (n_out)
        file_put(out[--n_out]);
}

/* Whether what is held is still what stands on the disk. Who finds that its time has come asks;
 * others trust it meanwhile. */
static bool is_good(struct file *f, const char *root, weft_str name, bool wants_siblings,
                    int64_t trust_ns)
{
    struct stat st;
    int64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    /* relaxed: a time to look at again, it guards nothing */
    int64_t checked_at = atomic_load_explicit(&f->checked_at, memory_order_relaxed);
    if (trust_ns > 0 &&
        (now - checked_at <= trust_ns ||
         !atomic_compare_exchange_strong_explicit(&f->checked_at, &checked_at, now,
                                                  memory_order_relaxed, memory_order_relaxed)))
        return true;
    return look(root, name.ptr, &st) == 0 && is_same(identity_of(&st), f->identity) &&
           (!wants_siblings || siblings_of(root, name) == f->siblings);
}

int file_get(const char *root, weft_str name, bool wants_siblings, int64_t trust_ns,
             struct file **ret_file)
{
    char key[NAME_MAX_BYTES];
    size_t root_len = strlen(root), key_len = root_len + 1 + name.len + 2;
    if (key_len > sizeof key)
        return -ENOENT;
    memcpy(key, root, root_len + 1);
    memcpy(key + root_len + 1, name.ptr, name.len + 1);
    key[key_len - 1] = (char)wants_siblings;

    uint64_t hash = hash_of(key, key_len);
    struct file *held = cache_find(hash, key, key_len);
    if (held && is_good(held, root, name, wants_siblings, trust_ns)) {
        *ret_file = held;
        return 0;
    }
    struct file *f = NULL;
    int rc = file_load(root, name, key, key_len, &f);
    if (rc == 0 && wants_siblings)
        f->siblings = siblings_of(root, name);
    bool may_stay = rc == 0 && f->bytes && f->is_settled;
    if (held || may_stay)
        cache_replace(hash, may_stay ? f : NULL, held);
    file_put(held);
    if (rc == 0)
        *ret_file = f;
    return rc;
}
