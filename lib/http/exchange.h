/* exchange.h: one request and its answer, on one connection: what a handler's weft_http is.
 *
 * All of it lives on the stack of the connection's coroutine, buffers included: the stack that ran
 * last is warm, and an idle connection, whose coroutine has ended, holds none of it.
 *
 * The input buffer, while a request is handled:
 *
 *      0 ...   head_at         body_at        in_at         in_len        IN_BYTES
 *      answered | the head: slices | read body  | unread bytes | free
 *
 * Where the answer stands:
 *
 *   NONE    -> HELD    answer_hold      there is middleware: headers may still be set
 *   NONE    -> SENT    answer_put       the head is in the output buffer, or further
 *   HELD    -> SENT    answer_finish    the chain has returned
 *   NONE    -> OPEN    stream_open      the head is out, the body follows by weft_write
 *   OPEN    -> SENT    stream_finish    the last chunk is out
 * In any state `is_cut` may be set: the connection is closed without another byte. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdbool.h>
#include <weft/http.h>

#include "arena.h"
#include "conn.h"
#include "context.h"
#include "forwarded.h"
#include "head.h"
#include "router.h"

enum {
    IN_BYTES = HEAD_MAX_BYTES + 4096, /* a head of the largest size, and room for a chunked body */
    OUT_BYTES = 16 * 1024,
    FIRST_ARENA_BYTES = 2048,
    BODY_PADDING = 8, /* zeros behind a body that was read whole: for parsers that look ahead */
    DRAIN_BODY_BYTES = 256 * 1024, /* an unread body is read to keep the connection, up to this */
};

enum answer_state { ANSWER_NONE, ANSWER_HELD, ANSWER_OPEN, ANSWER_SENT };
enum body_kind { BODY_NONE, BODY_SIZED, BODY_CHUNKED };

/* A step of a route: middleware, or last the handler. */
struct step {
    weft_handler *fn;
    void *arg;
};

/* What a route leads to: its middleware from the outermost in, and its handler. What its group
 * answers when only the method is wrong goes through the group's middleware too: CORS needs it. */
struct endpoint {
    const struct endpoint *options, *no_method;
    int step_count;
    uint32_t route; /* by which it is counted; see metrics.h */
    struct step steps[];
};

/* What all connections of a served application share. */
struct http_server {
    weft_app *app;
    weft_ctx *ctx;          /* the parent of all requests'; NULL: none */
    bool times_handlers;    /* a handler timeout was asked for */
    weft_serve_opts opts;   /* with the defaults filled in; immutable */
    struct trusted trusted; /* opts.trusted_proxies; immutable */
    _Atomic(int) active;    /* connections */
    _Atomic(bool) is_draining;
    struct tls_store *tls; /* NULL: plain HTTP */
};

enum filter_step { FILTER_WRITE, FILTER_FLUSH, FILTER_FINISH };

/* What a body goes through on its way from the handler to the wire. Middleware sets h->filter
 * before the head is out; an answer without one pays a test of a pointer. */
struct body_filter {
    /* The head is about to be written, for a body of `length` bytes or -1. May still set headers.
     * Returns whether the body goes through `write`: its length is unknown then. */
    bool (*begin)(struct body_filter *f, weft_http *h, int status, weft_str type, int64_t length);
    /* The same for a body that is there as a whole: may put another in its place. Returns 0, or a
     * negative errno that becomes the answer's. */
    int (*whole)(struct body_filter *f, weft_http *h, int status, weft_str type, weft_str *body);
    /* Takes bytes and emits what becomes of them by stream_emit. Returns 0 or an error. Parks. */
    int (*write)(struct body_filter *f, weft_http *h, const void *data, size_t len,
                 enum filter_step step);
};

/* A call to make when the answer is complete, the last set first. */
struct at_end {
    struct at_end *next;
    void (*fn)(weft_http *h, void *arg);
    void *arg;
};

/* What middleware hands to who runs inside of it. */
struct request_value {
    struct request_value *next;
    const void *key;
    void *value;
};

struct answer_header {
    struct answer_header *next;
    uint16_t name_len;
    uint32_t len;
    char line[]; /* "Name: value\r\n" */
};

struct weft_http {
    weft_conn *conn;
    struct http_server *server;

    /* The request's context; see request_context.h. */
    struct coro *coro; /* the connection's */
    weft_ctx *ctx;     /* a reference, or NULL: not made yet */
    struct context_source context_source;
    int64_t deadline; /* 0: the default, from when the context is made */

    /* Input. */
    char *in;
    uint32_t head_at, body_at, in_at, in_len;
    struct head head;
    struct router_match match;
    const struct endpoint *endpoint;
    int step; /* the one that runs */

    /* The request's body. */
    enum body_kind body;
    int body_error; /* sticky */
    bool is_body_done;
    bool is_body_beside;  /* another coroutine reads it: it leaves the output alone */
    bool awaits_continue; /* the client waits for 100 before it sends (RFC 9110 10.1.1) */
    int64_t body_left;    /* BODY_SIZED: bytes not read yet */
    int64_t body_read;
    int64_t body_limit;        /* bytes of it that the handler may read */
    int64_t body_received;     /* bytes off the connection, framing included */
    int64_t body_waited;       /* nanoseconds spent waiting for them */
    struct trailers *trailers; /* what came behind a chunked body; NULL: none (yet) */

    /* The answer. */
    enum answer_state answer;
    bool is_head_request;
    bool has_no_body; /* HEAD, and statuses without one; set with the head */
    bool keeps_alive;
    bool is_cut;
    bool is_chunked;
    bool is_endless;        /* events: wherever they stop, they are whole */
    bool is_upgraded;       /* the handler had the socket: nothing of HTTP follows */
    bool is_filtered;       /* this answer's body goes through the filter */
    bool is_failure_logged; /* middleware writes the log line of a failure itself */
    int status;
    int result;              /* the last error or status that was made an answer */
    int fault, fault_status; /* an error that is the client's fault, and its answer; 0: none */
    const char *failure;     /* what went wrong, for one log line; NULL: nothing */
    int64_t sent_body;       /* bytes, without framing; for logs */
    struct body_filter *filter;
    struct at_end *at_end;
    struct request_value *values;
    struct answer_header *headers, **last_header;
    struct answer_header *answer_trailers, **last_trailer;
    weft_str held_type, held_body;
    uint32_t chunk_at; /* where the open chunk's size stands in `out`; 0: none is open */

    /* Output. */
    char *out;
    uint32_t out_len;
    int out_error; /* sticky: the connection does not take any more */

    struct arena arena;
};

/* ---- wire.c: the output buffer ---- */

/* Sends what is buffered. Parks. Returns 0 or the connection's error, which sticks. */
int wire_flush(weft_http *h);

/* The same where the body follows at once: its beginning shares a segment with what is buffered. */
int wire_flush_more(weft_http *h);

/* Makes room for `len` bytes at most OUT_BYTES long, by sending if there is none. */
int wire_reserve(weft_http *h, size_t len);

/* Buffers or sends bytes. */
int wire_put(weft_http *h, const void *data, size_t len);

/* ---- response.c ---- */

/* Forgets the last answer. */
void answer_begin(weft_http *h);

/* Makes the default answer for what a handler returned, when it has not answered. */
void answer_result(weft_http *h, int rc);

/* The chain has returned: what is held goes out. */
void answer_finish(weft_http *h);

/* Says that `error`, when the handler returns it, is the client's fault and is answered by `status`
 * without a line in the log. */
void answer_fault(weft_http *h, int error, int status);

/* Takes back an answer that is held, headers of its content included. Returns whether one was. */
bool answer_drop(weft_http *h);

/* Makes a header's line in the arena. Returns 0; -EINVAL for what weft_set_header refuses; -ENOMEM.
 */
int answer_field(weft_http *h, const char *name, weft_str value, struct answer_header **ret);

/* Writes the head: for a body of `length` bytes, or -1: chunked or to the connection's end. */
int answer_head(weft_http *h, int status, weft_str type, int64_t length);

/* Starts an answer of `length` bytes with the status and headers set so far; its body follows by
 * answer_send_fd, or not at all for HEAD and 304. Returns 0 or -EALREADY. */
int answer_start_sized(weft_http *h, int64_t length);

/* The body, from a file. A file that ends early cuts the connection. Parks. */
int answer_send_fd(weft_http *h, int fd, int64_t offset, int64_t length);

/* Refuses a request that no handler sees; the connection ends with it. */
void answer_refuse(weft_http *h, int status);

/* ---- stream.c ---- */

/* Puts body bytes into the output of an answer whose head is there, past any filter. Parks. */
int stream_emit(weft_http *h, const void *data, size_t len);

/* Ends a body of unknown length. */
void stream_finish(weft_http *h);

/* ---- body.c ---- */

/* Looks at a complete head: what body follows. Returns 0 or a status to refuse with. */
int body_begin(weft_http *h);

/* Another coroutine than the handler's will read the body: what the client waits for goes out now,
 * and the output is the handler's alone until is_body_beside is false again. Returns 0 or the
 * connection's error. Parks. */
WEFT_MUST_USE int body_let_beside(weft_http *h);

/* Reads what the handler has not read. Returns whether the connection can go on. Parks. */
bool body_drain(weft_http *h);

/* ---- app.c ---- */

/* Makes the routes of `app` ready to serve; prints what is wrong. Returns 0 or -EINVAL, -ENOMEM. */
int app_prepare(weft_app *app);

/* ---- dispatch.c ---- */

/* Finds the endpoint for h's request and runs it. May park. */
void app_dispatch(weft_app *app, weft_http *h);

/* ---- request.c ---- */

/* The path of the target without its query, and the query. */
void target_split(weft_str target, weft_str *ret_path, weft_str *ret_query);

/* ---- serve.c ---- */

/* Fills in defaults. Returns 0, or -EINVAL for a value out of its range. */
int server_init(struct http_server *s, weft_app *app, const weft_serve_opts *opts);

/* Takes a connection that was accepted; for listener_start. */
void server_accept(weft_conn *c, void *server);

/* Serves a connection that can be read, or ends one that has waited in vain; for conn_idle. */
void server_on_wake(weft_conn *c, enum conn_wake why);

/* Closes a connection of the server. */
void server_close(struct http_server *s, weft_conn *c);

/* ---- date.c, status.c ---- */

enum { DATE_LEN = 29 };
/* "Sun, 06 Nov 1994 08:49:37 GMT" for now, DATE_LEN bytes. Any thread. */
void date_now(char *buf);
/* The same for any time. */
void date_format(char *buf, int64_t unix_seconds);
/* Reads an IMF-fixdate (or the two obsolete forms). Returns false when it is none. */
bool date_parse(weft_str text, int64_t *ret_unix_seconds);

/* "HTTP/1.1 200 OK\r\n"; a status without a name gets an empty reason. */
weft_str status_line(int status, char buf[32]);
const char *status_reason(int status);

#endif
