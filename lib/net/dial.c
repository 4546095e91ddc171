/* dial.c: connecting out: to a path, to one address, or to the first of a host's addresses that
 * answers. Several are tried as RFC 8305 has it: in order, each with a head start over the next,
 * and the first connection wins. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/group.h>
#include <weft/sync.h>

#include "address.h"
#include "assert.h"
#include "conn.h"
#include "resolve.h"
#include "sys.h"

static const int64_t TIMEOUT_NS = 30 * WEFT_SEC;
static const int64_t HEAD_START_NS = 250 * WEFT_MS; /* RFC 8305 section 5 */

/* A unix socket's queue is full: the pause before it is tried again, doubled each time. */
static const int64_t QUEUE_PAUSE_NS = 1 * WEFT_MS;
static const int64_t QUEUE_PAUSE_MAX_NS = 50 * WEFT_MS;

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int socket_new(int family)
{
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX) /* slower without, not wrong */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Connects fd. A unix socket does not say "under way" when the listener's queue is full, but
 * "again", and no readiness will tell when there is room. */
static int start(int fd, const union address *to, socklen_t len, int64_t deadline)
{
    for (int64_t pause = QUEUE_PAUSE_NS;; pause = earlier(2 * pause, QUEUE_PAUSE_MAX_NS)) {
        int rc = sys_connect(fd, &to->any, len);
        if (rc != -EAGAIN || to->any.sa_family != AF_UNIX)
            return rc;
        if (weft_now() >= deadline)
            return -ETIMEDOUT;
        rc = weft_sleep_until(earlier(weft_now() + pause, deadline));
        if (rc < 0)
            return rc;
    }
}

/* A socket may meet itself when nobody listens on a loopback port of the range from which the
 * kernel takes the own end's. */
static bool is_own_end(int fd, const union address *to)
{
    union address own;
    socklen_t size = sizeof own;
    if (to->any.sa_family == AF_UNIX || getsockname(fd, &own.any, &size) < 0)
        return false;
    if (to->any.sa_family == AF_INET)
        return own.in.sin_port == to->in.sin_port &&
               own.in.sin_addr.s_addr == to->in.sin_addr.s_addr;
    return own.in6.sin6_port == to->in6.sin6_port &&
           memcmp(&own.in6.sin6_addr, &to->in6.sin6_addr, sizeof own.in6.sin6_addr) == 0;
}

static int connect_one(const union address *to, socklen_t len, int64_t deadline,
                       weft_conn **ret_conn)
{
    weft_conn *c;
    int fd = socket_new(to->any.sa_family);
    if (fd < 0)
        return fd;
    int rc = conn_new(fd, &to->any, &c);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = start(fd, to, len, deadline);
    bool is_under_way = rc == -EINPROGRESS;
    if (rc == 0 || is_under_way)
        rc = conn_register(c); /* not earlier: a socket that is not connected looks hung up */
    if (rc == 0 && is_under_way) {
        poll_set_deadline(&c->desc, POLL_WRITE, deadline);
        rc = poll_park(&c->desc, POLL_WRITE);
        poll_set_deadline(&c->desc, POLL_WRITE, WEFT_NO_DEADLINE);
        if (rc == 0)
            rc = sys_connect_result(fd);
    }
    if (rc == 0 && is_own_end(fd, to))
        rc = -ECONNREFUSED;
    if (rc < 0) {
        weft_conn_close(c);
        return rc;
    }
    *ret_conn = c;
    return 0;
}

/* ---- several addresses ---- */

struct race {
    int64_t deadline;
    weft_sem ended; /* one for each attempt that has */
    _Atomic(weft_conn *) winner;
};

struct attempt {
    struct race *race;
    const union address *to;
    int result;
};

static int attempt_run(void *arg)
{
    struct attempt *a = arg;
    weft_conn *c, *none = NULL;
    a->result = connect_one(a->to, address_len(a->to), a->race->deadline, &c);
    /* pairs: the load in race_run, after the group has been waited for */
    if (a->result == 0 &&
        !atomic_compare_exchange_strong_explicit(&a->race->winner, &none, c, memory_order_acq_rel,
                                                 memory_order_relaxed))
        weft_conn_close(c);
    weft_sem_release(&a->race->ended, 1);
    return 0;
}

static bool is_won(struct race *r)
{
    return atomic_load_explicit(&r->winner, memory_order_acquire) != NULL;
}

/* The first address's error is the one to tell: it is the one that should have worked. */
static int race_run(const union address *to, int count, int64_t deadline, int64_t head_start,
                    weft_conn **ret_conn)
{
    struct race race = {.deadline = deadline, .ended = WEFT_SEM_INIT(0)};
    struct attempt attempts[RESOLVE_MAX];
    weft_group group;
    int started = 0, ended = 0, rc = 0;
    weft_assert(count <= RESOLVE_MAX);
    weft_group_init(&group, (weft_group_opts){.keeps_going = 1});
    while (rc == 0 && !is_won(&race) && (started < count || ended < started)) {
        bool is_last = started == count;
        if (!is_last && weft_now() >= deadline) {
            rc = -ETIMEDOUT;
        } else if (!is_last) {
            attempts[started] = (struct attempt){&race, &to[started], -ECANCELED};
            rc = weft_group_go(&group, attempt_run, &attempts[started]);
            started += rc == 0;
            is_last = started == count;
        }
        int64_t until = is_last ? WEFT_NO_DEADLINE : earlier(weft_now() + head_start, deadline);
        if (rc == 0)
            rc = weft_sem_acquire_until(&race.ended, 1, until);
        ended += rc == 0;
        if (rc == -ETIMEDOUT && !is_last && weft_now() < deadline)
            rc = 0; /* the next one starts beside it */
    }
    weft_group_cancel(&group);
    int spawned = weft_group_wait(&group);
    *ret_conn = atomic_load_explicit(&race.winner, memory_order_acquire);
    if (*ret_conn)
        return 0;
    if (rc < 0)
        return rc;
    return started ? attempts[0].result : spawned;
}

/* ---- the public calls ---- */

static int dial_tcp(const char *address, int64_t deadline, int64_t head_start, weft_conn **ret_conn)
{
    union address to[RESOLVE_MAX];
    weft_str host;
    in_port_t port;
    int rc = address_split(address, &host, &port);
    if (rc < 0)
        return rc;
    int count = resolve(host, port, deadline, to);
    if (count < 0)
        return count;
    if (count == 1)
        return connect_one(to, address_len(to), deadline, ret_conn);
    weft_conn *c;
    rc = race_run(to, count, deadline, head_start, &c);
    if (rc == 0)
        *ret_conn = c;
    return rc;
}

static int dial_unix(const char *path, int64_t deadline, weft_conn **ret_conn)
{
    union address to;
    memset(&to, 0, sizeof to);
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof to.un.sun_path)
        return -EINVAL;
    to.un.sun_family = AF_UNIX;
    memcpy(to.un.sun_path, path, len + 1);
    return connect_one(&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1), deadline,
                       ret_conn);
}

int conn_dial(const char *network, const char *address, const weft_dial_opts *opts,
              weft_conn **ret_conn)
{
    int64_t timeout = opts->timeout ? opts->timeout : TIMEOUT_NS;
    int64_t head_start = opts->head_start ? opts->head_start : HEAD_START_NS;
    if (timeout < 0 || head_start < 0)
        return -EINVAL;
    int64_t now = weft_now();
    int64_t deadline = timeout < WEFT_NO_DEADLINE - now ? now + timeout : WEFT_NO_DEADLINE;
    if (strcmp(network, "tcp") == 0)
        return dial_tcp(address, deadline, head_start, ret_conn);
    if (strcmp(network, "unix") == 0)
        return dial_unix(address, deadline, ret_conn);
    return -EINVAL;
}
