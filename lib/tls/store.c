#include "store.h"

#include <string.h>
#include <sys/stat.h>

static void stamp_add(struct store_stamp *stamp, int *n, const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) < 0)
        return; /* a file that is away for a moment changes the others' places, which shows */
    stamp->files[*n].changed = st.st_mtim;
    stamp->files[*n].size = st.st_size;
    stamp->files[*n].inode = st.st_ino;
    (*n)++;
}

static void stamp_take(struct store_stamp *stamp, const weft_tls_opts *o)
{
    int n = 0;
    memset(stamp, 0, sizeof *stamp);
    stamp_add(stamp, &n, o->cert);
    stamp_add(stamp, &n, o->key);
    for (int i = 0; i < WEFT_TLS_MAX_CERTS && o->certs[i].cert; i++) {
        stamp_add(stamp, &n, o->certs[i].cert);
        stamp_add(stamp, &n, o->certs[i].key);
    }
    stamp_add(stamp, &n, o->client_ca);
}

static int read_files(struct tls_store *store, char *why)
{
    struct tls_context *made, *before = store->current;
    stamp_take(&store->read, &store->opts); /* before reading: a later change is seen */
    store->seen = store->read;
    int rc = tls_server_new(&store->opts, before, why, &made);
    if (rc < 0)
        return rc;
    lock_take(&store->lock);
    store->current = made;
    lock_release(&store->lock);
    tls_context_unref(before);
    return 0;
}

int store_open(struct tls_store *store, const weft_tls_opts *opts, char *why)
{
    memset(store, 0, sizeof *store);
    store->opts = *opts;
    return read_files(store, why);
}

int store_reload(struct tls_store *store, char *why)
{
    return read_files(store, why);
}

bool store_has_changed(struct tls_store *store)
{
    struct store_stamp now;
    stamp_take(&now, &store->opts);
    bool is_settled = memcmp(&now, &store->seen, sizeof now) == 0;
    store->seen = now;
    return is_settled && memcmp(&now, &store->read, sizeof now) != 0;
}

struct tls_context *store_get(struct tls_store *store)
{
    lock_take(&store->lock);
    struct tls_context *ctx = tls_context_ref(store->current);
    lock_release(&store->lock);
    return ctx;
}

void store_close(struct tls_store *store)
{
    tls_context_unref(store->current);
    store->current = NULL;
}
