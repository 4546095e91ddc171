/* peer.h: a server that does what a test's script says, byte for byte, in the test's own runtime.
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "conn.h"
#include "listener.h"

enum { PEER_GOT_MAX = 16 * 1024 };

struct peer {
    /* Serves a connection, number `number` from 0, and returns when it shall be closed. */
    void (*serve)(struct peer *p, weft_conn *c, int number);
    void *arg;
    struct listener *listener;
    char url[96]; /* "http://127.0.0.1:PORT" */
    _Atomic(int) accepted, requests;
    weft_mutex lock;
    char got[PEER_GOT_MAX]; /* the last request's head, terminated; under the lock */
    weft_wg open;
};

static inline void peer_on_wake(weft_conn *c, enum conn_wake why)
{
    struct peer *p = c->owner;
    if (why == CONN_READABLE)
        p->serve(p, c, atomic_fetch_add(&p->accepted, 1));
    weft_conn_close(c);
    weft_wg_done(&p->open);
}

static inline void peer_on_conn(weft_conn *c, void *arg)
{
    struct peer *p = arg;
    c->owner = p;
    weft_wg_add(&p->open, 1);
    conn_idle(c, peer_on_wake, weft_now() + 20 * WEFT_SEC);
}

static inline void peer_start_on(struct peer *p, const char *address)
{
    atomic_store(&p->accepted, 0);
    atomic_store(&p->requests, 0);
    p->open = (weft_wg)WEFT_WG_INIT;
    cr_assert_eq(listener_open(address, &p->listener), 0);
    cr_assert_eq(listener_start(p->listener, peer_on_conn, p), 0);
    snprintf(p->url, sizeof p->url, "http://%s", listener_address(p->listener));
}

static inline void peer_start(struct peer *p)
{
    peer_start_on(p, "127.0.0.1:0");
}

/* Waits until all connections are closed: the client has to have closed its own. */
static inline void peer_stop(struct peer *p)
{
    listener_stop(p->listener);
    listener_free(p->listener);
    cr_assert_eq(weft_wg_wait(&p->open), 0);
}

/* Reads a request's head into `head` and p->got, byte by byte so that nothing behind it is taken.
 * Returns false at the end of the stream. */
static inline bool peer_read_into(struct peer *p, weft_conn *c, char head[PEER_GOT_MAX])
{
    size_t len = 0;
    while (len < PEER_GOT_MAX - 1) {
        if (weft_conn_read(c, head + len, 1) != 1)
            return false;
        head[++len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0) {
            weft_mutex_lock(&p->lock);
            memcpy(p->got, head, len + 1);
            weft_mutex_unlock(&p->lock);
            atomic_fetch_add(&p->requests, 1);
            return true;
        }
    }
    return false;
}

static inline bool peer_read_head(struct peer *p, weft_conn *c)
{
    char head[PEER_GOT_MAX];
    return peer_read_into(p, c, head);
}

static inline int peer_write(weft_conn *c, const char *text)
{
    return weft_conn_write_all(c, text, strlen(text));
}

#endif
