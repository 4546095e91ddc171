#include "listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weft/rt.h>
#include <weft/sync.h>
#include <unistd.h>

#include "address.h"
#include "assert.h"
#include "conn.h"
#include "sys.h"

enum { BACKLOG = 4096 };

/* A pause when descriptors or memory have run out: others end meanwhile. */
static const int64_t EXHAUSTED_PAUSE_NS = 20 * WEFT_MS;

struct listener {
    int fd; /* -1 once closed */
    struct poll_desc *desc;
    union address address;
    char text[160];
    void (*on_conn)(weft_conn *c, void *arg);
    void *arg;
    weft_wg accepting; /* one while the coroutine runs */
    _Atomic(bool) is_stopping;
    bool is_started;
};

/* A socket file that nobody listens behind any more is in the way of bind. */
static void remove_stale(const struct sockaddr_un *un, socklen_t len)
{
    struct stat st;
    if (stat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)un, len) < 0 && errno == ECONNREFUSED)
        unlink(un->sun_path);
    close(fd);
}

static int bind_and_listen(int fd, const union address *address, socklen_t len)
{
    int on = 1, off = 0;
    if (address->any.sa_family == AF_UNIX) {
        remove_stale(&address->un, len);
    } else {
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
            return -errno;
        /* Inherited by what is accepted: no system call a connection. */
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
            return -errno;
    }
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr) &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        return -errno;
    if (bind(fd, &address->any, len) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

int listener_open(const char *address, struct listener **ret_listener)
{
    union address parsed;
    int len = address_parse(address, &parsed);
    if (len < 0)
        return len;
    int fd = socket(parsed.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address[0] == ':') { /* a host without IPv6 */
        in_port_t port = parsed.in6.sin6_port;
        parsed.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        len = sizeof parsed.in;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return -errno;
    struct listener *l = calloc(1, sizeof *l);
    struct poll_desc *desc = poll_new(fd);
    int rc = l && desc ? bind_and_listen(fd, &parsed, (socklen_t)len) : -ENOMEM;
    if (rc < 0) {
        close(fd);
        poll_free(desc);
        free(l);
        return rc;
    }
    l->fd = fd;
    l->desc = desc;
    socklen_t size = sizeof l->address;
    l->address = parsed;
    if (parsed.any.sa_family != AF_UNIX)
        getsockname(fd, &l->address.any, &size);
    address_format(&l->address, l->text, sizeof l->text);
    *ret_listener = l;
    return 0;
}

const char *listener_address(const struct listener *l)
{
    return l->text;
}

/* Accepts all that wait. Returns -EAGAIN when nobody waits any more, or what went wrong. */
static int accept_all(struct listener *l)
{
    while (!atomic_load_explicit(&l->is_stopping, memory_order_acquire)) {
        union address peer;
        socklen_t len = sizeof peer;
        int fd = sys_accept(l->fd, &peer.any, &len);
        if (fd == -EINTR || fd == -ECONNABORTED)
            continue;
        if (fd < 0)
            return fd;
        weft_conn *c;
        int rc = conn_new(fd, l->address.any.sa_family == AF_UNIX ? NULL : &peer.any, &c);
        if (rc < 0) {
            close(fd);
            return rc;
        }
        l->on_conn(c, l->arg);
    }
    return -ECANCELED;
}

static void accept_loop(void *arg)
{
    struct listener *l = arg;
    bool is_exhausted = false;
    while (!atomic_load_explicit(&l->is_stopping, memory_order_acquire)) {
        int rc = accept_all(l);
        if (rc == -EAGAIN) {
            is_exhausted = false;
            rc = poll_park(l->desc, POLL_READ);
            if (rc == 0)
                continue;
        }
        if (rc == -ECANCELED || rc == -EBADF || rc == -EINVAL)
            continue; /* listener_stop */
        if (!is_exhausted)
            fprintf(stderr, "weft: cannot accept on %s: %s; trying again\n", l->text,
                    strerror(-rc));
        is_exhausted = true;
        weft_sleep(EXHAUSTED_PAUSE_NS);
    }
    weft_wg_done(&l->accepting);
}

int listener_start(struct listener *l, void (*on_conn)(weft_conn *c, void *arg), void *arg)
{
    weft_assert(!l->is_started);
    l->on_conn = on_conn;
    l->arg = arg;
    int rc = poll_open(l->desc, proc_near());
    if (rc < 0)
        return rc;
    weft_wg_add(&l->accepting, 1);
    rc = weft_go(accept_loop, l);
    if (rc < 0) {
        weft_wg_done(&l->accepting);
        poll_close(l->desc);
    }
    l->is_started = rc == 0;
    return rc;
}

void listener_stop(struct listener *l)
{
    atomic_store_explicit(&l->is_stopping, true, memory_order_release);
    /* Ends the queue of connections and is an edge for the coroutine that waits. */
    shutdown(l->fd, SHUT_RDWR);
    if (l->is_started)
        weft_wg_wait(&l->accepting);
    l->is_started = false;
    poll_close(l->desc);
    close(l->fd);
    l->fd = -1;
    if (l->address.any.sa_family == AF_UNIX)
        unlink(l->address.un.sun_path);
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    weft_assert(!l->is_started);
    if (l->fd >= 0) {
        close(l->fd);
        if (l->address.any.sa_family == AF_UNIX)
            unlink(l->address.un.sun_path);
    }
    poll_free(l->desc);
    free(l);
}
