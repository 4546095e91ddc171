/* Connections that leave HTTP. */
#include <errno.h>

#include "fixture.h"

#define ASK "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: a, echo\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"

/* Gives back each byte it gets, in capitals, until the end of the stream. */
static int echo(weft_http *h, void *arg)
{
    weft_conn *c;
    weft_str early;
    char byte;
    (void)arg;
    cr_expect_eq(weft_set_header(h, "X-Why", "because"), 0);
    int rc = weft_upgrade(h, "echo", &c, &early);
    if (rc == -EPROTO)
        return 426;
    if (rc < 0)
        return rc;
    cr_expect_eq(weft_text(h, 200, "no more HTTP"), -EALREADY);
    for (size_t i = 0;; i++) {
        if (i < early.len)
            byte = early.ptr[i];
        else if (weft_conn_read(c, &byte, 1) <= 0)
            break;
        byte = (char)(byte & ~32);
        if (weft_conn_write_all(c, &byte, 1) < 0)
            break;
    }
    return 0;
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/", echo, NULL);
    weft_post(f->app, "/", echo, NULL);
    fixture_start(f);
}

/* What a client gets that sends `bytes` and ends its stream. */
static void expect(struct fixture *f, const char *bytes, const char *answer)
{
    char *text = client_exchange(f, bytes, strlen(bytes));
    cr_expect(strncmp(text, answer, strlen(answer)) == 0, "%s\ngot %s", bytes, text);
    free(text);
}

Test(upgrade, the_handler_has_the_socket_with_what_came_early, .timeout = 60)
{
    struct fixture f = {0};
    char got[512] = "";
    start(&f);
    expect(&f, ASK "\r\nabc", SWITCHED "X-Why: because\r\n\r\nABC");
    int fd = client_open(&f);
    client_send(fd, ASK "\r\n", sizeof ASK + 1);
    for (size_t len = 0; !strstr(got, "\r\n\r\n"); len++)
        cr_assert_eq(recv(fd, got + len, 1, 0), 1);
    client_send(fd, "later", 5);
    cr_assert_eq(recv(fd, got, 5, MSG_WAITALL), 5);
    cr_expect(memcmp(got, "LATER", 5) == 0);
    shutdown(fd, SHUT_WR);
    cr_expect_eq(recv(fd, got, 1, 0), 0);
    close(fd);
    fixture_stop(&f);
}

Test(upgrade, answers_before_it_come_first, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n" ASK "\r\nabc", "HTTP/1.1 404 ");
    char *text = client_exchange(&f, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n" ASK "\r\nabc",
                                 strlen("GET /none HTTP/1.1\r\nHost: x\r\n\r\n" ASK "\r\nabc"));
    cr_expect(strstr(text, "Not Found\n" SWITCHED), "%s", text);
    free(text);
    fixture_stop(&f);
}

Test(upgrade, is_refused_when_it_was_not_asked_for, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 ");
    expect(&f, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n\r\n", "HTTP/1.1 426 ");
    expect(&f, "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echoes\r\n\r\n",
           "HTTP/1.1 426 ");
    expect(&f, "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", "HTTP/1.1 426 ");
    fixture_stop(&f);
}

Test(upgrade, waits_until_the_body_has_been_read, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f,
           "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n"
           "Content-Length: 3\r\n\r\nabc",
           "HTTP/1.1 500 ");
    fixture_stop(&f);
}
