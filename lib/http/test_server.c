/* test_server.c: an application served on a port of its own while a test runs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/test.h>

enum { BACKLOG = 128 };

struct weft_test_server {
    weft_app *app;
    weft_serve_opts opts;
    int port;
    int status;
    bool has_ended; /* before it was ready; under `ready` */
    sem_t ready;
    pthread_t thread;
};

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) < 0) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void on_ready(void *arg)
{
    weft_test_server *server = arg;
    sem_post(&server->ready);
}

static void *serve(void *arg)
{
    weft_test_server *server = arg;
    server->status = weft_app_main_opts(server->app, &server->opts);
    server->has_ended = true;
    sem_post(&server->ready); /* if it has not started, nobody else would */
    return NULL;
}

weft_test_server *weft_test_server_start(weft_app *app, const weft_serve_opts *opts)
{
    weft_test_server *server = calloc(1, sizeof *server);
    int fd = server ? listen_somewhere(&server->port) : -1;
    if (fd < 0) {
        fprintf(stderr, "weft: no port for a test server\n");
        free(server);
        return NULL;
    }
    server->app = app;
    if (opts)
        server->opts = *opts;
    memset(server->opts.listen, 0, sizeof server->opts.listen);
    server->opts.listen_fds[0] = fd;
    server->opts.n_listen_fds = 1;
    server->opts.quiet = 1;
    server->opts.on_ready = on_ready;
    server->opts.on_ready_arg = server;
    sem_init(&server->ready, 0, 0);
    bool runs = pthread_create(&server->thread, NULL, serve, server) == 0;
    if (!runs)
        close(fd);
    while (runs && sem_wait(&server->ready) < 0)
        continue; /* a signal */
    if (runs && !server->has_ended)
        return server;
    if (runs)
        pthread_join(server->thread, NULL);
    sem_destroy(&server->ready);
    free(server);
    return NULL;
}

int weft_test_server_port(const weft_test_server *server)
{
    return server->port;
}

int weft_test_server_stop(weft_test_server *server)
{
    if (!server)
        return 0;
    weft_app_stop();
    pthread_join(server->thread, NULL);
    int status = server->status;
    sem_destroy(&server->ready);
    free(server);
    return status;
}
