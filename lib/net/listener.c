#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weft/context.h>
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
    weft_ctx *ctx;     /* the coroutine's; ends with listener_stop */
    _Atomic(bool) is_stopping;
    bool is_started;
    bool is_adopted; /* somebody else may accept from it too */
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

/* A listener over a socket that listens; NULL when memory is out. */
static struct listener *listener_new(int fd, const union address *address)
{
    struct listener *l = calloc(1, sizeof *l);
    struct poll_desc *desc = poll_new(fd);
    if (!l || !desc) {
        poll_free(desc);
        free(l);
        return NULL;
    }
    l->fd = fd;
    l->desc = desc;
    socklen_t size = sizeof l->address;
    l->address = *address;
    if (address->any.sa_family != AF_UNIX)
        getsockname(fd, &l->address.any, &size);
    address_format(&l->address, l->text, sizeof l->text);
    return l;
}

/* Binds a socket and listens. Returns its descriptor or a negative errno; *ret_address is where. */
static int listen_on(const char *address, union address *ret_address)
{
    int len = address_parse(address, ret_address);
    if (len < 0)
        return len;
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(ret_address->any.sa_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address[0] == ':') { /* a host without IPv6 */
        in_port_t port = ret_address->in6.sin6_port;
        ret_address->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        len = sizeof ret_address->in;
        fd = socket(AF_INET, type, 0);
    }
    if (fd < 0)
        return -errno;
    int rc = bind_and_listen(fd, ret_address, (socklen_t)len);
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

int listener_open(const char *address, struct listener **ret_listener)
{
    union address bound;
    int fd = listen_on(address, &bound);
    if (fd < 0)
        return fd;
    struct listener *l = listener_new(fd, &bound);
    if (!l) {
        close(fd);
        return -ENOMEM;
    }
    *ret_listener = l;
    return 0;
}

int weft_listen(const char *address, int *ret_fd)
{
    union address bound;
    int fd = listen_on(address, &bound);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

int listener_adopt(int fd, struct listener **ret_listener)
{
    union address bound;
    int is_listening = 0, type = 0, on = 1;
    socklen_t len = sizeof is_listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0)
        return -errno;
    len = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -errno;
    if (!is_listening || type != SOCK_STREAM)
        return -EINVAL;
    memset(&bound, 0, sizeof bound);
    len = sizeof bound;
    int flags = fcntl(fd, F_GETFL);
    if (getsockname(fd, &bound.any, &len) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    if (bound.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* costs speed where it fails */
    struct listener *l = listener_new(fd, &bound);
    if (!l)
        return -ENOMEM;
    l->is_adopted = true;
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
    weft_ctx *before = weft_ctx_enter(l->ctx);
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
    weft_ctx_leave(before);
    weft_wg_done(&l->accepting);
}

int listener_start(struct listener *l, void (*on_conn)(weft_conn *c, void *arg), void *arg)
{
    weft_assert(!l->is_started);
    l->on_conn = on_conn;
    l->arg = arg;
    int rc = weft_ctx_new(NULL, WEFT_NO_DEADLINE, &l->ctx);
    if (rc < 0)
        return rc;
    rc = poll_open(l->desc, proc_near());
    if (rc < 0) {
        weft_ctx_unref(l->ctx);
        return rc;
    }
    weft_wg_add(&l->accepting, 1);
    rc = weft_go(accept_loop, l);
    if (rc < 0) {
        weft_wg_done(&l->accepting);
        poll_close(l->desc);
        weft_ctx_unref(l->ctx);
    }
    l->is_started = rc == 0;
    return rc;
}

/* Gives the socket up. The file of a unix socket that is ours goes with it. */
static void let_go(struct listener *l)
{
    close(l->fd);
    l->fd = -1;
    if (l->address.any.sa_family == AF_UNIX && !l->is_adopted)
        unlink(l->address.un.sun_path);
}

void listener_stop(struct listener *l)
{
    bool is_accepting = l->is_started;
    atomic_store_explicit(&l->is_stopping, true, memory_order_release);
    if (!l->is_adopted)
        shutdown(l->fd, SHUT_RDWR); /* ends the queue of connections */
    if (is_accepting) {
        weft_ctx_cancel(l->ctx);
        weft_wg_wait(&l->accepting);
        weft_ctx_unref(l->ctx);
        poll_close(l->desc);
    }
    l->is_started = false;
    let_go(l);
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    weft_assert(!l->is_started);
    if (l->fd >= 0)
        let_go(l);
    poll_free(l->desc);
    free(l);
}
