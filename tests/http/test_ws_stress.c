/* WebSockets with much going on at once: several coroutines send while another receives and one
 * closes, plain and compressed, and through the proxy. */
#include <errno.h>
#include <zlib.h>

#include "fixture.h"

#define ASK(path, more)                                                                            \
    "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"            \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

enum { CLIENTS = 4, SENDERS = 8, EACH = 100, MESSAGE_MAX = 4096 };

/* ---- the server ---- */

struct sender {
    weft_ws *ws;
    char letter;
};

/* "a 17 aaaaa": who, which, and as many letters as make it now short, now long. */
static size_t message_make(char *buf, char letter, int number)
{
    int head = snprintf(buf, 32, "%c %d ", letter, number);
    size_t len = (size_t)head + (size_t)(number * 37 + letter * 11) % 2000;
    memset(buf + head, letter, len - (size_t)head);
    return len;
}

static int send_all(void *arg)
{
    const struct sender *s = arg;
    char buf[MESSAGE_MAX];
    int rc = 0;
    for (int i = 0; i < EACH && rc == 0; i++)
        rc = weft_ws_send(s->ws, WEFT_WS_TEXT, buf, message_make(buf, s->letter, i));
    return rc;
}

static int send_until_closed(void *arg)
{
    const struct sender *s = arg;
    char buf[MESSAGE_MAX];
    int rc = 0;
    for (int i = 0; rc == 0; i++) {
        rc = weft_ws_send(s->ws, WEFT_WS_TEXT, buf, message_make(buf, s->letter, i % EACH));
        if (s->letter == 'a' && i == EACH / 2)
            rc = weft_ws_close(s->ws, 4000, NULL);
    }
    cr_expect(rc == -EPIPE, "%d", rc);
    return 0;
}

static int serve_senders(weft_http *h, int (*send)(void *arg))
{
    static const weft_ws_opts opts = {.compress = 1};
    struct sender senders[SENDERS];
    weft_ws_message m;
    weft_ws *ws;
    int rc = weft_ws_accept(h, &opts, &ws);
    if (rc)
        return rc;
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){0});
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ws, (char)('a' + i)};
        weft_group_go(&g, send, &senders[i]);
    }
    while ((rc = weft_ws_recv(ws, &m)) > 0)
        weft_ws_send(ws, m.type, m.data.ptr, m.data.len);
    cr_expect_eq(rc, 0);
    cr_expect_eq(weft_group_wait(&g), 0);
    return 0;
}

static int busy(weft_http *h, void *arg)
{
    (void)arg;
    return serve_senders(h, send_all);
}

static int closing(weft_http *h, void *arg)
{
    (void)arg;
    return serve_senders(h, send_until_closed);
}

/* ---- a client ---- */

static void read_exactly(int fd, void *buf, size_t len)
{
    cr_assert_eq(recv(fd, buf, len, MSG_WAITALL), (ssize_t)len);
}

static int socket_open(struct fixture *f, const char *ask)
{
    char head[2048];
    size_t len = 0;
    int fd = client_open(f);
    client_send(fd, ask, strlen(ask));
    do {
        cr_assert_lt(len, sizeof head - 1);
        read_exactly(fd, head + len, 1);
        head[++len] = '\0';
    } while (!strstr(head, "\r\n\r\n"));
    cr_assert(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%s", head);
    cr_assert_eq(strstr(ask, "permessage") != NULL, strstr(head, "permessage") != NULL);
    return fd;
}

/* A masked frame of at most 125 bytes. */
static void send_frame(int fd, int first, const char *data, size_t len)
{
    char frame[131] = {(char)first, (char)(0x80 | len), 1, 2, 3, 4};
    for (size_t i = 0; i < len; i++)
        frame[6 + i] = (char)(data[i] ^ (char)(1 + i % 4));
    client_send(fd, frame, 6 + len);
}

static size_t inflate_into(char *to, size_t room, char *from, size_t len)
{
    z_stream z = {0};
    memcpy(from + len, "\0\0\xff\xff", 4);
    cr_assert_eq(inflateInit2(&z, -15), Z_OK);
    z.next_in = (Bytef *)from;
    z.avail_in = (uInt)len + 4;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    cr_assert_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    inflateEnd(&z);
    return room - z.avail_out;
}

/* Reads a frame, decompressed; returns its first byte without RSV1. */
static int read_frame(int fd, char buf[MESSAGE_MAX], size_t *ret_len)
{
    unsigned char head[4];
    char packed[MESSAGE_MAX + 4];
    read_exactly(fd, head, 2);
    size_t len = head[1];
    if (len == 126) {
        read_exactly(fd, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    cr_assert_lt(len, (size_t)MESSAGE_MAX);
    if (len)
        read_exactly(fd, packed, len);
    if (head[0] & 0x40) {
        len = inflate_into(buf, MESSAGE_MAX, packed, len);
    } else if (len) {
        memcpy(buf, packed, len);
    }
    *ret_len = len;
    return head[0] & ~0x40;
}

/* Whether it is as message_make made it; counts it. */
static void check_message(const char *buf, size_t len, int next[SENDERS])
{
    char expected[MESSAGE_MAX];
    int who = buf[0] - 'a';
    cr_assert(who >= 0 && who < SENDERS);
    size_t expected_len = message_make(expected, buf[0], next[who]++);
    cr_assert(len == expected_len && memcmp(buf, expected, len) == 0, "%c", buf[0]);
}

struct client {
    pthread_t thread;
    struct fixture *f;
    const char *ask;
};

static void *talk(void *arg)
{
    const struct client *c = arg;
    int fd = socket_open(c->f, c->ask), next[SENDERS] = {0}, echoed = 0;
    char buf[MESSAGE_MAX], own[32];
    size_t len;
    for (int i = 0; i < EACH; i++)
        send_frame(fd, 0x81, own, (size_t)snprintf(own, sizeof own, "! %d", i));
    for (int i = 0; i < (SENDERS + 1) * EACH; i++) {
        cr_assert_eq(read_frame(fd, buf, &len), 0x81);
        if (buf[0] != '!') {
            check_message(buf, len, next);
            continue;
        }
        buf[len] = '\0';
        snprintf(own, sizeof own, "! %d", echoed++);
        cr_assert_str_eq(buf, own);
    }
    send_frame(fd, 0x88, "\x03\xe8", 2);
    cr_assert_eq(read_frame(fd, buf, &len), 0x88);
    cr_assert_eq(recv(fd, buf, 1, 0), 0);
    close(fd);
    return NULL;
}

static void talk_all(struct fixture *f, const char *const asks[2])
{
    struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.f = f, .ask = asks[i % 2]};
        cr_assert_eq(pthread_create(&clients[i].thread, NULL, talk, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
}

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

Test(ws_stress, many_senders_and_a_receiver_keep_every_message_whole, .timeout = 120)
{
    struct fixture f = {.app = weft_app_new(), .opts.threads = 4};
    weft_get(f.app, "/", busy, NULL);
    fixture_start(&f);
    talk_all(&f, (const char *const[]){ASK("/", ""), ASK("/", OFFER)});
    fixture_stop(&f);
}

Test(ws_stress, nothing_comes_behind_a_close_whoever_sends, .timeout = 120)
{
    struct fixture f = {.app = weft_app_new(), .opts.threads = 4};
    char buf[MESSAGE_MAX];
    size_t len;
    weft_get(f.app, "/", closing, NULL);
    fixture_start(&f);
    for (int i = 0; i < 10; i++) {
        int fd = socket_open(&f, i % 2 ? ASK("/", OFFER) : ASK("/", "")), first;
        while ((first = read_frame(fd, buf, &len)) == 0x81)
            ;
        cr_expect_eq(first, 0x88);
        cr_expect(len == 2 && memcmp(buf, "\x0f\xa0", 2) == 0);
        send_frame(fd, 0x88, "\x0f\xa0", 2);
        cr_expect_eq(recv(fd, buf, 1, 0), 0);
        close(fd);
    }
    fixture_stop(&f);
}

/* ---- through the proxy ---- */

Test(ws_stress, a_proxy_passes_all_of_it, .timeout = 120)
{
    char upstream[64], url[96];
    struct fixture f = {.app = weft_app_new(), .opts.threads = 4};
    snprintf(upstream, sizeof upstream, "unix:/tmp/weft-test-%d-up.sock", (int)getpid());
    snprintf(url, sizeof url, "%s", upstream);
    weft_app *behind = weft_app_new();
    weft_get(behind, "/", busy, NULL);
    weft_proxy *proxy = weft_proxy_new(&(weft_proxy_opts){.upstreams = {{.url = url}}}, NULL, 0);
    cr_assert_not_null(proxy);
    weft_any(f.app, "/{path...}", weft_proxy_handler, proxy);
    weft_also also = {.app = behind, .listen = upstream};
    f.opts.also = &also;
    f.opts.n_also = 1;
    fixture_start(&f);
    talk_all(&f, (const char *const[]){ASK("/", ""), ASK("/", OFFER)});
    /* What the handler refuses is an answer as others are. */
    const char *foreign = ASK("/", "Origin: http://evil.example\r\n");
    char *text = client_exchange(&f, foreign, strlen(foreign));
    cr_expect(strncmp(text, "HTTP/1.1 403 ", 13) == 0, "%s", text);
    free(text);
    fixture_stop(&f);
    weft_proxy_free(proxy);
    weft_app_free(behind);
}
