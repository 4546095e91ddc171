/* store.h: a server's current context, and what replaces it when its files change. */
#ifndef TLS_STORE_H
#define TLS_STORE_H

#include <time.h>

#include "lock.h"
#include "tls.h"

enum { STORE_MAX_FILES = 2 * (WEFT_TLS_MAX_CERTS + 1) + 1 };

/* How the files looked. */
struct store_stamp {
    struct {
        struct timespec changed;
        int64_t size;
        uint64_t inode;
    } files[STORE_MAX_FILES];
};

struct tls_store {
    weft_tls_opts opts; /* immutable; the strings are the server's caller's */
    struct lock lock;   /* guards `current` */
    struct tls_context *current;
    struct store_stamp read, seen; /* when it was made, and at the last look; by one coroutine */
};

/* Reads the files. Returns 0 or tls_server_new's errors, with a line in `why`. Blocks. */
WEFT_MUST_USE int store_open(struct tls_store *store, const weft_tls_opts *opts, char *why);

/* Reads the files again. On failure the current context stays. As store_open. */
WEFT_MUST_USE int store_reload(struct tls_store *store, char *why);

/* Looks at the files. Returns whether they differ from those read last and have not changed since
 * the last look: who writes several files has finished. Blocks shortly. */
bool store_has_changed(struct tls_store *store);

/* The current context, with a reference for the caller. Any thread; does not park. */
struct tls_context *store_get(struct tls_store *store);

void store_close(struct tls_store *store);

#endif
