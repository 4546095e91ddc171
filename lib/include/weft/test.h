/* weft/test.h: testing handlers: without a network, and on a port of their own.
 *
 *     weft_test_response r = weft_test_request(app, "GET /users/7 HTTP/1.1\r\nHost: x\r\n\r\n");
 *     assert(r.status == 200 && weft_str_eq(r.body, WEFT_STR("...")));
 *     weft_test_response_free(&r);
 *
 * The request goes the whole way that a client's goes, through parsing, limits, routing, middleware
 * and framing, over a pair of connected sockets inside of the process: no address, no port. */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An answer. All of it belongs to the first answer of a call and is freed by
 * weft_test_response_free. */
typedef struct weft_test_response {
    int status;        /* 0: there is none, `error` tells why */
    int error;         /* 0, or a negative errno, see weft_test_request */
    int interim;       /* the last 1xx status before it; 0: there was none */
    weft_str head;     /* its status line and headers as sent */
    weft_str body;     /* without the framing of chunks; a NUL stands behind it */
    weft_str trailers; /* their lines as sent */
    const struct weft_test_response *next; /* the answer to the next request, or NULL */
    void *memory;                          /* weft's own */
} weft_test_response;

/* How requests are sent; a zero field means its default. */
typedef struct weft_test_opts {
    size_t len;                   /* bytes of the requests; default strlen */
    size_t piece;                 /* bytes that are sent at a time, each read before the next comes;
                                   * default: all at once */
    int64_t timeout;              /* for all of it, nanoseconds; default 10 s */
    const weft_serve_opts *serve; /* limits and timeouts of the server; addresses are ignored */
} weft_test_opts;

/* Sends `raw`, one request or several with their bodies, to the application, and gives the answers,
 * the first by value and the others by `next`.
 *
 * Works anywhere: in a coroutine it parks; in a thread it blocks, and runs a runtime of its own
 * with one processor when none is running. The application may be served elsewhere meanwhile.
 * `error` of an answer: -ECONNRESET when the connection was cut before the answer ended (what had
 * come of it is there), -ETIMEDOUT, -EPROTO for an answer that is no HTTP, -EFBIG for one over 64
 * MB, -EINVAL when the application's routes are wrong (said on stderr) or an option is, -ENOMEM,
 * -EMFILE. After 101 the body is all that came until the connection's end. */
WEFT_API weft_test_response weft_test_request(weft_app *app, const char *raw);
WEFT_API weft_test_response weft_test_request_opts(weft_app *app, const char *raw,
                                                   const weft_test_opts *opts);

/* The value of an answer's first header of that name, in any case, or {NULL, 0}; lives as the
 * answer. */
WEFT_API weft_str weft_test_header(const weft_test_response *r, const char *name);

/* Frees what the first answer of a call holds, the others included. */
WEFT_API void weft_test_response_free(weft_test_response *r);

/* An application served on 127.0.0.1, on a port that the kernel chooses, by threads of its own. */
typedef struct weft_test_server weft_test_server;

/* Starts to serve; returns when connections are accepted. opts: NULL, or limits and timeouts; its
 * addresses are ignored. Returns NULL when it could not start (said on stderr). One at a time a
 * process, and not beside weft_run. Not in a coroutine: it blocks. */
WEFT_API weft_test_server *weft_test_server_start(weft_app *app, const weft_serve_opts *opts);
WEFT_API int weft_test_server_port(const weft_test_server *server);

/* Drains, stops and frees it; the application stays the caller's. Returns the exit status that
 * weft_app_main_opts gave. NULL-safe. Blocks; not in a coroutine. */
WEFT_API int weft_test_server_stop(weft_test_server *server);

#ifdef __cplusplus
}
#endif
#endif
