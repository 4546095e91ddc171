/* encoder.c: gzip by zlib, br by brotli, zstd by zstd. Windows are small: an answer is no archive,
 * and an encoder is held as long as its answer lasts. gzip's and zstd's are kept for the next
 * answer, a few of each, because their memory costs more to get than a small body to compress. */
#include "encoder.h"

#include <brotli/encode.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lock.h"
#include "token.h"

enum {
    OUT_BYTES = 8 * 1024,
    KEPT_MAX = 8,          /* of each coding */
    GZIP_WINDOW = 15 + 16, /* 32 KB, with gzip's frame */
    GZIP_MEMORY = 8,
    BROTLI_WINDOW = 18, /* 256 KB */
    ZSTD_WINDOW = 18,   /* far below the 8 MB that RFC 9659 allows */
};

struct encoder {
    struct encoder *next; /* while it is kept */
    enum encoder_coding coding;
    int level;
    z_stream gzip;
    BrotliEncoderState *brotli;
    ZSTD_CCtx *zstd;
};

static struct {
    struct lock lock;
    struct encoder *first[ENCODER_CODINGS];
    int count[ENCODER_CODINGS];
} kept;

static const char *const names[ENCODER_CODINGS] = {
    [ENCODER_GZIP] = "gzip", [ENCODER_BROTLI] = "br", [ENCODER_ZSTD] = "zstd"};

int encoder_by_name(weft_str name)
{
    for (int i = 0; i < ENCODER_CODINGS; i++)
        if (token_eq(name, weft_cstr(names[i])))
            return i;
    return -1;
}

const char *encoder_name(enum encoder_coding coding)
{
    return names[coding];
}

/* ---- to have and to keep ---- */

static void encoder_free(struct encoder *e)
{
    switch (e->coding) {
    case ENCODER_GZIP: deflateEnd(&e->gzip); break;
    case ENCODER_BROTLI: BrotliEncoderDestroyInstance(e->brotli); break;
    case ENCODER_ZSTD: ZSTD_freeCCtx(e->zstd); break;
    case ENCODER_CODINGS: break;
    }
    free(e);
}

static bool encoder_make(struct encoder *e)
{
    switch (e->coding) {
    case ENCODER_GZIP:
        return deflateInit2(&e->gzip, e->level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                            Z_DEFAULT_STRATEGY) == Z_OK;
    case ENCODER_BROTLI:
        e->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
        return e->brotli &&
               BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, (uint32_t)e->level) &&
               BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
    case ENCODER_ZSTD:
        e->zstd = ZSTD_createCCtx();
        return e->zstd &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, e->level)) &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_windowLog, ZSTD_WINDOW));
    case ENCODER_CODINGS: break;
    }
    return false;
}

/* Takes one of that kind off those that are kept. */
static struct encoder *kept_take(enum encoder_coding coding, int level)
{
    struct encoder *e;
    lock_take(&kept.lock);
    struct encoder **at = &kept.first[coding];
    while (*at && (*at)->level != level)
        at = &(*at)->next;
    e = *at;
    if (e) {
        *at = e->next;
        kept.count[coding]--;
    }
    lock_release(&kept.lock);
    return e;
}

static bool encoder_reset(struct encoder *e)
{
    if (e->coding == ENCODER_GZIP)
        return deflateReset(&e->gzip) == Z_OK;
    return e->coding == ENCODER_ZSTD &&
           !ZSTD_isError(ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_only));
}

struct encoder *encoder_take(enum encoder_coding coding, int level)
{
    struct encoder *e = kept_take(coding, level);
    if (e)
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->coding = coding;
    e->level = level;
    if (encoder_make(e))
        return e;
    if (coding == ENCODER_GZIP) /* it has nothing to end */
        free(e);
    else
        encoder_free(e);
    return NULL;
}

void encoder_give(struct encoder *e)
{
    if (!e)
        return;
    bool is_kept = encoder_reset(e);
    if (is_kept) {
        lock_take(&kept.lock);
        is_kept = kept.count[e->coding] < KEPT_MAX;
        if (is_kept) {
            e->next = kept.first[e->coding];
            kept.first[e->coding] = e;
            kept.count[e->coding]++;
        }
        lock_release(&kept.lock);
    }
    if (!is_kept)
        encoder_free(e);
}

/* ---- to run ---- */

static int run_gzip(struct encoder *e, const void *data, size_t len, enum encoder_step step,
                    encoder_emit *emit, void *arg)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    unsigned char out[OUT_BYTES];
    const unsigned char *from = data;
    do {
        uInt part = len > 1 << 30 ? 1 << 30 : (uInt)len;
        e->gzip.next_in = (unsigned char *)(uintptr_t)from;
        e->gzip.avail_in = part;
        from += part;
        len -= part;
        do {
            e->gzip.next_out = out;
            e->gzip.avail_out = sizeof out;
            int got = deflate(&e->gzip, len ? Z_NO_FLUSH : flushes[step]);
            if (got == Z_STREAM_ERROR)
                return -EIO;
            size_t n = sizeof out - e->gzip.avail_out;
            int rc = n ? emit(arg, out, n) : 0;
            if (rc < 0)
                return rc;
        } while (e->gzip.avail_out == 0);
    } while (len);
    return 0;
}

static int run_brotli(struct encoder *e, const void *data, size_t len, enum encoder_step step,
                      encoder_emit *emit, void *arg)
{
    static const BrotliEncoderOperation operations[] = {
        BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH};
    const uint8_t *from = data;
    do {
        size_t room = 0, n = 0;
        if (!BrotliEncoderCompressStream(e->brotli, operations[step], &len, &from, &room, NULL,
                                         NULL))
            return -EIO;
        while (BrotliEncoderHasMoreOutput(e->brotli)) {
            n = 0; /* as much as there is */
            const uint8_t *out = BrotliEncoderTakeOutput(e->brotli, &n);
            int rc = emit(arg, out, n);
            if (rc < 0)
                return rc;
        }
    } while (len || (step == ENCODER_FINISH && !BrotliEncoderIsFinished(e->brotli)));
    return 0;
}

static int run_zstd(struct encoder *e, const void *data, size_t len, enum encoder_step step,
                    encoder_emit *emit, void *arg)
{
    static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    char bytes[OUT_BYTES];
    ZSTD_inBuffer in = {data, len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {bytes, sizeof bytes, 0};
        left = ZSTD_compressStream2(e->zstd, &out, &in, directives[step]);
        if (ZSTD_isError(left))
            return -EIO;
        int rc = out.pos ? emit(arg, bytes, out.pos) : 0;
        if (rc < 0)
            return rc;
    } while (in.pos < in.size || (step != ENCODER_WRITE && left));
    return 0;
}

int encoder_run(struct encoder *e, const void *data, size_t len, enum encoder_step step,
                encoder_emit *emit, void *arg)
{
    switch (e->coding) {
    case ENCODER_GZIP: return run_gzip(e, data, len, step, emit, arg);
    case ENCODER_BROTLI: return run_brotli(e, data, len, step, emit, arg);
    case ENCODER_ZSTD: return run_zstd(e, data, len, step, emit, arg);
    case ENCODER_CODINGS: break;
    }
    return -EIO;
}
