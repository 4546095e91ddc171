/* weft/http.h: writing request handlers, and serving them.
 *
 * A handler is a function `int handler(weft_http *h, void *arg)` that runs in a coroutine of its
 * connection. It returns 0 when it has answered, a status (404) for that status's plain answer, or
 * a negative errno, which becomes the fitting one (-ENOENT 404, -EACCES 403, -EINVAL 400, -EEXIST
 * 409, -EMSGSIZE 413, -ETIMEDOUT 504, -ENOMEM 503, -ENOSPC 507, else 500) and a log line. When the
 * head has gone out already, the connection is cut, so that the client cannot take the rest for
 * whole.
 *
 * Slices that the request gives live as long as the request. */
#ifndef WEFT_HTTP_H
#define WEFT_HTTP_H

#include <weft/base.h>
#include <weft/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_app weft_app;
typedef struct weft_http weft_http;
typedef int weft_handler(weft_http *h, void *arg);

/* ---- the application ---- */

/* A new, empty application. Returns NULL when memory is out. Free with weft_app_free. */
WEFT_API weft_app *weft_app_new(void);
WEFT_API void weft_app_free(weft_app *app);

/* Routes `method` and `pattern` to `handler(h, arg)`. A pattern is a path whose segments are text,
 * `{name}` (one segment) or, last, `{name...}` (the rest of the path, which may be empty). The most
 * specific pattern wins, whatever the order. An invalid pattern, or one that conflicts with an
 * earlier one, is remembered and refused with both patterns named when the application starts
 * (weft_app_main prints it and gives exit status 2).
 * Returns 0; -EINVAL, -EEXIST or -ENOMEM, which need not be looked at. Before serving only. */
WEFT_API int weft_route(weft_app *app, const char *method, const char *pattern,
                        weft_handler *handler, void *arg);
WEFT_API int weft_get(weft_app *app, const char *pattern, weft_handler *handler, void *arg);
WEFT_API int weft_post(weft_app *app, const char *pattern, weft_handler *handler, void *arg);
WEFT_API int weft_put(weft_app *app, const char *pattern, weft_handler *handler, void *arg);
WEFT_API int weft_patch(weft_app *app, const char *pattern, weft_handler *handler, void *arg);
WEFT_API int weft_delete(weft_app *app, const char *pattern, weft_handler *handler, void *arg);
/* Any method. A pattern with the method named is more specific. */
WEFT_API int weft_any(weft_app *app, const char *pattern, weft_handler *handler, void *arg);

/* A group: routes under `prefix` ("/api", or "" for the same paths) with middleware of their own.
 * Freed with its application. */
WEFT_API weft_app *weft_app_group(weft_app *app, const char *prefix);

/* A group for one host: "api.example.org", or "*.example.org" for all names below it; without a
 * port, in any case. A request is looked up among the routes of its host (weft_client_host: the one
 * that the client has used, as far as trusted proxies tell), then of the wildcards
 * that fit it from the longest on, then of the application; the first that has the path and the
 * method wins. Calls with the same host share its routes. Not in a group; freed with the
 * application. NULL when memory is out. Before serving only. */
WEFT_API weft_app *weft_app_host(weft_app *app, const char *host);

/* What happens to a path that has no route as it stands, but has with other slashes. */
enum {
    WEFT_SLASH_STRICT,   /* it has no route: 404 */
    WEFT_SLASH_REDIRECT, /* the client is sent to the one that has, with 308 and the query */
    WEFT_SLASH_SAME,     /* it is answered as the one that has */
};

typedef struct weft_path_opts {
    int trailing_slash;    /* "/a/" and "/a"; default WEFT_SLASH_STRICT */
    int duplicate_slashes; /* "/a//b" and "/a/b"; default WEFT_SLASH_STRICT */
} weft_path_opts;

/* Sets it for the application (not for a group). Returns 0; -EINVAL, which is also remembered as a
 * wrong route is. Before serving only. */
WEFT_API int weft_app_paths(weft_app *app, const weft_path_opts *opts);

/* Adds middleware: it runs before the handlers of this application or group, in the order of the
 * calls, and goes on with weft_next. */
WEFT_API int weft_use(weft_app *app, weft_handler *middleware, void *arg);

/* Runs the rest of the chain and returns its result, a handler's. Before it returns, the default
 * answer for a status or an error has been made (not yet sent). May park. */
WEFT_API int weft_next(weft_http *h);

/* Calls `fn(h, arg)` when the answer is complete, or has failed for good: for logs, and for what
 * the request holds. It may look at the request and at weft_answer_*, must not answer, and may
 * park. The last call set is made first. Returns 0 or -ENOMEM. */
WEFT_API int weft_at_end(weft_http *h, void (*fn)(weft_http *h, void *arg), void *arg);

/* Keeps `value` under `key`, an address that is unique to who defines the key, as long as the
 * request lives: what middleware hands to the handlers inside. weft_value gives the last one kept,
 * or NULL. Never park. Returns 0 or -ENOMEM. */
WEFT_API int weft_set_value(weft_http *h, const void *key, void *value);
WEFT_API void *weft_value(weft_http *h, const void *key);

/* ---- serving ---- */

enum { WEFT_MAX_LISTEN = 16 };

/* How trusted proxies tell whom a request is from. */
enum weft_proxy_headers {
    WEFT_PROXY_X_FORWARDED, /* X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host */
    WEFT_PROXY_FORWARDED,   /* Forwarded (RFC 7239) */
};

/* An address more, with another application, or without TLS: for weft_serve_opts.also. */
typedef struct weft_also {
    weft_app *app;      /* NULL: the application that is served */
    const char *listen; /* as in weft_serve_opts; NULL: listen_fd */
    int listen_fd;      /* as one of weft_serve_opts.listen_fds */
    int plain;          /* 1: it speaks plain HTTP even where weft_serve_opts has a certificate */
} weft_also;

/* How an application is served; a zero field means its default, never "no limit". Durations are
 * nanoseconds, sizes bytes. */
typedef struct weft_serve_opts {
    const char *listen[WEFT_MAX_LISTEN]; /* host:port, [ipv6]:port, :port or unix:PATH */
    int listen_fds[WEFT_MAX_LISTEN]; /* sockets that listen already, from a supervisor or systemd;
                                      * taken over, but others may go on accepting from them */
    int n_listen_fds;
    const weft_also *also; /* `n_also` addresses more, at most WEFT_MAX_LISTEN; the limits count for
                            * each of them on its own */
    int n_also;
    int threads;             /* processors; default weft_default_procs() */
    int quiet;               /* 1: do not print the address on start */
    int64_t max_body;        /* request body; default 1 MB */
    size_t max_header_bytes; /* request line and headers; default and at most 16 KB */
    int max_headers;         /* header lines; default and at most 100 */
    int max_connections;     /* default: descriptors allowed, less a reserve */
    int64_t header_timeout;  /* from a request's first byte to its head's end; default 10 s */
    int64_t body_timeout;    /* a wait for the next bytes of a body; default 20 s */
    int64_t min_body_rate;   /* bytes a second that a body comes at, averaged over all waits for it
                              * beyond body_timeout; default 240; -1: any rate */
    int64_t handler_timeout; /* from a request's head on: see weft_set_deadline; default 5 min, from
                              * the handler's first wait on */
    int64_t idle_timeout;    /* keep-alive between requests; default 75 s */
    int64_t write_timeout;   /* a wait for the client to take more bytes; default 30 s */
    int64_t drain_timeout;   /* requests in flight at shutdown; default 10 s */
    int64_t
        drain_grace;   /* at shutdown an idle keep-alive connection may send one more request, which
                        * is answered with Connection: close, for so long; default 0: it is closed
                        * at once, and a client that sends just then has lost his request */
    weft_tls_opts tls; /* with a certificate, addresses speak TLS (but see also); default none do */
    int (*on_bound)(void *arg); /* called once when the sockets are bound and what needs privileges
                                 * has been read, before threads start and anything is accepted: the
                                 * place to give privileges up; a negative errno refuses to start */
    void *on_bound_arg;
    /* Whom to believe who a request is from: addresses and ranges, "10.0.0.0/8", "2001:db8::1",
     * "unix:" for a unix socket's peers, at most 64, ended by NULL; default nobody. They tell by
     * one kind of header, proxy_headers; the other kind may have come from the client. */
    const char *const *trusted_proxies;
    enum weft_proxy_headers proxy_headers;
    /* 1: a connection from a trusted proxy begins with a header of the PROXY protocol, version 1
     * or 2, and is closed without one; others' connections begin with the request. */
    int proxy_protocol;
    void (*on_ready)(void *arg); /* called once, when it accepts connections */
    void *on_ready_arg;
} weft_serve_opts;

/* Serves `app` on one address until SIGTERM or SIGINT, then drains: accepting stops, requests in
 * flight finish (bounded), idle connections close (see drain_grace).
 * Returns an exit status: 0; 1 when serving failed; 2 when it could not start (said on stderr in
 * one line). Blocks the calling thread. Frees nothing. */
WEFT_API int weft_app_main(weft_app *app, const char *address);
WEFT_API int weft_app_main_opts(weft_app *app, const weft_serve_opts *opts);

/* Ends the serving of this process, if there is any, as SIGTERM does; does not wait for it. Any
 * thread and coroutine; never parks. */
WEFT_API void weft_app_stop(void);

/* ---- the request ---- */

WEFT_API weft_str weft_method(weft_http *h);
WEFT_API weft_str weft_target(weft_http *h);       /* as sent: "/a%20b?x=1" */
WEFT_API weft_str weft_path(weft_http *h);         /* the target's path, as sent */
WEFT_API weft_str weft_query_string(weft_http *h); /* after '?', as sent; {NULL, 0} when absent */
/* The host that the request is for, as sent, perhaps with a port: the target's when it has one,
 * else the header's (RFC 9112 section 3.2.2); {NULL, 0} when there is none (HTTP/1.0). */
WEFT_API weft_str weft_host(weft_http *h);
/* A parameter of the pattern, percent-decoded; {NULL, 0} when the pattern has no such name. */
WEFT_API weft_str weft_param(weft_http *h, const char *name);
/* The first value of a query parameter, decoded; {NULL, 0} when absent. */
WEFT_API weft_str weft_query(weft_http *h, const char *name);
/* The first header of that name, in any case; {NULL, 0} when absent. */
WEFT_API weft_str weft_header(weft_http *h, const char *name);
/* Header number `i` from 0 in the order sent. Returns 1, or 0 past the last. */
WEFT_API int weft_header_at(weft_http *h, size_t i, weft_str *ret_name, weft_str *ret_value);
/* The next header of that name, in any case, from number *at on, which the caller sets to 0 first:
 * repeated headers one after the other. Returns 1, or 0 when there is none left. */
WEFT_API int weft_header_next(weft_http *h, const char *name, size_t *at, weft_str *ret_value);
/* The peer's address, "127.0.0.1:4711". */
WEFT_API weft_str weft_peer(weft_http *h);
/* "https" over TLS, else "http". */
WEFT_API weft_str weft_scheme(weft_http *h);
/* What TLS has negotiated, a client certificate's subject among it; -ENOTCONN without TLS. */
WEFT_API int weft_tls(weft_http *h, weft_tls_info *ret_info);
/* Whom the request is from, as far as trusted proxies tell (weft_serve_opts.trusted_proxies), else
 * the connection's peer: the address alone, "192.0.2.1", "2001:db8::1", "unix:". {NULL, 0} when
 * memory is out. Never parks. */
WEFT_API weft_str weft_client_address(weft_http *h);
/* The scheme and the host that the client has used, the same way: "https", "example.org". */
WEFT_API weft_str weft_client_scheme(weft_http *h);
WEFT_API weft_str weft_client_host(weft_http *h);

/* Reads the next bytes of the request's body, at most `len`; parks.
 * Returns the count; 0 at the end; -EMSGSIZE past the body limit (answers 413); -ETIMEDOUT (408);
 * -EINVAL for a broken chunked body (400); -ECONNRESET when the client has gone. */
WEFT_API ssize_t weft_body_read(weft_http *h, void *buf, size_t len);

/* Reads the whole body, bounded by the body limit, into the request's memory; parks.
 * Returns 0 or weft_body_read's errors, or -ENOMEM. */
WEFT_API int weft_body_all(weft_http *h, weft_str *ret_body);

/* Sets how many bytes of this request's body may be read, instead of max_body. Returns 0; -EINVAL
 * below 0. Never parks. */
WEFT_API int weft_set_max_body(weft_http *h, int64_t bytes);

/* The first trailer of that name, in any case: a field behind a chunked body (RFC 9110
 * section 6.5), there once the body has been read to its end; {NULL, 0} when absent. Trailers never
 * count as headers; 4 KB of them are accepted (more answer 431). */
WEFT_API weft_str weft_trailer(weft_http *h, const char *name);

/* Ends the request's context, weft_ctx_current(), at `when`, a point of weft_now(), instead of at
 * the handler timeout; WEFT_NO_DEADLINE: never by time. Then every wait of the handler, and of what
 * it has spawned, returns -ETIMEDOUT, which answers 504. Waits for the request's own client have
 * limits of their own (body_timeout, write_timeout); reading the body ends at a deadline that was
 * set here or as handler_timeout, too.
 *
 * The context also ends, with -ECANCELED, when the client goes away: when it closes the connection
 * or only its sending side, which cannot be told apart; what the handler answers is still sent.
 * And it ends when the handler has returned, for what it has spawned and not waited for.
 * Returns 0; the context's error when it has ended; -ENOMEM. In the handler's own coroutine; never
 * parks. */
WEFT_API int weft_set_deadline(weft_http *h, int64_t when);

/* Memory that lives as long as the request, aligned to 16; NULL when memory is out. */
WEFT_API void *weft_alloc(weft_http *h, size_t size);

/* ---- the answer ---- */

/* Adds a header of the answer. Both are copied. Returns 0; -EINVAL for a name that is no token or
 * a value with CR, LF or NUL; -ENOMEM; -EALREADY when the head has gone out. Content-Length,
 * Transfer-Encoding, Connection and Date are weft's own: -EINVAL. weft_set_header replaces earlier
 * headers of the name; weft_add_header does not. */
WEFT_API int weft_set_header(weft_http *h, const char *name, const char *value);
WEFT_API int weft_add_header(weft_http *h, const char *name, const char *value);
WEFT_API int weft_set_header_fmt(weft_http *h, const char *name, const char *format, ...)
    WEFT_PRINTF(3, 4);

/* Takes away the answer's headers of that name. Returns 0; -EALREADY when the head has gone out. */
WEFT_API int weft_remove_header(weft_http *h, const char *name);

/* What the answer is so far, for middleware: its status (0: none yet), and the value of the first
 * header of that name that was set, in any case ({NULL, 0}: none). */
WEFT_API int weft_answer_status(weft_http *h);
WEFT_API weft_str weft_answer_header(weft_http *h, const char *name);

/* Whole answers. Each returns 0, or a negative errno for the handler to return; -EALREADY when an
 * answer has been made. The content is copied or sent before they return. They may park. */
WEFT_API int weft_text(weft_http *h, int status, const char *text);
WEFT_API int weft_textf(weft_http *h, int status, const char *format, ...) WEFT_PRINTF(3, 4);
WEFT_API int weft_html(weft_http *h, int status, const char *html);
WEFT_API int weft_bytes(weft_http *h, int status, const char *content_type, const void *data,
                        size_t len);
/* JSON from a format: %d %i %u %ld %lld %lu %llu %zu %zd and so on as printf, %g %f with precision,
 * %s a terminated string as it is, %J a weft_str quoted and escaped ({NULL, 0} gives null), %b an
 * int as true or false, %% a percent sign. -EINVAL for any other. */
WEFT_API int weft_json(weft_http *h, int status, const char *format, ...);
/* Writes `text` as a JSON string, quoted and escaped, to `buf`, which has room for 6 * text.len + 2
 * bytes; what is not UTF-8 becomes U+FFFD. Returns the length; not terminated. Any thread. */
WEFT_API size_t weft_json_quote(char *buf, weft_str text);
WEFT_API int weft_redirect(weft_http *h, int status, const char *location);
/* The plain answer of a status, "Not Found\n"; no body for 204 and 304. */
WEFT_API int weft_status(weft_http *h, int status);

/* A body of unknown length: set headers, then write; chunked for HTTP/1.1, to the connection's end
 * for 1.0. The status is 200 unless weft_set_status was called. weft_write buffers, weft_flush
 * sends. The body ends when the handler returns 0. Return 0 or an error. Park. */
WEFT_API int weft_set_status(weft_http *h, int status);
WEFT_API int weft_write(weft_http *h, const void *data, size_t len);
WEFT_API int weft_writef(weft_http *h, const char *format, ...) WEFT_PRINTF(2, 3);
WEFT_API int weft_flush(weft_http *h);

/* Answers with the file at `path` below the directory `root`, never outside it (neither .. nor
 * links escape); content type by its name's ending; conditional requests and ranges; index.html for
 * a directory. Names that begin with a dot are not there. Options: weft/files.h.
 * Returns 0; -ENOENT; -EACCES; other errors of open(2). Parks. */
WEFT_API int weft_send_file(weft_http *h, const char *root, weft_str path);

/* A handler for a pattern that ends in {path...}: serves files below `arg`, the root's path (a
 * const char *), as weft_send_file. */
WEFT_API int weft_static(weft_http *h, void *arg);

#ifdef __cplusplus
}
#endif
#endif
