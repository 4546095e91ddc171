/* Fetching over TLS, from a server that runs beside. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

static char folder[] = "/tmp/weft-client-tls-XXXXXX", cert[64], key[64], url[64];
static int has_run;

static int hello(weft_http *h, void *arg)
{
    (void)arg;
    weft_str peer = weft_peer(h);
    return weft_textf(h, 200, WEFT_FMT, WEFT_ARG(peer));
}

static int fetch(weft_client *client, char *ret_peer)
{
    weft_response *res;
    weft_str body;
    int rc = weft_fetch(&(weft_fetch_opts){.url = url, .client = client}, &res);
    if (rc < 0)
        return rc;
    rc = weft_response_all(res, &body);
    if (rc == 0)
        snprintf(ret_peer, 64, WEFT_FMT, WEFT_ARG(body));
    weft_response_free(res);
    return rc;
}

static void client_main(void *arg)
{
    char first[64], second[64];
    (void)arg;
    weft_client *knows = weft_client_new(&(weft_client_opts){.tls = {.ca_file = cert}});
    weft_client *strange = weft_client_new(NULL);
    cr_expect_eq(fetch(knows, first), 0);
    cr_expect_eq(fetch(knows, second), 0);
    cr_expect_str_eq(first, second);
    cr_expect_eq(fetch(strange, first), -EKEYREJECTED);
    weft_client_free(knows);
    weft_client_free(strange);
    has_run = 1;
    kill(getpid(), SIGTERM);
}

static void on_ready(void *arg)
{
    (void)arg;
    cr_assert_eq(weft_go(client_main, NULL), 0);
}

static int listen_somewhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    cr_assert_eq(listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", ntohs(in.sin_port));
    return fd;
}

Test(client_tls, verifies_the_server_and_keeps_the_line, .timeout = 60)
{
    const char *names[] = {"127.0.0.1"};
    cr_assert(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    cr_assert_eq(weft_tls_self_signed(cert, key, names, 1, 2), 0);
    weft_app *app = weft_app_new();
    weft_get(app, "/", hello, NULL);
    weft_serve_opts opts = {.n_listen_fds = 1, .quiet = 1, .tls = {.cert = cert, .key = key}};
    opts.listen_fds[0] = listen_somewhere();
    opts.on_ready = on_ready;
    cr_expect_eq(weft_app_main_opts(app, &opts), 0);
    cr_expect(has_run);
    weft_app_free(app);
    unlink(cert);
    unlink(key);
    rmdir(folder);
}
