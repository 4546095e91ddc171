/* weft/client.h: asking other servers: HTTP/1.1 requests on kept connections.
 *
 *     weft_response *res;
 *     int rc = weft_fetch(&(weft_fetch_opts){.url = "http://127.0.0.1:9000/"}, &res);
 *     if (rc < 0)
 *         return rc;
 *     weft_str body;
 *     rc = weft_response_all(res, &body);
 *     ...
 *     weft_response_free(res);
 *
 * Every call here is for coroutines, and those that wait honour the current context (-ECANCELED,
 * -ETIMEDOUT). A response is used by one coroutine at a time. */
#ifndef WEFT_CLIENT_H
#define WEFT_CLIENT_H

#include <weft/base.h>
#include <weft/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_client weft_client;
typedef struct weft_response weft_response;

/* ---- a client: kept connections, and what its requests have in common ---- */

/* A zero field means its default, never "no limit". Durations are nanoseconds. */
typedef struct weft_client_opts {
    int max_idle_per_host;   /* connections kept to one origin; default 32 */
    int max_idle;            /* in all; default 256 */
    int max_per_host;        /* in use at once to one origin, more wait; default 256 */
    int64_t keep_timeout;    /* how long an unused connection is kept; default 30 s */
    int64_t connect_timeout; /* name, connection and TLS; default 10 s */
    size_t max_header_bytes; /* of a response's head; default 16 KB, at most 60 KB */
    const char *user_agent;  /* default "weft/VERSION"; "": none is sent. Must stay. */
    weft_tls_dial_opts tls;  /* for "https"; what it points to must stay. Its timeout is not used */
} weft_client_opts;

/* A client of one's own; most programs need none: weft_fetch has a shared one. NULL for an option
 * out of its range, or when memory is out. Never parks; any thread. */
WEFT_API weft_client *weft_client_new(const weft_client_opts *opts);

/* Closes the connections that are kept, and frees the client. No fetch may be under way, nor a
 * response of it be left. NULL-safe. Never parks. */
WEFT_API void weft_client_free(weft_client *client);

/* Closes the connections that are kept at the moment; NULL: the shared client's. Never parks. */
WEFT_API void weft_client_close_idle(weft_client *client);

/* ---- a request ---- */

/* What is fetched, and how; a zero field means its default. All that it points to stays the
 * caller's and is not needed after weft_fetch, except what read_body needs. */
typedef struct weft_fetch_opts {
    const char *url;            /* "https://host:port/path?query"; a fragment is not sent */
    const char *method;         /* default GET, or POST with a body */
    const char *const *headers; /* name, value, name, value, ..., NULL. Framing is weft's own:
                                 * Content-Length, Transfer-Encoding, Connection, Keep-Alive, TE,
                                 * Trailer, Upgrade, Expect are -EINVAL. Host may be given. */
    weft_str body; /* the body, whole; with `ptr` set, even of no length, there is one */

    /* Or as a stream: gives the next bytes, at most `len`, 0 at the end, or a negative errno that
     * ends the request. Called in a coroutine of its own, until it has ended or the response is
     * freed, whichever comes first. It may park. */
    ssize_t (*read_body)(void *arg, void *buf, size_t len);
    void *read_body_arg;
    int64_t body_length; /* what it will give in all; 0: unknown, sent chunked */

    int64_t timeout;        /* from the call to the last byte; default 60 s */
    int64_t header_timeout; /* from the request sent to the response's head; default 30 s */
    int64_t idle_timeout;   /* a wait for the next bytes, either way; default 30 s */
    int max_redirects;      /* followed; default 10; -1: a redirect is an answer like others */
    int64_t max_body;       /* for weft_response_all; default 16 MB */
    int is_repeatable;      /* 1: it may be sent again though its method is not idempotent */
    const char *unix_path;  /* the server listens on this unix socket, whatever the URL's host */
    weft_client *client;    /* default: the shared one */
} weft_fetch_opts;

/* Sends a request and gives the response, whose head has come, in *ret_res: the caller frees it.
 * Any status is a success. Interim responses are skipped.
 *
 * A kept connection that turns out dead before a byte of the answer has come is replaced once, if
 * the method is idempotent (RFC 9110 section 9.2.2) or is_repeatable, and the body no stream.
 * Redirects (RFC 9110 section 15.4) are followed as browsers do: 301 and 302 turn POST into GET,
 * 303 all but HEAD; 307 and 308 repeat the request, unless its body was a stream: then they are the
 * answer. Authorization, Cookie and Proxy-Authorization are not sent to another origin.
 *
 * Returns 0; -EINVAL for a URL, header or option that cannot be; -EPROTONOSUPPORT for a scheme that
 * is not known; -ELOOP for too many redirects; -EPROTO for an answer that is not HTTP or could be
 * read in two ways; -EMSGSIZE for a head that is too large; -ETIMEDOUT; -ECANCELED; -ECONNRESET
 * when the server closes early; what read_body returned; the errors of weft_dial and, for "https",
 * of weft_dial_tls; -ENOMEM. Parks. */
WEFT_API int weft_fetch(const weft_fetch_opts *opts, weft_response **ret_res);

/* ---- the response ---- */

WEFT_API int weft_response_status(const weft_response *res);

/* The URL that answered, after redirects; lives as long as the response. */
WEFT_API weft_str weft_response_url(const weft_response *res);

/* The first header of that name, in any case; {NULL, 0} when absent. Headers live as long as the
 * response. weft_response_header_at: number `i` from 0 in the order sent; 1, or 0 past the last. */
WEFT_API weft_str weft_response_header(const weft_response *res, const char *name);
WEFT_API int weft_response_header_at(const weft_response *res, size_t i, weft_str *ret_name,
                                     weft_str *ret_value);

/* Content-Length; -1 when the response has none. */
WEFT_API int64_t weft_response_length(const weft_response *res);

/* Reads the next bytes of the body, at most `len`. Returns the count; 0 at the end; -ECONNRESET
 * when the server closes early; -EPROTO for a broken chunked body; -EMSGSIZE for trailers past 4
 * KB; -ETIMEDOUT; -ECANCELED; what read_body returned; errors of recv(2). Parks. */
WEFT_API ssize_t weft_response_read(weft_response *res, void *buf, size_t len);

/* Reads what is left of the body, at most max_body; it is in *ret_body, terminated, and lives as
 * long as the response. Returns 0; -EMSGSIZE when it is longer; -ENOMEM; the errors of
 * weft_response_read. Parks. */
WEFT_API int weft_response_all(weft_response *res, weft_str *ret_body);

/* A trailer field, once weft_response_read has returned 0; {NULL, 0} when absent. */
WEFT_API weft_str weft_response_trailer(const weft_response *res, const char *name);

/* Frees the response. Its connection is kept when the body has been read to its end, which for a
 * body that is here already this does; else it is closed. Waits for read_body's coroutine, which it
 * cancels. NULL-safe. May park. */
WEFT_API void weft_response_free(weft_response *res);

#ifdef __cplusplus
}
#endif
#endif
