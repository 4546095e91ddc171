/* conn.c: connections: the pool of their records, waiting reads and writes. */
#include "conn.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "assert.h"
#include "pool.h"
#include "sys.h"

static struct pool conns = POOL_INIT(weft_conn);

struct each {
    void (*visit)(weft_conn *c, void *arg);
    void *arg;
};

static void visit_live(void *record, void *arg)
{
    weft_conn *c = record;
    struct each *each = arg;
    if (atomic_load_explicit(&c->is_live, memory_order_acquire)) /* pairs: conn_new */
        each->visit(c, each->arg);
}

void conn_each(void (*visit)(weft_conn *c, void *arg), void *arg)
{
    struct each each = {visit, arg};
    pool_each(&conns, visit_live, &each);
}

static void conn_wake(struct task *task);

void conn_set_peer(weft_conn *c, const struct sockaddr *peer)
{
    const union address *a = (const union address *)peer;
    c->family = peer ? (uint8_t)peer->sa_family : AF_UNIX;
    memset(&c->peer_addr, 0, sizeof c->peer_addr);
    if (c->family == AF_INET) {
        c->peer_port = a->in.sin_port;
        memcpy(&c->peer_addr, &a->in.sin_addr, sizeof a->in.sin_addr);
    } else if (c->family == AF_INET6) {
        c->peer_port = a->in6.sin6_port;
        c->peer_addr = a->in6.sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&c->peer_addr)) { /* came to a socket of both families */
            memcpy(&c->peer_addr, a->in6.sin6_addr.s6_addr + 12, 4);
            memset((char *)&c->peer_addr + 4, 0, 12);
            c->family = AF_INET;
        }
    }
}

struct ip conn_peer_ip(const weft_conn *c)
{
    return (struct ip){.family = c->family, .bytes = c->peer_addr};
}

int conn_new(int fd, const struct sockaddr *peer, weft_conn **ret_conn)
{
    weft_conn *c = pool_take(&conns);
    if (!c)
        return -ENOMEM;
    poll_init(&c->desc, fd);
    c->idle_task = (struct task){.call = conn_wake, .kind = TASK_CALL};
    c->on_wake = NULL;
    c->owner = NULL;
    c->served = 0;
    c->stream = NULL;
    c->stream_state = NULL;
    c->is_drained = false;
    c->is_cut = false;
    atomic_store_explicit(&c->is_settled, false, memory_order_relaxed); /* not shared yet */
    c->write_patience = 0;
    weft_assert(!c->end_ctx); /* and its lock is free: a record starts with zeros */
    atomic_store_explicit(&c->desc.on_end, conn_end_fire, memory_order_relaxed); /* not shared */
    conn_set_peer(c, peer);
    atomic_store_explicit(&c->is_live, true, memory_order_release); /* pairs: conn_each */
    *ret_conn = c;
    return 0;
}

void weft_conn_close(weft_conn *c)
{
    if (!c)
        return;
    weft_assert(atomic_load_explicit(&c->is_live, memory_order_relaxed));
    weft_assert(!c->end_ctx); /* only its holder binds one */
    if (c->stream)
        c->stream->close(c);
    atomic_store_explicit(&c->is_live, false, memory_order_release);
    poll_close(&c->desc);
    close(c->desc.fd);
    c->desc.fd = -1;
    pool_give(&conns, c);
}

/* Runs in the coroutine that readiness, the deadline or an interrupt spawned. */
static void conn_wake(struct task *task)
{
    weft_conn *c = task_container(task, weft_conn, idle_task);
    static const enum conn_wake whys[] = {
        [POLL_EVENT] = CONN_READABLE,
        [POLL_DEADLINE] = CONN_DEADLINE,
        [POLL_INTERRUPTED] = CONN_INTERRUPTED,
    };
    /* An event that was under way to who had the record before, or an interrupt, may come while it
     * is being registered: what that needs, the descriptor above all, must not be taken from it. */
    while (!atomic_load_explicit(&c->is_settled, memory_order_acquire)) /* pairs: conn_idle */
        weft_yield();
    struct poll_wait *w = &c->desc.wait[POLL_READ];
    if (w->why == POLL_DEADLINE && c->desc.is_registered &&
        weft_now() < atomic_load_explicit(&w->deadline, memory_order_relaxed)) {
        poll_arm(&c->desc, POLL_READ, task); /* of the wait before this one */
        return;
    }
    c->is_drained = false;
    c->on_wake(c, whys[w->why]);
}

/* The processor whose poller has the fewest registrations; this one unless another has clearly
 * fewer, because being woken elsewhere costs more than a small imbalance. */
static struct proc *proc_with_room(void)
{
    enum { TOLERANCE = 4 };
    struct proc *here = proc_near();
    struct proc *best = here;
    /* relaxed: statistics */
    int32_t least = atomic_load_explicit(&here->registered, memory_order_relaxed) - TOLERANCE;
    for (int i = 0; i < proc_count(); i++) {
        int32_t n = atomic_load_explicit(&rt.procs[i].registered, memory_order_relaxed);
        if (n < least) {
            least = n;
            best = &rt.procs[i];
        }
    }
    return best;
}

int conn_register(weft_conn *c)
{
    int rc = poll_open(&c->desc, proc_near());
    atomic_store_explicit(&c->is_settled, true, memory_order_release); /* for who holds it later */
    return rc;
}

void conn_idle(weft_conn *c, void (*on_wake)(weft_conn *, enum conn_wake), int64_t deadline)
{
    c->on_wake = on_wake;
    poll_set_deadline(&c->desc, POLL_READ, deadline);
    if (weft_likely(c->desc.is_registered)) {
        poll_arm(&c->desc, POLL_READ, &c->idle_task);
        return;
    }
    /* Armed first and registered then, so that the first edge comes out where it shall run. */
    poll_arm(&c->desc, POLL_READ, &c->idle_task);
    if (poll_open(&c->desc, proc_with_room()) < 0 &&
        poll_disarm(&c->desc, POLL_READ, &c->idle_task)) {
        c->desc.wait[POLL_READ].why = POLL_DEADLINE;
        task_ready(&c->idle_task);
    }
    atomic_store_explicit(&c->is_settled, true, memory_order_release); /* the last access */
}

bool conn_take_back(weft_conn *c)
{
    return poll_disarm(&c->desc, POLL_READ, &c->idle_task);
}

bool conn_is_near(const weft_conn *c)
{
    return c->desc.registered == &proc_near()->registered;
}

void conn_forget(weft_conn *c)
{
    c->desc.is_registered = false;
}

void conn_interrupt(weft_conn *c)
{
    poll_interrupt(&c->desc, POLL_READ, &c->idle_task);
}

/* A read that gives less than was asked for has drained the socket: the next one waits for an edge
 * first, and no system call is wasted on EAGAIN. Not when the peer has ended: the edge that said so
 * may be behind us. */
static void note_read(weft_conn *c, size_t asked, size_t got)
{
    c->is_drained = got < asked && !atomic_load_explicit(&c->desc.is_ending, memory_order_acquire);
}

ssize_t conn_try_read(weft_conn *c, void *buf, size_t len)
{
    if (c->is_drained)
        return -EAGAIN;
    if (c->stream)
        return c->stream->try_read(c, buf, len);
    ssize_t n = sys_recv(c->desc.fd, buf, len);
    if (n > 0)
        note_read(c, len, (size_t)n);
    else if (n == -EAGAIN)
        c->is_drained = true;
    return n;
}

int conn_wait_readable(weft_conn *c)
{
    int rc = poll_park(&c->desc, POLL_READ);
    if (rc == 0)
        c->is_drained = false;
    return rc;
}

ssize_t weft_conn_read(weft_conn *c, void *buf, size_t len)
{
    for (;;) {
        ssize_t n = conn_try_read(c, buf, len);
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN)
            return n;
        int rc = conn_wait_readable(c);
        if (rc < 0)
            return rc;
    }
}

ssize_t conn_try_write(weft_conn *c, const void *buf, size_t len)
{
    ssize_t n = c->stream ? c->stream->try_write(c, buf, len) : sys_send(c->desc.fd, buf, len);
    return n == -EAGAIN || n == -EINTR ? 0 : n;
}

int conn_wait_writable(weft_conn *c)
{
    if (c->write_patience)
        poll_set_deadline(&c->desc, POLL_WRITE, weft_now() + c->write_patience);
    return poll_park(&c->desc, POLL_WRITE);
}

int weft_conn_write_all(weft_conn *c, const void *buf, size_t len)
{
    if (c->stream)
        return stream_write_all(c, buf, len);
    const char *from = buf;
    while (len) {
        ssize_t n = sys_send(c->desc.fd, from, len);
        if (n >= 0) {
            from += n;
            len -= (size_t)n;
        } else if (n == -EAGAIN) {
            int rc = conn_wait_writable(c);
            if (rc < 0)
                return rc;
        } else if (n != -EINTR) {
            return (int)n;
        }
    }
    return 0;
}

int conn_write_more(weft_conn *c, const void *buf, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (c->stream)
        return weft_conn_write_all(c, buf, len);
    ssize_t n = sys_sendmsg(c->desc.fd, &msg, MSG_MORE);
    if (n < 0 && n != -EAGAIN && n != -EINTR)
        return (int)n;
    size_t done = n > 0 ? (size_t)n : 0;
    return done == len ? 0 : weft_conn_write_all(c, (const char *)buf + done, len - done);
}

int weft_conn_writev_all(weft_conn *c, struct iovec *iov, int count)
{
    if (c->stream)
        return stream_writev_all(c, iov, count);
    while (count > 0) {
        struct msghdr msg = {.msg_iov = iov,
                             .msg_iovlen = count < IOV_MAX ? (size_t)count : IOV_MAX};
        ssize_t n = sys_sendmsg(c->desc.fd, &msg, 0);
        if (n == -EAGAIN) {
            int rc = conn_wait_writable(c);
            if (rc < 0)
                return rc;
        } else if (n < 0 && n != -EINTR) {
            return (int)n;
        }
        size_t done = n > 0 ? (size_t)n : 0;
        while (count > 0 && done >= iov->iov_len) {
            done -= iov->iov_len;
            iov++;
            count--;
        }
        if (done) {
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= done;
        }
    }
    return 0;
}

int weft_conn_sendfile(weft_conn *c, int fd, int64_t *offset, int64_t len, int more)
{
    enum { AT_ONCE = 2 << 20 }; /* some 0.3 ms, so that a file does not hold the processor long */
    (void)more;
    if (c->stream)
        return stream_sendfile(c, fd, offset, len);
    int64_t end = *offset + len;
    while (*offset < end) {
        off_t at = *offset;
        int64_t left = end - at;
        ssize_t n = sys_sendfile(c->desc.fd, fd, &at, left < AT_ONCE ? (size_t)left : AT_ONCE);
        if (n == 0)
            return -EIO;
        if (n > 0) {
            *offset += n;
            if (n == AT_ONCE)
                weft_yield();
        } else if (n == -EAGAIN) {
            int rc = conn_wait_writable(c);
            if (rc < 0)
                return rc;
        } else if (n != -EINTR) {
            return (int)n;
        }
    }
    return 0;
}

void weft_conn_set_read_deadline(weft_conn *c, int64_t when)
{
    poll_set_deadline(&c->desc, POLL_READ, when);
}

void weft_conn_set_write_deadline(weft_conn *c, int64_t when)
{
    poll_set_deadline(&c->desc, POLL_WRITE, when);
}

int weft_conn_shutdown_write(weft_conn *c)
{
    int rc = c->stream ? stream_end(c) : 0;
    return rc < 0 ? rc : sys_shutdown_write(c->desc.fd);
}

void conn_cut(weft_conn *c)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    c->is_cut = true;
    setsockopt(c->desc.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

size_t weft_conn_peer(const weft_conn *c, char *buf, size_t size)
{
    union address a;
    memset(&a, 0, sizeof a);
    a.any.sa_family = c->family;
    if (c->family == AF_INET) {
        a.in.sin_port = c->peer_port;
        memcpy(&a.in.sin_addr, &c->peer_addr, sizeof a.in.sin_addr);
    } else if (c->family == AF_INET6) {
        a.in6.sin6_port = c->peer_port;
        a.in6.sin6_addr = c->peer_addr;
    }
    return address_format(&a, buf, size);
}
