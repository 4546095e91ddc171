/* weft_dial over TLS, against a server in the same process. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "fixture.h"

enum { TALK_BYTES = 4096 };

/* What the client in the server's runtime does, and what it found. */
struct talk {
    struct fixture f;
    char address[32], folder[64], cert[96], key[96], other_cert[96], other_key[96];
    void (*run)(struct talk *t);
    int done[2]; /* a pipe: written to when run has returned */
};

static void client(void *arg)
{
    struct talk *t = arg;
    t->run(t);
    cr_assert_eq(write(t->done[1], "d", 1), 1);
}

static void on_ready(void *arg)
{
    struct talk *t = arg;
    cr_assert_eq(weft_go(client, t), 0);
    fixture_ready(&t->f);
}

static int who(weft_http *h, void *arg)
{
    (void)arg;
    weft_tls_info info;
    int rc = weft_tls(h, &info);
    if (rc < 0)
        return rc;
    return weft_textf(h, 200, WEFT_FMT " %s %s %s\n", WEFT_ARG(weft_scheme(h)), info.version,
                      info.server_name ? info.server_name : "-",
                      info.peer_subject ? info.peer_subject : "-");
}

/* Gives back what comes, until the peer ends. */
static int echo(weft_http *h, void *arg)
{
    char buf[20000];
    weft_conn *c;
    weft_str early;
    (void)arg;
    int rc = weft_upgrade(h, "echo", &c, &early);
    if (rc == 0)
        rc = weft_conn_write_all(c, early.ptr, early.len);
    for (ssize_t n = 1; rc == 0 && n > 0;) {
        n = weft_conn_read(c, buf, sizeof buf);
        rc = n > 0 ? weft_conn_write_all(c, buf, (size_t)n) : (int)n;
    }
    return rc;
}

static void make_certs(struct talk *t)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    snprintf(t->folder, sizeof t->folder, "/tmp/weft-dial-XXXXXX");
    cr_assert(mkdtemp(t->folder) != NULL);
    snprintf(t->cert, sizeof t->cert, "%s/cert.pem", t->folder);
    snprintf(t->key, sizeof t->key, "%s/key.pem", t->folder);
    snprintf(t->other_cert, sizeof t->other_cert, "%s/other-cert.pem", t->folder);
    snprintf(t->other_key, sizeof t->other_key, "%s/other-key.pem", t->folder);
    cr_assert_eq(weft_tls_self_signed(t->cert, t->key, names, 2, 2), 0);
    cr_assert_eq(weft_tls_self_signed(t->other_cert, t->other_key, names, 1, 2), 0);
}

static int free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    close(fd);
    return ntohs(in.sin_port);
}

/* Serves over TLS on the loopback while `run` talks to it. */
static void talk(struct talk *t, void (*run)(struct talk *), weft_tls_opts tls)
{
    char byte;
    t->run = run;
    t->f.app = weft_app_new();
    weft_get(t->f.app, "/who", who, NULL);
    weft_get(t->f.app, "/echo", echo, NULL);
    snprintf(t->address, sizeof t->address, "127.0.0.1:%d", free_port());
    snprintf(t->f.address, sizeof t->f.address, "%s", t->address);
    tls.cert = t->cert;
    tls.key = t->key;
    t->f.opts = (weft_serve_opts){
        .listen = {t->address}, .quiet = 1, .tls = tls, .on_ready = on_ready, .on_ready_arg = t};
    cr_assert_eq(pipe(t->f.ready), 0);
    cr_assert_eq(pipe(t->done), 0);
    cr_assert_eq(pthread_create(&t->f.thread, NULL, fixture_serve, &t->f), 0);
    cr_assert_eq(read(t->done[0], &byte, 1), 1);
    fixture_stop(&t->f);
    unlink(t->cert);
    unlink(t->key);
    unlink(t->other_cert);
    unlink(t->other_key);
    rmdir(t->folder);
}

/* Asks /who, and gives the answer's last line. */
static void ask(weft_conn *c, char *line, size_t size)
{
    static const char request[] = "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char text[TALK_BYTES];
    size_t len = 0;
    ssize_t n;
    weft_conn_set_read_deadline(c, weft_now() + CLIENT_PATIENCE_S * WEFT_SEC);
    cr_assert_eq(weft_conn_write_all(c, request, sizeof request - 1), 0);
    while ((n = weft_conn_read(c, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    cr_assert_eq(n, 0); /* the end was a proper one */
    text[len] = '\0';
    char *body = strstr(text, "\r\n\r\n");
    cr_assert(body != NULL);
    snprintf(line, size, "%s", body + 4);
}

static void verifies(struct talk *t)
{
    weft_conn *c;
    weft_tls_info info;
    char line[TALK_BYTES];
    weft_tls_dial_opts opts = {.ca_file = t->cert};
    for (int i = 0; i < 2; i++) { /* the second time the authorities are there */
        cr_assert_eq(weft_dial_tls(t->address, &opts, &c), 0);
        cr_expect_eq(weft_conn_tls(c, &info), 0);
        cr_expect_str_eq(info.version, "TLSv1.3");
        cr_expect_str_eq(info.peer_subject, "O=weft development, CN=localhost");
        ask(c, line, sizeof line);
        cr_expect_str_eq(line, "https TLSv1.3 127.0.0.1 -\n");
        weft_conn_close(c);
    }
    opts.server_name = "localhost";
    cr_assert_eq(weft_dial_tls(t->address, &opts, &c), 0);
    ask(c, line, sizeof line);
    cr_expect_str_eq(line, "https TLSv1.3 localhost -\n");
    weft_conn_close(c);
}

Test(dial_tls, verifies_chain_and_name_and_reads_to_a_proper_end)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, verifies, (weft_tls_opts){.no_watch = 1});
}

static void refuses(struct talk *t)
{
    weft_conn *c;
    weft_tls_dial_opts wrong_authority = {.ca_file = t->other_cert};
    weft_tls_dial_opts wrong_name = {.ca_file = t->cert, .server_name = "elsewhere.test"};
    weft_tls_dial_opts no_file = {.ca_file = "/no/such.pem"};
    weft_tls_dial_opts no_authority = {.ca_file = t->key};
    weft_tls_dial_opts wrong_key = {.ca_file = t->cert, .cert = t->cert, .key = t->other_key};
    cr_expect_eq(weft_dial_tls(t->address, &wrong_authority, &c), -EKEYREJECTED);
    cr_expect_eq(weft_dial_tls(t->address, &wrong_name, &c), -EKEYREJECTED);
    cr_expect_eq(weft_dial_tls(t->address, &no_file, &c), -ENOENT);
    cr_expect_eq(weft_dial_tls(t->address, &no_authority, &c), -EBADMSG);
    cr_expect_eq(weft_dial_tls(t->address, &wrong_key, &c), -EBADMSG);
    cr_expect_eq(weft_dial_tls("127.0.0.1", NULL, &c), -EINVAL);
    /* By the system's store, which does not know a certificate made a moment ago. */
    setenv("SSL_CERT_FILE", t->other_cert, 1);
    cr_expect_eq(weft_dial("tls", t->address, &c), -EKEYREJECTED);
    setenv("SSL_CERT_FILE", t->cert, 1);
    cr_assert_eq(weft_dial("tls", t->address, &c), 0);
    weft_conn_close(c);
}

Test(dial_tls, refuses_who_cannot_prove_who_he_is)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, refuses, (weft_tls_opts){.no_watch = 1});
}

static void proves(struct talk *t)
{
    weft_conn *c;
    char line[TALK_BYTES], byte;
    weft_tls_dial_opts with = {.insecure = 1, .cert = t->other_cert, .key = t->other_key};
    weft_tls_dial_opts without = {.insecure = 1};
    cr_assert_eq(weft_dial_tls(t->address, &with, &c), 0);
    ask(c, line, sizeof line);
    cr_expect_str_eq(line, "https TLSv1.3 127.0.0.1 O=weft development, CN=localhost\n");
    weft_conn_close(c);
    int rc = weft_dial_tls(t->address, &without, &c);
    if (rc == 0) { /* in TLS 1.3 the client is done before the server has looked */
        rc = (int)weft_conn_read(c, &byte, 1);
        weft_conn_close(c);
    }
    cr_expect(rc < 0);
}

Test(dial_tls, shows_the_handler_a_client_certificate)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, proves, (weft_tls_opts){.no_watch = 1, .client_ca = t.other_cert});
}

static void agrees(struct talk *t)
{
    weft_conn *c;
    weft_tls_info info;
    weft_tls_dial_opts opts = {.insecure = 1, .alpn = {"h3", "http/1.1"}};
    cr_assert_eq(weft_dial_tls(t->address, &opts, &c), 0);
    cr_expect_eq(weft_conn_tls(c, &info), 0);
    cr_expect_str_eq(info.alpn, "http/1.1");
    cr_expect_null(info.peer_subject); /* nobody has verified it */
    weft_conn_close(c);
    weft_tls_dial_opts other = {.insecure = 1, .alpn = {"h3"}};
    cr_expect_eq(weft_dial_tls(t->address, &other, &c), -EPROTO);
    cr_assert_eq(weft_dial("tcp", t->address, &c), 0);
    cr_expect_eq(weft_conn_tls(c, &info), -ENOTCONN);
    weft_conn_close(c);
}

Test(dial_tls, agrees_on_a_protocol_or_fails)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, agrees, (weft_tls_opts){.no_watch = 1});
}

/* A peer that accepts and then says nothing. */
static int silent(void *arg)
{
    int fd = *(int *)arg;
    weft_conn *c;
    char address[32];
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(in.sin_port));
    weft_tls_dial_opts opts = {.insecure = 1, .timeout = 30 * WEFT_MS};
    return weft_dial_tls(address, &opts, &c);
}

Test(dial_tls, gives_up_on_a_peer_that_never_answers)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    cr_assert_eq(listen(fd, 4), 0);
    cr_expect_eq(weft_run(silent, &fd), -ETIMEDOUT);
    close(fd);
}

enum { ECHO_BYTES = 2 << 20 };

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static void write_pattern(void *arg)
{
    enum { PIECE = 70001 }; /* records of every size come of it */
    static unsigned char bytes[ECHO_BYTES];
    weft_conn *c = arg;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(i);
    for (size_t at = 0; at < sizeof bytes; at += PIECE) {
        size_t len = sizeof bytes - at < PIECE ? sizeof bytes - at : PIECE;
        struct iovec iov[3] = {{bytes + at, len / 3}, {bytes + at + len / 3, 0}, {NULL, 0}};
        iov[1].iov_len = len - len / 3;
        cr_assert_eq(weft_conn_writev_all(c, iov, 3), 0);
    }
    cr_assert_eq(weft_conn_shutdown_write(c), 0);
}

static void talks_both_ways(struct talk *t)
{
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                                  "Upgrade: echo\r\n\r\n";
    char buf[30000];
    weft_conn *c;
    size_t head = 0, at = 0, wrong = 0;
    ssize_t n;
    weft_tls_dial_opts opts = {.insecure = 1};
    cr_assert_eq(weft_dial_tls(t->address, &opts, &c), 0);
    weft_conn_set_read_deadline(c, weft_now() + CLIENT_PATIENCE_S * WEFT_SEC);
    cr_assert_eq(weft_conn_write_all(c, request, sizeof request - 1), 0);
    while (head < 4 || memcmp(buf + head - 4, "\r\n\r\n", 4) != 0) {
        cr_assert_eq(weft_conn_read(c, buf + head, 1), 1);
        head++;
    }
    cr_assert_eq(weft_go(write_pattern, c), 0);
    while ((n = weft_conn_read(c, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++)
            wrong += (unsigned char)buf[i] != pattern(at++);
    cr_expect_eq(n, 0);
    cr_expect_eq(at, (size_t)ECHO_BYTES);
    cr_expect_eq(wrong, (size_t)0);
    weft_conn_close(c);
}

Test(dial_tls, reads_while_another_coroutine_writes)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, talks_both_ways, (weft_tls_opts){.no_watch = 1});
}

static void stalls(struct talk *t)
{
    weft_conn *c;
    char byte;
    cr_assert_eq(weft_dial("tcp", t->address, &c), 0);
    cr_assert_eq(weft_conn_write_all(c, "\x16\x03\x01\x01\x00", 5), 0);
    weft_conn_set_read_deadline(c, weft_now() + CLIENT_PATIENCE_S * WEFT_SEC);
    ssize_t n = weft_conn_read(c, &byte, 1);
    cr_expect(n == 0 || n == -ECONNRESET);
    weft_conn_close(c);
}

Test(accept_tls, cuts_a_client_that_never_finishes_its_handshake)
{
    static struct talk t;
    make_certs(&t);
    talk(&t, stalls, (weft_tls_opts){.no_watch = 1, .handshake_timeout = 50 * WEFT_MS});
}
