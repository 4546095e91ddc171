#include "mbedtls_buffers.h"

#include <stdlib.h>

#include "lock.h"
#include "proc.h"

enum {
    SHELVES = 32,   /* processors share one past that many */
    SHELF_MAX = 16, /* buffers of a kind that a shelf keeps; more are freed */
};

/* A buffer on a shelf; in its own first bytes. */
struct spare {
    struct spare *next;
};

struct shelf {
    _Alignas(64) struct lock lock;
    struct spare *first[BUFFER_KINDS];
    int count[BUFFER_KINDS];
};

static struct shelf shelves[SHELVES];

static struct shelf *shelf_near(void)
{
    return &shelves[proc_near()->index % SHELVES];
}

/* Makes a pair of mbedtls's own: a context is set up for nothing else, and robbed of its buffers.
 */
static unsigned char *pair_new(enum buffer_kind kind, const mbedtls_ssl_config *conf)
{
    mbedtls_ssl_context maker;
    mbedtls_ssl_init(&maker);
    if (mbedtls_ssl_setup(&maker, conf) != 0) {
        mbedtls_ssl_free(&maker);
        return NULL;
    }
    unsigned char *in = maker.MBEDTLS_PRIVATE(in_buf), *out = maker.MBEDTLS_PRIVATE(out_buf);
    maker.MBEDTLS_PRIVATE(in_buf) = maker.MBEDTLS_PRIVATE(out_buf) = NULL;
    mbedtls_ssl_free(&maker);
    buffer_give(kind == BUFFER_IN ? BUFFER_OUT : BUFFER_IN, kind == BUFFER_IN ? out : in);
    return kind == BUFFER_IN ? in : out;
}

unsigned char *buffer_take(enum buffer_kind kind, const mbedtls_ssl_config *conf)
{
    struct shelf *shelf = shelf_near();
    lock_take(&shelf->lock);
    struct spare *spare = shelf->first[kind];
    if (spare) {
        shelf->first[kind] = spare->next;
        shelf->count[kind]--;
    }
    lock_release(&shelf->lock);
    if (spare)
        return (unsigned char *)spare;
    return kind == BUFFER_RAW ? malloc(BUFFER_RAW_BYTES) : pair_new(kind, conf);
}

void buffer_give(enum buffer_kind kind, unsigned char *buffer)
{
    struct shelf *shelf = shelf_near();
    struct spare *spare = (struct spare *)(void *)buffer;
    lock_take(&shelf->lock);
    if (shelf->count[kind] < SHELF_MAX) {
        spare->next = shelf->first[kind];
        shelf->first[kind] = spare;
        shelf->count[kind]++;
        spare = NULL;
    }
    lock_release(&shelf->lock);
    free(spare);
}
