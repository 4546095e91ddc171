/* filecache.h: files as they are served: opened below a root, with what their heads say of them.
 * Small ones are kept in memory for a while.
 *
 * A file is looked up by its root and name. What the cache holds of it is trusted for a time that
 * the caller gives; then its path is resolved again, and it is read anew unless it is the very same
 * file (device, inode, size, times). So a root or a file that is replaced shows after that time.
 *
 * Kept are only files up to FILE_SMALL_BYTES that are settled: last modified more than a second
 * before they were read. A younger one may change again under the same modification time, and its
 * entity tag is weak for the same reason (RFC 9110 section 8.8.1). What goes first is what was used
 * least recently. */
#ifndef HTTP_FILECACHE_H
#define HTTP_FILECACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/base.h>

#include "exchange.h"

enum {
    FILE_SMALL_BYTES = 64 * 1024,
    FILECACHE_SHARDS = 16, /* each with a lock of its own */
    FILECACHE_SHARD_FILES = 128,
    FILECACHE_SHARD_BYTES = 2 << 20, /* of contents */
};

/* When a file is the very same one. */
struct file_identity {
    uint64_t device, inode;
    int64_t size, modified_ns, changed_ns;
};

/* Immutable once it is out of file_load, but for what the cache says. */
struct file {
    struct file *next;           /* in its bucket; under the shard's lock, as the next two */
    struct file *newer, *older;  /* by last use */
    _Atomic(int) refs;           /* the cache's own among them */
    _Atomic(int64_t) checked_at; /* when the disk was last asked, on the coarse monotonic clock */
    uint64_t hash;
    int fd;      /* of one that is not in memory, else -1 */
    char *bytes; /* the content of one that is, else NULL */
    int64_t size;
    struct file_identity identity;
    bool is_settled;
    unsigned siblings; /* bits (1 << enum encoding) of the precompressed files beside it */
    const char *type;  /* of its content, by its name; static */
    char etag[64];     /* opaque, with quotes, terminated */
    int64_t modified;  /* Unix seconds */
    char modified_text[DATE_LEN + 1];
    size_t key_len;
    char key[]; /* root, NUL, name, NUL, whether siblings were looked for */
};

/* Gives the file `name` (relative, terminated) below `root`, from memory if what is held there was
 * checked at most `trust_ns` ago. wants_siblings: look for name.br, .zst and .gz beside it.
 * file_put gives it back.
 *
 * Returns 0; -EISDIR for a folder; -ENOENT for what is not there or no regular file; the other
 * errors of beneath_open; -ENOMEM. Any thread. Does not park; blocks as the disk does. */
int file_get(const char *root, weft_str name, bool wants_siblings, int64_t trust_ns,
             struct file **ret_file);

/* NULL is nothing. Any thread. */
void file_put(struct file *f);

/* The ending of a precompressed sibling's name, ".br". */
const char *file_sibling_ending(int encoding);

#endif
