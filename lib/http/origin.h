/* origin.h: the connections to one place that speaks HTTP, and those of them that wait for use.
 *
 * A line is one connection. In use it is a coroutine's; idle it is in its origin's list, costs no
 * coroutine, and is watched: a server that closes it, or sends what nobody asked for, has it taken
 * off the list and closed at once. So a line that is taken was good a moment ago; that the server
 * closes it just then cannot be helped, see is_reused.
 *
 *   in use -> idle     line_give        it is drained: nothing of an answer is left to read
 *   idle   -> in use   origin_take      whoever disarms its wake-up has it
 *   idle   -> closed   on_wake          readable, idle too long, or the origin is closed
 *   in use -> closed   line_drop */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <weft/sync.h>
#include <weft/tls.h>

#include "conn.h"
#include "lock.h"

/* A bound on the idle lines of several origins together. */
struct idle_budget {
    _Atomic(int) count;
    int max;
};

struct origin_limits {
    int max_idle;         /* lines kept */
    int max_in_use;       /* lines used at once; more wait */
    int64_t idle_timeout; /* ns that a line is kept */
    int64_t connect_timeout;
    const weft_tls_dial_opts *tls; /* for the network "tls"; must stay; NULL: the defaults */
};

struct line {
    weft_conn *conn;
    struct origin *origin;    /* a reference */
    struct line *next, *prev; /* idle, under the origin's lock */
    bool is_idle;             /* in the list; under the lock */
    bool is_reused;           /* it has served before: its first failure may be its age's */
    uint64_t run;             /* the weft_run that it is of */
};

struct origin {
    _Atomic(int) refs;
    struct origin_limits limits; /* immutable */
    struct idle_budget *budget;  /* or NULL */
    weft_sem free;               /* lines that may still be taken */
    struct lock lock;
    uint64_t run; /* of the list and the semaphore */
    struct line *newest, *oldest;
    int idle_count;
    bool is_closed;
    char network[8]; /* for weft_dial; immutable */
    char address[];
};

/* An origin with one reference; NULL when memory is out. Any thread. */
struct origin *origin_new(const char *network, const char *address,
                          const struct origin_limits *limits, struct idle_budget *budget);
struct origin *origin_ref(struct origin *o);
void origin_unref(struct origin *o);

/* Closes what is idle and keeps nothing any more. Lines in use stay. */
void origin_close(struct origin *o);

/* A line for one request: the idle one used last, or (also when is_fresh) a new one. Waits for a
 * free one until `deadline`. Returns 0, or weft_dial's errors. Parks. */
WEFT_MUST_USE int origin_take(struct origin *o, bool is_fresh, int64_t deadline,
                              struct line **ret_line);

/* Whether the server has neither closed nor sent anything: asks the kernel, at the price of a
 * system call. For a request that must not be sent twice. */
bool line_is_silent(const struct line *l);

/* The answer has been read to its end and the server keeps the connection: it is kept, if there is
 * room and nothing else has come over it. */
void line_give(struct line *l);

/* Closes it. */
void line_drop(struct line *l);

#endif
