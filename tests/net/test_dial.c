/* Connecting out: names, several addresses, deadlines, errors. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/weft.h>

#include "resolve.h"

static const char *hosts[2]; /* what every name resolves to */

static int look_up(const char *host, union address *ret, int max)
{
    int count = 0;
    if (strcmp(host, "none.example") == 0)
        return -ENOENT;
    for (int i = 0; i < 2 && hosts[i] && count < max; i++) {
        memset(&ret[count], 0, sizeof *ret);
        ret[count].in.sin_family = AF_INET;
        inet_pton(AF_INET, hosts[i], &ret[count++].in.sin_addr);
    }
    return count;
}

/* A listening socket that accepts nothing by itself; *port in and out. */
static int listen_on(const char *host, int *port, int backlog)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, host, &in.sin_addr);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, backlog) < 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&in, &len);
    *port = ntohs(in.sin_port);
    return fd;
}

/* Fills the queue of who listens: then a further connect hangs, and says EAGAIN on a unix socket.
 */
static void fill(const struct sockaddr *to, socklen_t len, int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fds[i], to, len);
    }
}

enum { FILLERS = 8 };

static int dial(const char *host, int port, const weft_dial_opts *opts, char *ret_peer)
{
    char address[80];
    weft_conn *c = NULL;
    snprintf(address, sizeof address, "%s:%d", host, port);
    int rc = weft_dial_with("tcp", address, opts, &c);
    if (rc == 0)
        weft_conn_peer(c, ret_peer, 64);
    else
        cr_assert_null(c);
    weft_conn_close(c);
    return rc;
}

static void run(int (*fn)(void *))
{
    for (int procs = 1; procs <= 2; procs++) {
        weft_run_opts opts = {.procs = procs, .leaks = WEFT_LEAKS_FAIL};
        resolve_with(look_up);
        cr_assert_eq(weft_run_with(&opts, fn, NULL), 0);
    }
}

static int first_refuses(void *arg)
{
    char peer[64], wanted[64];
    int port = 0, fd = listen_on("127.0.0.2", &port, 8);
    (void)arg;
    hosts[0] = "127.0.0.1";
    hosts[1] = "127.0.0.2";
    weft_dial_opts opts = {.head_start = 3600 * WEFT_SEC};
    cr_assert_eq(dial("two.example", port, &opts, peer), 0);
    snprintf(wanted, sizeof wanted, "127.0.0.2:%d", port);
    cr_assert_str_eq(peer, wanted);
    close(fd);
    cr_assert_eq(dial("two.example", port, &opts, peer), -ECONNREFUSED);
    return 0;
}

Test(dial, a_refused_address_gives_way_to_the_next_at_once, .timeout = 60)
{
    run(first_refuses);
}

static int first_hangs(void *arg)
{
    char peer[64], wanted[64];
    int fds[FILLERS], port = 0, full = listen_on("127.0.0.1", &port, 0);
    int good = listen_on("127.0.0.2", &port, 8);
    (void)arg;
    cr_assert(full >= 0 && good >= 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fill((struct sockaddr *)&to, sizeof to, fds, FILLERS);
    hosts[0] = "127.0.0.1";
    hosts[1] = "127.0.0.2";
    weft_dial_opts opts = {.head_start = 5 * WEFT_MS};
    cr_assert_eq(dial("race.example", port, &opts, peer), 0);
    snprintf(wanted, sizeof wanted, "127.0.0.2:%d", port);
    cr_assert_str_eq(peer, wanted);
    opts.timeout = 5 * WEFT_MS;
    cr_assert_eq(dial("127.0.0.1", port, &opts, peer), -ETIMEDOUT);
    opts.head_start = 3600 * WEFT_SEC; /* longer than there is time: the second is not tried */
    cr_assert_eq(dial("race.example", port, &opts, peer), -ETIMEDOUT);
    for (int i = 0; i < FILLERS; i++)
        close(fds[i]);
    close(full);
    close(good);
    return 0;
}

Test(dial, an_address_that_hangs_is_raced_by_the_next, .timeout = 60)
{
    run(first_hangs);
}

static int dial_full(void *arg)
{
    char peer[64];
    int *port = arg;
    return dial("127.0.0.1", *port, &(weft_dial_opts){0}, peer);
}

static int context_ends(void *arg)
{
    int fds[FILLERS], port = 0, full = listen_on("127.0.0.1", &port, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    (void)arg;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fill((struct sockaddr *)&to, sizeof to, fds, FILLERS);
    cr_assert_eq(weft_with_timeout(5 * WEFT_MS, dial_full, &port), -ETIMEDOUT);
    for (int i = 0; i < FILLERS; i++)
        close(fds[i]);
    close(full);
    return 0;
}

Test(dial, ends_with_its_context, .timeout = 60)
{
    run(context_ends);
}

struct door {
    int fd;
    weft_wg done;
};

static void let_one_in(void *arg)
{
    struct door *d = arg;
    int fd = accept(d->fd, NULL, NULL);
    cr_assert_geq(fd, 0);
    close(fd);
    weft_wg_done(&d->done);
}

static int unix_queue(void *arg)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct door door = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), WEFT_WG_INIT};
    int fds[FILLERS];
    weft_conn *c = NULL;
    (void)arg;
    snprintf(un.sun_path, sizeof un.sun_path, "/tmp/weft-dial-%d.sock", (int)getpid());
    unlink(un.sun_path);
    cr_assert_eq(bind(door.fd, (struct sockaddr *)&un, sizeof un), 0);
    cr_assert_eq(listen(door.fd, 1), 0);
    fill((struct sockaddr *)&un, sizeof un, fds, FILLERS);
    weft_dial_opts opts = {.timeout = 5 * WEFT_MS};
    cr_assert_eq(weft_dial_with("unix", un.sun_path, &opts, &c), -ETIMEDOUT);
    weft_wg_add(&door.done, 1);
    weft_go(let_one_in, &door);
    cr_assert_eq(weft_dial("unix", un.sun_path, &c), 0, "it waits for room in the queue");
    cr_assert_eq(weft_wg_wait(&door.done), 0);
    weft_conn_close(c);
    for (int i = 0; i < FILLERS; i++)
        close(fds[i]);
    close(door.fd);
    unlink(un.sun_path);
    return 0;
}

Test(dial, waits_for_room_in_a_unix_sockets_queue, .timeout = 60)
{
    run(unix_queue);
}

static int wrong(void *arg)
{
    char path[200];
    weft_conn *c = NULL;
    (void)arg;
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    cr_assert_eq(weft_dial("unix", path, &c), -EINVAL);
    cr_assert_eq(weft_dial("unix", "", &c), -EINVAL);
    cr_assert_eq(weft_dial("unix", "/nonexistent/socket", &c), -ENOENT);
    cr_assert_eq(weft_dial("tcp", "none.example:80", &c), -ENOENT);
    cr_assert_eq(weft_dial("tcp", "127.0.0.1", &c), -EINVAL);
    cr_assert_eq(weft_dial("tcp", ":80", &c), -EINVAL);
    cr_assert_eq(weft_dial("tcp", "::1:80", &c), -EINVAL);
    cr_assert_eq(weft_dial("tcp", "unix:/a", &c), -EINVAL);
    cr_assert_eq(weft_dial("udp", "127.0.0.1:80", &c), -EINVAL);
    weft_dial_opts opts = {.timeout = -1};
    cr_assert_eq(weft_dial_with("tcp", "127.0.0.1:80", &opts, &c), -EINVAL);
    cr_assert_null(c);
    return 0;
}

Test(dial, says_what_is_wrong_with_an_address, .timeout = 60)
{
    run(wrong);
}
