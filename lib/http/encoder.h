/* encoder.h: a stream of bytes compressed in one of the codings of HTTP. */
#ifndef HTTP_ENCODER_H
#define HTTP_ENCODER_H

#include <weft/base.h>

struct encoder;

enum encoder_coding { ENCODER_GZIP, ENCODER_BROTLI, ENCODER_ZSTD, ENCODER_CODINGS };

enum encoder_step { ENCODER_WRITE, ENCODER_FLUSH, ENCODER_FINISH };

/* Where what comes out goes. Returns 0 or an error, which ends the encoding. */
typedef int encoder_emit(void *arg, const void *bytes, size_t len);

/* The coding of that name ("gzip", "br", "zstd"), or -1. */
int encoder_by_name(weft_str name);
const char *encoder_name(enum encoder_coding coding);

/* An encoder at its stream's beginning, perhaps one that was given back. NULL when memory is out.
 * Any thread. */
struct encoder *encoder_take(enum encoder_coding coding, int level);

/* Gives it back, wherever its stream is; NULL-safe. Any thread. */
void encoder_give(struct encoder *e);

/* Compresses `len` bytes. FLUSH: what has been written can be decoded from what has come out.
 * FINISH: the stream ends. Returns 0; emit's error; -EIO when the library fails. Does not park
 * itself. */
int encoder_run(struct encoder *e, const void *data, size_t len, enum encoder_step step,
                encoder_emit *emit, void *arg);

#endif
