/* weft/middleware.h: middleware that comes with weft, for weft_use.
 *
 *     weft_use(app, weft_mw_access_log, NULL);
 *     weft_use(app, weft_mw_request_id, NULL);
 *     weft_use(app, weft_mw_compress, NULL);
 *     weft_use(api, weft_mw_rate_limit, &rate);
 *
 * The first added is the outermost. A zero field of an options struct means its default; NULL for
 * the struct is all defaults where that is said. Options must live as long as the application is
 * served, and do not change meanwhile. All of these may be used in several places at once. */
#ifndef WEFT_MIDDLEWARE_H
#define WEFT_MIDDLEWARE_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- access log ---- */

enum { WEFT_LOG_COMBINED, WEFT_LOG_COMMON, WEFT_LOG_JSON };

typedef struct weft_access_log_opts {
    const char *path;    /* appended to, made with mode 0640; default: standard output */
    int format;          /* WEFT_LOG_COMBINED (default), _COMMON, _JSON */
    size_t buffer_bytes; /* lines that wait for the disk; default 1 MB, at least 64 KB */
} weft_access_log_opts;

/* Where lines go: they are put into memory by who answers, and written by a thread of the log's
 * own, so that a slow disk holds up nobody. Lines that find the buffer full are dropped and
 * counted, which is told on stderr. */
typedef struct weft_access_log weft_access_log;

/* Opens a log; opts may be NULL. Sets *ret_log. Returns 0; the errors of open(2); -ENOMEM, -EAGAIN;
 * -EINVAL for a format that is none. Any thread. */
WEFT_API int weft_access_log_open(const weft_access_log_opts *opts, weft_access_log **ret_log);

/* Opens its path again, for who has moved the file away (logrotate): what was logged before goes to
 * the old file. When that fails the old file stays in use. Returns 0 or the errors of open(2). Any
 * thread; blocks for the disk. */
WEFT_API int weft_access_log_reopen(weft_access_log *log);

/* Waits until all lines so far are written, at most `timeout` nanoseconds. Returns 0, -ETIMEDOUT,
 * or the last error of write(2). Any thread; blocks. */
WEFT_API int weft_access_log_flush(weft_access_log *log, int64_t timeout);

/* Lines that were dropped since it was opened. Any thread. */
WEFT_API uint64_t weft_access_log_dropped(const weft_access_log *log);

/* Writes what is left, at most for a second, and closes. NULL-safe. Blocks; nobody may log to it
 * any more. */
WEFT_API void weft_access_log_close(weft_access_log *log);

/* Middleware: a line for each answer when it is complete. arg: a weft_access_log, or NULL for one
 * that is shared by all NULLs, combined, on standard output. */
WEFT_API int weft_mw_access_log(weft_http *h, void *arg);

/* ---- request id ---- */

typedef struct weft_request_id_opts {
    const char *header;   /* default "X-Request-Id" */
    int ignores_incoming; /* 1: the client's is never taken over */
} weft_request_id_opts;

/* Middleware: gives each request an id, 32 hexadecimal digits that are unique but not secret, or
 * takes over the one that it came with when that is 1 to 128 letters, digits or -._~+/=:@. It is
 * in the answer's header and in weft_request_id. arg: weft_request_id_opts or NULL. */
WEFT_API int weft_mw_request_id(weft_http *h, void *arg);

/* The request's id; {NULL, 0} when weft_mw_request_id is not around. Lives as the request. */
WEFT_API weft_str weft_request_id(weft_http *h);

/* ---- timeout ---- */

/* Middleware: what runs inside has so much time; then its waits return -ETIMEDOUT, and the error
 * that the handler returns is answered with 504. A handler that only computes is not stopped. arg:
 * an int64_t, nanoseconds; NULL: 30 s. */
WEFT_API int weft_mw_timeout(weft_http *h, void *arg);

/* ---- compression ---- */

typedef struct weft_compress_opts {
    const char *codings; /* in the order preferred; default "zstd, br, gzip" */
    int64_t min_bytes;   /* a shorter body is sent as it is; default 1024 */
    int gzip_level;      /* 1 to 9; default 5 */
    int brotli_level;    /* 1 to 11; default 4 */
    int zstd_level;      /* 1 to 19; default 3 */
} weft_compress_opts;

/* Middleware: compresses bodies of types that gain by it, in the coding that the client likes best
 * (Accept-Encoding, RFC 9110 section 12.5.3). Streams are compressed as they go, and weft_flush
 * sends all that was written. Not: ranges and answers without a body, what has a Content-Encoding
 * already, and Cache-Control: no-transform. Sets Vary; a strong ETag becomes weak.
 *
 * Do not compress pages that hold both a secret and text of the client's choice: the length tells
 * (the BREACH attack). arg: weft_compress_opts or NULL. */
WEFT_API int weft_mw_compress(weft_http *h, void *arg);

/* ---- CORS ---- */

typedef struct weft_cors_opts {
    const char *origins; /* "https://a.example, https://b.example:8443"; a host with "*." before it
                          * stands for all names below it; default "*", any */
    const char *methods; /* default "GET, HEAD, POST, PUT, PATCH, DELETE" */
    const char *headers; /* that requests may have; default: those that are asked for */
    const char *exposed; /* headers of answers that scripts may read; default none */
    int credentials;     /* 1: cookies may be sent; only with origins that are listed */
    int max_age;         /* seconds that a preflight is remembered; default 600 */
} weft_cors_opts;

/* Middleware: lets scripts of other origins use what is inside (the Fetch standard, section 3.2),
 * and answers their preflights. Credentials with any origin are refused: every site could act as
 * the user; it is said once on stderr and the answer lets nobody in. arg: weft_cors_opts or NULL.
 */
WEFT_API int weft_mw_cors(weft_http *h, void *arg);

/* ---- who it is ---- */

typedef struct weft_basic_user {
    const char *name, *password;
} weft_basic_user;

typedef struct weft_basic_auth_opts {
    const char *realm;            /* default "restricted" */
    const weft_basic_user *users; /* ended by {NULL, NULL} */
    /* Instead of users: returns 1 for who may come in, 0, or an error for the handler's; may park.
     */
    int (*check)(weft_http *h, weft_str name, weft_str password, void *arg);
    void *arg;
} weft_basic_auth_opts;

/* Middleware: asks for a name and a password (RFC 7617), 401 without. They are compared in a time
 * that does not depend on how much of them is right. Only over TLS: they are sent in clear. arg: a
 * weft_basic_auth_opts. */
WEFT_API int weft_mw_basic_auth(weft_http *h, void *arg);

typedef struct weft_bearer_opts {
    const char *realm;         /* default "restricted" */
    const char *const *tokens; /* ended by NULL */
    /* Instead of tokens: as above; it may set who it is by weft_set_user. */
    int (*check)(weft_http *h, weft_str token, void *arg);
    void *arg;
} weft_bearer_opts;

/* Middleware: asks for a token (RFC 6750), 401 without a right one. arg: a weft_bearer_opts. */
WEFT_API int weft_mw_bearer(weft_http *h, void *arg);

/* Who the request comes from, as middleware has found out; {NULL, 0}: unknown. The text must live
 * as long as the request. Returns 0 or -ENOMEM. */
WEFT_API weft_str weft_user(weft_http *h);
WEFT_API int weft_set_user(weft_http *h, weft_str user);

/* Whether two texts are the same, in a time that depends on the length of `given` only. Any thread.
 */
WEFT_API int weft_str_eq_secret(weft_str given, weft_str secret);

/* ---- rate limit ---- */

typedef struct weft_rate_limit_opts {
    double per_second; /* requests of one client in the long run; default 10 */
    int burst;         /* and at once; default 20 */
    int max_clients;   /* that are remembered; default 16,384, of 24 bytes each. When more come, who
                        * is nearest to his full burst is forgotten */
    /* What counts as one client; default: his address, for IPv6 the first 64 bits of it. An empty
     * slice is not limited. */
    weft_str (*key)(weft_http *h, void *arg);
    void *arg;
    void *state; /* weft's own: NULL at the start */
} weft_rate_limit_opts;

/* Middleware: a bucket of tokens a client; 429 with Retry-After when it is empty. arg: a
 * weft_rate_limit_opts. */
WEFT_API int weft_mw_rate_limit(weft_http *h, void *arg);

/* Frees what a limit remembers, when nothing is served by it any more. NULL-safe. */
WEFT_API void weft_rate_limit_free(weft_rate_limit_opts *opts);

/* ---- others ---- */

/* Middleware: the largest request body for what is inside, smaller or larger than the server's
 * max_body; 413. arg: an int64_t, bytes. */
WEFT_API int weft_mw_body_limit(weft_http *h, void *arg);

typedef struct weft_security_opts {
    const char *content_security_policy; /* default: not sent */
    const char *permissions_policy;      /* default: not sent */
    const char *frame_options;           /* default "DENY"; "" : not sent */
    const char *referrer_policy;         /* default "strict-origin-when-cross-origin" */
    const char *opener_policy;           /* Cross-Origin-Opener-Policy; default "same-origin" */
    int64_t hsts_seconds;                /* Strict-Transport-Security with subdomains, for sites
                                          * that are reached by TLS only; default: not sent */
} weft_security_opts;

/* Middleware: sets headers that make browsers stricter, X-Content-Type-Options: nosniff among them;
 * a handler may set each otherwise. arg: weft_security_opts or NULL. */
WEFT_API int weft_mw_security(weft_http *h, void *arg);

typedef struct weft_recover_opts {
    /* Called once for each failure; default: a line on stderr with the request's method, target and
     * id, what went wrong, and after how long. */
    void (*log)(weft_http *h, int status, const char *what, void *arg);
    void *arg;
    int plain; /* 1: the answer stays the plain one */
} weft_recover_opts;

/* Middleware: whatever inside returns an error, or forgets to answer, makes one log line and one
 * answer: problem details as JSON (RFC 9457) with the status and the request's id, nothing of the
 * inside. An answer that has begun is cut. Statuses that a handler returns (return 404;) are no
 * failures. arg: weft_recover_opts or NULL. */
WEFT_API int weft_mw_recover(weft_http *h, void *arg);

#ifdef __cplusplus
}
#endif
#endif
