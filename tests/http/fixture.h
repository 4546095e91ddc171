/* fixture.h: an application served by the real server on a unix socket, in this test's process, and
 * a client that writes bytes and reads what comes. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/weft.h>

enum { CLIENT_PATIENCE_S = 20, ANSWER_MAX = 1 << 20 };

struct fixture {
    weft_app *app;
    weft_serve_opts opts;
    char address[64];
    pthread_t thread;
    int status;
    int ready[2];
};

static inline void fixture_ready(void *arg)
{
    struct fixture *f = arg;
    cr_assert_eq(write(f->ready[1], "r", 1), 1);
}

static inline void *fixture_serve(void *arg)
{
    struct fixture *f = arg;
    f->status = weft_app_main_opts(f->app, &f->opts);
    return NULL;
}

/* Serves f->app with f->opts, whose addresses are set, in a thread. */
static inline void fixture_serve_on(struct fixture *f)
{
    char byte;
    f->opts.quiet = 1;
    f->opts.on_ready = fixture_ready;
    f->opts.on_ready_arg = f;
    cr_assert_eq(pipe(f->ready), 0);
    cr_assert_eq(pthread_create(&f->thread, NULL, fixture_serve, f), 0);
    cr_assert_eq(read(f->ready[0], &byte, 1), 1);
}

/* Serves f->app with f->opts until fixture_stop. */
static inline void fixture_start(struct fixture *f)
{
    snprintf(f->address, sizeof f->address, "unix:/tmp/weft-test-%d.sock", (int)getpid());
    f->opts.listen[0] = f->address;
    fixture_serve_on(f);
}

/* Drains the server; it must end well. */
static inline void fixture_stop(struct fixture *f)
{
    kill(getpid(), SIGTERM);
    pthread_join(f->thread, NULL);
    cr_assert_eq(f->status, 0);
    weft_app_free(f->app);
}

static inline int client_open(struct fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", f->address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    cr_assert_eq(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

static inline void client_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has refused already; its answer tells */
        bytes += n;
        len -= (size_t)n;
    }
}

/* All that comes until the end of the stream; terminated. The caller frees it. */
static inline char *client_read_all(int fd)
{
    char *text = malloc(ANSWER_MAX + 1);
    size_t len = 0;
    ssize_t n;
    while (len < ANSWER_MAX && (n = recv(fd, text + len, ANSWER_MAX - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

/* Sends a request and the end of the stream; gives all that comes. */
static inline char *client_exchange(struct fixture *f, const char *bytes, size_t len)
{
    int fd = client_open(f);
    client_send(fd, bytes, len);
    shutdown(fd, SHUT_WR);
    char *text = client_read_all(fd);
    close(fd);
    return text;
}

/* The statuses of the answers in a text, "200 404"; interim ones too. */
static inline void answer_statuses(const char *text, char *buf, size_t size)
{
    size_t len = 0;
    buf[0] = '\0';
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) && len + 5 < size; at += 12)
        len += (size_t)snprintf(buf + len, size - len, "%s%.3s", len ? " " : "", at + 9);
}

#endif
