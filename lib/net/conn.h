/* conn.h: a connection as the layers above the network use it.
 *
 * A connection is one type-stable record from a pool: its memory is never given back while the
 * runtime lives, so that a late event of the netpoller can at worst wake its next owner for
 * nothing.
 *
 *   who holds it            what it costs
 *   a coroutine             its stack
 *   nobody: idle            this record; readiness (or the deadline, or conn_interrupt) spawns a
 *                           coroutine that runs `on_wake` */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/context.h>
#include <weft/net.h>
#include <weft/rt.h>

#include "cidr.h"
#include "lock.h"
#include "poll.h"
#include "task.h"

/* Why an idle connection's coroutine was spawned. */
enum conn_wake {
    CONN_READABLE,    /* bytes or the end of the stream are there, most likely */
    CONN_DEADLINE,    /* the read deadline passed */
    CONN_INTERRUPTED, /* conn_interrupt was called */
};

/* What ends a context that is bound to a connection. */
enum conn_end {
    CONN_ENDS_BY_PEER = 1,  /* the peer closes its side, or the connection breaks */
    CONN_ENDS_BY_DRAIN = 2, /* conn_drain */
};

/* What a connection's bytes pass through before the socket: TLS. None of these parks; each works on
 * the connection's descriptor, and -EAGAIN means "call again when the socket is ready". */
struct conn_stream {
    /* As conn_try_read. Says in is_drained whether nothing can be read until readiness: neither
     * from the socket nor from what the stream has buffered. */
    ssize_t (*try_read)(weft_conn *c, void *buf, size_t len);

    /* Takes bytes, at most some 64 KB. Returns how many have gone out (at least one); -EAGAIN, then
     * the next call must bring the same bytes again; or the stream's error. */
    ssize_t (*try_write)(weft_conn *c, const void *buf, size_t len);

    /* Tells the peer that the stream ends (close_notify); once, later calls do nothing. */
    int (*try_end)(weft_conn *c);

    /* The connection closes: ends the stream if it can be done at once (not when is_cut), and frees
     * its state. */
    void (*close)(weft_conn *c);
};

struct weft_conn {
    struct poll_desc desc;            /* descriptor, poll words, deadlines */
    const struct conn_stream *stream; /* NULL: the socket itself; set before others see it */
    void *stream_state;
    struct task idle_task; /* what the read word points at while nobody holds the connection */
    void (*on_wake)(weft_conn *c, enum conn_wake why); /* set by conn_idle */
    void *owner;                                       /* for the layer above (the server) */
    uint64_t served;                                   /* for the layer above: requests answered */
    bool is_drained; /* the last read was short: there is nothing to read until readiness */
    bool is_cut;     /* conn_cut: it ends without a proper end */
    _Atomic(bool) is_settled; /* whoever registered it with a netpoller has done with it */
    _Atomic(bool) is_live;    /* between conn_new and weft_conn_close */
    struct lock end_lock;     /* guards the next two; taken by the netpoller, see conn_end.c */
    weft_ctx *end_ctx;        /* borrowed, or NULL */
    unsigned end_by;          /* enum conn_end, several */
    int64_t write_patience;   /* each wait for the peer to take bytes, at most; 0: no bound of it */
    uint8_t family;           /* AF_INET, AF_INET6, AF_UNIX */
    uint16_t peer_port;
    struct in6_addr peer_addr; /* v4 in its first four bytes */
};

/* Takes over a non-blocking descriptor, which no netpoller knows yet: conn_idle or conn_register
 * come next. Returns 0; -ENOMEM (the descriptor stays the caller's). Any thread; does not park. */
WEFT_MUST_USE int conn_new(int fd, const struct sockaddr *peer, weft_conn **ret_conn);

/* Connects out, as weft_dial_with for "tcp" and "unix". Parks. */
WEFT_MUST_USE int conn_dial(const char *network, const char *address, const weft_dial_opts *opts,
                            weft_conn **ret_conn);

/* The connection's close shall be seen as broken off, even where its end would end a message: a
 * reset, and no close_notify before it. Does not park. */
void conn_cut(weft_conn *c);

/* Registers the connection with this processor's netpoller, before a coroutine waits on it, and so
 * before two can. Returns 0 or the errors of poll_open. In a coroutine; does not park. */
WEFT_MUST_USE int conn_register(weft_conn *c);

/* The connection is let go until it is readable: `on_wake(c, why)` then runs in a new coroutine
 * (on the stack used last), which holds the connection and may start with weft_conn_read.
 *
 * Call it last: another coroutine may hold, or have closed, the connection before this returns.
 * `deadline` is the read deadline meanwhile. A connection that no netpoller knows yet goes to the
 * processor with the fewest. When it cannot be registered, on_wake comes with CONN_DEADLINE at
 * once. In a coroutine; does not park. */
void conn_idle(weft_conn *c, void (*on_wake)(weft_conn *, enum conn_wake), int64_t deadline);

/* Takes an idle connection back without a word to on_wake. Returns false when its wake-up is on its
 * way already: then on_wake's coroutine has it. Who calls it has made sure that the connection is
 * not closed meanwhile. Does not park. */
bool conn_take_back(weft_conn *c);

/* Whether the connection's wake-ups come to this processor. A hint; any thread. */
bool conn_is_near(const weft_conn *c);

/* The weft_run in which it was registered has ended, and its poller and timers with it: closing
 * takes it off neither. */
void conn_forget(weft_conn *c);

/* As weft_conn_read, but does not park: -EAGAIN when nothing is there. */
ssize_t conn_try_read(weft_conn *c, void *buf, size_t len);

/* Writes what the socket takes at once, without parking. Returns the count, perhaps 0, or an error
 * as weft_conn_write_all. */
ssize_t conn_try_write(weft_conn *c, const void *buf, size_t len);

/* As weft_conn_write_all, where other bytes follow at once: the kernel may hold the last segment
 * back for them. */
int conn_write_more(weft_conn *c, const void *buf, size_t len);

/* Wakes the connection's coroutine if it is idle (on_wake gets CONN_INTERRUPTED); any thread.
 * A connection that a coroutine holds is not touched. */
void conn_interrupt(weft_conn *c);

/* Binds a context to the connection: it is cancelled by what `by` names (enum conn_end, several),
 * at once if the peer has ended already. One at a time; NULL ends that: when it returns, nobody
 * touches the last one through the connection. By the holder, who keeps his reference meanwhile. */
void conn_end_bind(weft_conn *c, weft_ctx *ctx, unsigned by);

/* Cancels the context bound with CONN_ENDS_BY_DRAIN. Any thread, also in conn_each. */
void conn_drain(weft_conn *c);

/* Bounds each wait of a write: nanoseconds from its beginning to the first byte taken, instead of a
 * write deadline; 0: no bound. By the holder. */
static inline void conn_set_write_patience(weft_conn *c, int64_t patience)
{
    c->write_patience = patience;
}

/* Parks until there may be something to read, after conn_try_read gave -EAGAIN, within the read
 * deadline. Returns 0 or poll_park's errors. */
WEFT_MUST_USE int conn_wait_readable(weft_conn *c);

/* Parks until the socket takes bytes, within the write patience or the write deadline. Returns 0 or
 * poll_park's errors. */
WEFT_MUST_USE int conn_wait_writable(weft_conn *c);

/* The peer has ended: for the netpoller. */
void conn_end_fire(struct poll_desc *desc);

/* Reads and writes over a connection's stream, for conn.c; each as the public call of its name. */
int stream_write_all(weft_conn *c, const void *buf, size_t len);
int stream_writev_all(weft_conn *c, struct iovec *iov, int count);
int stream_sendfile(weft_conn *c, int fd, int64_t *offset, int64_t len);
int stream_end(weft_conn *c);
/* Who is at the other end; NULL: a unix socket's peer. By the holder. */
void conn_set_peer(weft_conn *c, const struct sockaddr *peer);

/* The peer's address. By the holder. */
struct ip conn_peer_ip(const weft_conn *c);

/* Calls `visit` for every live connection, under the pool's lock; visit must not park. */
void conn_each(void (*visit)(weft_conn *c, void *arg), void *arg);

#endif
