/* WebSockets at the level of bytes: handshakes, frames that are right and wrong, closes, limits,
 * compression, several senders. */
#include <errno.h>
#include <stdatomic.h>
#include <zlib.h>

#include "fixture.h"
#include "sha1.h"
#include "utf8.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ASK(path, more)                                                                            \
    "GET " path " HTTP/1.1\r\nHost: x.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"    \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n" more "\r\n"

static weft_ws_opts small = {.max_message = 1000, .protocols = "b, a"},
                    packed = {.compress = 1, .max_message = 5000},
                    open_to = {.origins = "https://a.example, https://b.example"},
                    hasty = {.ping_interval = 20 * WEFT_MS, .close_timeout = 20 * WEFT_MS};
static _Atomic(int) last_result, last_code;

static int echo(weft_http *h, void *arg)
{
    weft_ws *ws;
    weft_ws_message m;
    int rc = weft_ws_accept(h, arg, &ws);
    if (rc)
        return rc;
    while ((rc = weft_ws_recv(ws, &m)) > 0)
        if (weft_ws_send(ws, m.type, m.data.ptr, m.data.len) < 0)
            break;
    atomic_store(&last_result, rc);
    atomic_store(&last_code, weft_ws_close_code(ws));
    return 0;
}

static int closer(weft_http *h, void *arg)
{
    weft_ws *ws;
    weft_ws_message m;
    int rc = weft_ws_accept(h, arg, &ws);
    if (rc)
        return rc;
    cr_expect_eq(weft_ws_close(ws, 1005, NULL), -EINVAL);
    cr_expect_eq(weft_ws_close(ws, 4000, "\xff"), -EINVAL);
    cr_expect_eq(weft_ws_text(ws, "\xc0\x80"), -EILSEQ);
    cr_expect_eq(weft_ws_ping(ws, m.data.ptr, 126), -EINVAL);
    cr_expect_eq(weft_ws_close(ws, 4321, "enough"), 0);
    cr_expect_eq(weft_ws_close(ws, 1000, NULL), -EALREADY);
    cr_expect_eq(weft_ws_text(ws, "late"), -EPIPE);
    rc = weft_ws_recv(ws, &m); /* what was under way still comes */
    cr_expect(rc == 1 && weft_str_eq(m.data, WEFT_STR("late")));
    atomic_store(&last_result, weft_ws_recv(ws, &m));
    return 0;
}

enum { SENDERS = 4, EACH = 50 };

struct sender {
    weft_ws *ws;
    char letter;
};

static int send_many(void *arg)
{
    struct sender *s = arg;
    char text[3000];
    memset(text, s->letter, sizeof text);
    for (int i = 0; i < EACH; i++) {
        int rc = weft_ws_send(s->ws, WEFT_WS_TEXT, text, sizeof text);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int many(weft_http *h, void *arg)
{
    struct sender senders[SENDERS];
    weft_group g;
    weft_ws *ws;
    int rc = weft_ws_accept(h, arg, &ws);
    if (rc)
        return rc;
    weft_group_init(&g, (weft_group_opts){0});
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ws, (char)('a' + i)};
        weft_group_go(&g, send_many, &senders[i]);
    }
    return weft_group_wait(&g);
}

static int silent(weft_http *h, void *arg)
{
    weft_ws *ws;
    return weft_ws_accept(h, arg, &ws);
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_any(f->app, "/", echo, NULL);
    weft_get(f->app, "/small", echo, &small);
    weft_get(f->app, "/packed", echo, &packed);
    weft_get(f->app, "/origins", echo, &open_to);
    weft_get(f->app, "/hasty", echo, &hasty);
    weft_get(f->app, "/close", closer, NULL);
    weft_get(f->app, "/many", many, NULL);
    weft_get(f->app, "/silent", silent, &hasty);
    fixture_start(f);
}

/* ---- frames ---- */

struct bytes {
    uint8_t at[1 << 17];
    size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
    cr_assert(b->len + len <= sizeof b->at);
    if (len)
        memcpy(b->at + b->len, data, len);
    b->len += len;
}

/* A frame's head and payload; masked as a client's is. */
static void put_frame(struct bytes *b, int first, bool is_masked, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t head[10] = {(uint8_t)first, (uint8_t)(is_masked ? 0x80 : 0)};
    size_t n = 2;
    if (len < 126) {
        head[1] |= (uint8_t)len;
    } else if (len < 65536) {
        head[1] |= 126;
        head[n++] = (uint8_t)(len >> 8);
        head[n++] = (uint8_t)len;
    } else {
        head[1] |= 127;
        for (int i = 56; i >= 0; i -= 8)
            head[n++] = (uint8_t)((uint64_t)len >> i);
    }
    put(b, head, n);
    size_t at = b->len + (is_masked ? 4 : 0);
    if (is_masked)
        put(b, mask, 4);
    put(b, data, len);
    for (size_t i = 0; is_masked && i < len; i++)
        b->at[at + i] ^= mask[i % 4];
}

/* Reads until the end of the stream; gives what comes behind the head of the 101. */
static void receive(int fd, struct bytes *ret)
{
    static char text[1 << 20];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, sizeof text - len, 0)) > 0)
        len += (size_t)n;
    char *end = memmem(text, len, "\r\n\r\n", 4);
    cr_assert(end && strncmp(text, "HTTP/1.1 101 ", 13) == 0, "%.*s", (int)len, text);
    ret->len = 0;
    put(ret, end + 4, len - (size_t)(end + 4 - text));
}

/* ---- handshakes ---- */

static void expect_handshake(struct fixture *f, const char *request, const char *const pieces[])
{
    char *text = client_exchange(f, request, strlen(request));
    for (int i = 0; pieces[i]; i++) {
        bool is_not = pieces[i][0] == '!';
        cr_expect(!strstr(text, pieces[i] + is_not) == is_not, "%s: %s\n%s", request, pieces[i],
                  text);
    }
    free(text);
}

#define HANDSHAKE(request, ...)                                                                    \
    expect_handshake(&f, request, (const char *const[]){__VA_ARGS__, NULL})

Test(websocket, a_handshake_is_answered_as_rfc_6455_has_it, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    HANDSHAKE(ASK("/", ""), "HTTP/1.1 101 ", "Upgrade: websocket\r\n", "Connection: Upgrade\r\n",
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "!Sec-WebSocket-Protocol",
              "!Sec-WebSocket-Extensions");
    HANDSHAKE("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 ", "Upgrade: websocket\r\n",
              "Sec-WebSocket-Version: 13\r\n");
    HANDSHAKE("POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY
              "\r\nContent-Length: 0\r\n\r\n",
              "HTTP/1.1 426 ");
    HANDSHAKE("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
              "HTTP/1.1 426 ", "Sec-WebSocket-Version: 13\r\n");
    static const char *const keys[] = {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ===",
                                       "dGhlIHNhbXBsZSBub25!ZQ==", "dGhlIHNhbXBsZSBub25jZWEhYQ=="};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char request[512];
        snprintf(request, sizeof request,
                 "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
                 keys[i]);
        HANDSHAKE(request, "HTTP/1.1 400 ");
    }
    fixture_stop(&f);
}

Test(websocket, subprotocols_and_origins_are_chosen_by_the_server, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    HANDSHAKE(ASK("/small", "Sec-WebSocket-Protocol: a, b\r\n"), "Sec-WebSocket-Protocol: b\r\n");
    HANDSHAKE(ASK("/small", "Sec-WebSocket-Protocol: z\r\nSec-WebSocket-Protocol: a\r\n"),
              "Sec-WebSocket-Protocol: a\r\n");
    HANDSHAKE(ASK("/small", "Sec-WebSocket-Protocol: z\r\n"), "HTTP/1.1 101 ", "!-Protocol: ");
    HANDSHAKE(ASK("/", "Origin: http://x.example\r\n"), "HTTP/1.1 101 ");
    HANDSHAKE(ASK("/", "Origin: http://evil.example\r\n"), "HTTP/1.1 403 ");
    HANDSHAKE(ASK("/", "Origin: null\r\n"), "HTTP/1.1 403 ");
    HANDSHAKE(ASK("/origins", "Origin: https://b.example\r\n"), "HTTP/1.1 101 ");
    HANDSHAKE(ASK("/origins", "Origin: https://x.example\r\n"), "HTTP/1.1 403 ");
    fixture_stop(&f);
}

Test(websocket, compression_is_agreed_on_as_rfc_7692_has_it, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
#define OFFER(offer) ASK("/packed", "Sec-WebSocket-Extensions: " offer "\r\n")
    HANDSHAKE(OFFER("permessage-deflate; client_max_window_bits"),
              "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
              "client_no_context_takeover\r\n");
    HANDSHAKE(OFFER("permessage-deflate; server_max_window_bits=10"), "server_max_window_bits=10");
    HANDSHAKE(OFFER("permessage-deflate; server_max_window_bits=\"9\""),
              "server_max_window_bits=9");
    HANDSHAKE(OFFER("x, permessage-deflate; server_max_window_bits=8, permessage-deflate"),
              "Extensions: permessage-deflate", "!max_window_bits");
    HANDSHAKE(OFFER("permessage-deflate; server_max_window_bits=16"), "101", "!Extensions");
    HANDSHAKE(OFFER("permessage-deflate; mystery"), "101", "!Extensions");
    HANDSHAKE(OFFER("permessage-deflate; client_max_window_bits; client_max_window_bits"), "101",
              "!Extensions");
    HANDSHAKE(ASK("/", "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "101", "!Extensions");
    fixture_stop(&f);
}

/* ---- frames that come and go ---- */

struct frame {
    int first; /* FIN, RSV and opcode; -1: no more */
    const char *payload;
    size_t len; /* 0: strlen(payload) */
};

struct conversation {
    const char *rule;
    struct frame sent[5]; /* masked, unless said */
    struct frame got[5];
    bool is_unmasked;
    const char *path; /* "/" when NULL */
};

#define NO_MORE                                                                                    \
    {                                                                                              \
        -1, NULL, 0                                                                                \
    }
#define CLOSE(code)                                                                                \
    {                                                                                              \
        0x88, code, 2                                                                              \
    }
#define C1000 "\x03\xe8"
#define C1002 "\x03\xea"
#define C1007 "\x03\xef"
#define C1009 "\x03\xf1"
#define BYE CLOSE(C1000)
#define F(...)                                                                                     \
    {                                                                                              \
        __VA_ARGS__, NO_MORE                                                                       \
    }

static const struct conversation conversations[] = {
    {"5.6: text", F({0x81, "hello", 0}, BYE), F({0x81, "hello", 0}, BYE), 0, 0},
    {"5.6: binary", F({0x82, "\xff\0\x80", 3}, BYE), F({0x82, "\xff\0\x80", 3}, BYE), 0, 0},
    {"5.6: an empty message", F({0x81, "", 0}, BYE), F({0x81, "", 0}, BYE), 0, 0},
    {"5.4: fragments", F({0x01, "a", 0}, {0x00, "", 0}, {0x80, "b", 0}, BYE),
     F({0x81, "ab", 0}, BYE), 0, 0},
    {"5.4: a ping between fragments", F({0x01, "a", 0}, {0x89, "p", 0}, {0x80, "b", 0}, BYE),
     F({0x8a, "p", 0}, {0x81, "ab", 0}, BYE), 0, 0},
    {"5.5.3: a pong that nobody asked for", F({0x8a, "x", 0}, BYE), F(BYE), 0, 0},
    {"5.5.1: a close without a code", F({0x88, "", 0}), F({0x88, "", 0}), 0, 0},
    {"5.5.1: a close with a reason", F({0x88, "\x03\xe9gone", 6}), F({0x88, "\x03\xe9", 2}), 0, 0},
    {"5.5.1: nothing after a close", F(BYE, {0x81, "late", 0}), F(BYE), 0, 0},
    {"7.4.2: an application's code", F(CLOSE("\x0f\xa0")), F(CLOSE("\x0f\xa0")), 0, 0},
    {"5.5.1: half a code", F({0x88, "\x03", 1}), F(CLOSE(C1002)), 0, 0},
    {"7.4.1: 1005 is never sent", F(CLOSE("\x03\xed")), F(CLOSE(C1002)), 0, 0},
    {"7.4.1: 1006 is never sent", F(CLOSE("\x03\xee")), F(CLOSE(C1002)), 0, 0},
    {"7.4.2: 999", F(CLOSE("\x03\xe7")), F(CLOSE(C1002)), 0, 0},
    {"7.4.2: 2999", F(CLOSE("\x0b\xb7")), F(CLOSE(C1002)), 0, 0},
    {"7.4.2: 5000", F(CLOSE("\x13\x88")), F(CLOSE(C1002)), 0, 0},
    {"5.5.1: a reason that is no UTF-8", F({0x88, "\x03\xe8\xff", 3}), F(CLOSE(C1007)), 0, 0},
    {"5.1: not masked", F({0x81, "hello", 0}), F(CLOSE(C1002)), true, 0},
    {"5.2: RSV1 without an extension", F({0xc1, "hello", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: RSV2", F({0xa1, "hello", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: RSV3", F({0x91, "hello", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: opcode 3", F({0x83, "hello", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: opcode 7", F({0x87, "", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: opcode 11", F({0x8b, "hello", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.2: opcode 15", F({0x8f, "", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.4: a continuation of nothing", F({0x80, "b", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.4: a message within a message", F({0x01, "a", 0}, {0x81, "b", 0}), F(CLOSE(C1002)), 0, 0},
    {"5.5: a control frame in fragments", F({0x09, "p", 0}), F(CLOSE(C1002)), 0, 0},
    {"8.1: text that is no UTF-8", F({0x81, "\xff", 1}), F(CLOSE(C1007)), 0, 0},
    {"8.1: a surrogate", F({0x81, "\xed\xa0\x80", 3}), F(CLOSE(C1007)), 0, 0},
    {"8.1: half a character at the end", F({0x81, "a\xe2\x82", 3}), F(CLOSE(C1007)), 0, 0},
    {"8.1: wrong before the message has ended", F({0x01, "\xc0", 1}), F(CLOSE(C1007)), 0, 0},
    {"8.1: a character over two fragments", F({0x01, "\xe2\x82", 2}, {0x80, "\xac", 1}, BYE),
     F({0x81, "\xe2\x82\xac", 3}, BYE), 0, 0},
};

static void put_frames(struct bytes *b, const struct frame *frames, bool is_masked)
{
    for (; frames->first >= 0; frames++)
        put_frame(b, frames->first, is_masked, frames->payload,
                  frames->len ? frames->len : strlen(frames->payload));
}

static struct bytes sent, wanted, got;

/* Sends all at once, or byte by byte. */
static void converse(struct fixture *f, const char *rule, const char *ask, bool is_slow)
{
    int fd = client_open(f);
    client_send(fd, ask, strlen(ask));
    for (size_t i = 0; is_slow && i < sent.len; i++)
        client_send(fd, (const char *)sent.at + i, 1);
    if (!is_slow)
        client_send(fd, (const char *)sent.at, sent.len);
    receive(fd, &got);
    close(fd);
    cr_expect(got.len == wanted.len && memcmp(got.at, wanted.at, got.len) == 0,
              "%s: %zu bytes of %zu, first %02x %02x", rule, got.len, wanted.len, got.at[0],
              got.at[1]);
}

Test(websocket, frames_are_answered_as_rfc_6455_has_it, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    for (size_t i = 0; i < sizeof conversations / sizeof *conversations; i++) {
        const struct conversation *c = &conversations[i];
        sent.len = wanted.len = 0;
        put_frames(&sent, c->sent, !c->is_unmasked);
        put_frames(&wanted, c->got, false);
        converse(&f, c->rule, ASK("/", ""), false);
        converse(&f, c->rule, ASK("/", ""), true);
    }
    fixture_stop(&f);
}

Test(websocket, lengths_of_all_three_forms_come_and_go, .timeout = 60)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 100000};
    static char data[100000];
    struct fixture f = {0};
    start(&f);
    memset(data, 'x', sizeof data);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        sent.len = wanted.len = 0;
        put_frame(&sent, 0x82, true, data, lens[i]);
        put_frame(&sent, 0x88, true, C1000, 2);
        put_frame(&wanted, 0x82, false, data, lens[i]);
        put_frame(&wanted, 0x88, false, C1000, 2);
        converse(&f, "5.2: a length", ASK("/", ""), false);
    }
    /* longer forms than needed, and a length of 2^63 */
    static const char *const wrong[] = {"\x82\xfe\0\x7d", "\x82\xff\0\0\0\0\0\0\xff\xff",
                                        "\x82\xff\x80\0\0\0\0\0\0\0"};
    for (int i = 0; i < 3; i++) {
        sent.len = wanted.len = 0;
        put(&sent, wrong[i], i ? 10 : 4);
        put_frame(&wanted, 0x88, false, C1002, 2);
        converse(&f, "5.2: a length that is wrong", ASK("/", ""), false);
    }
    fixture_stop(&f);
}

Test(websocket, a_message_past_the_limit_is_refused_before_it_has_come, .timeout = 60)
{
    static char data[1001];
    struct fixture f = {0};
    start(&f);
    memset(data, 'x', sizeof data);
    sent.len = wanted.len = 0;
    put_frame(&sent, 0x81, true, data, 1000);
    put_frame(&wanted, 0x81, false, data, 1000);
    put_frame(&sent, 0x01, true, data, 999);
    put_frame(&sent, 0x00, true, data, 1);
    put_frame(&sent, 0x80, true, data, 1);
    put_frame(&wanted, 0x88, false, C1009, 2);
    converse(&f, "in fragments", ASK("/small", ""), false);
    cr_expect_eq(atomic_load(&last_result), -EMSGSIZE);
    sent.len = wanted.len = 0;
    put(&sent, "\x82\xff\0\0\0\x10\0\0\0\0mask!", 15); /* announces 64 GB, sends a byte */
    put_frame(&wanted, 0x88, false, C1009, 2);
    converse(&f, "by its head", ASK("/small", ""), false);
    fixture_stop(&f);
}

/* ---- compression ---- */

static size_t deflate_into(char *to, size_t room, const char *from, size_t len)
{
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    cr_assert_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t n = room - z.avail_out - 4;
    deflateEnd(&z);
    return n;
}

static const char packed_ask[] = ASK("/packed", "Sec-WebSocket-Extensions: permessage-deflate\r\n");

Test(websocket, compressed_messages_are_each_for_itself, .timeout = 60)
{
    static char text[5000], small_text[512];
    struct fixture f = {0};
    start(&f);
    memset(text, 'z', sizeof text);
    size_t n = deflate_into(small_text, sizeof small_text, text, sizeof text);
    sent.len = 0;
    put_frame(&sent, 0x41, true, small_text, 3); /* in two fragments: RSV1 on the first only */
    put_frame(&sent, 0x80, true, small_text + 3, n - 3);
    put_frame(&sent, 0xc2, true, small_text, n);
    put_frame(&sent, 0x81, true, "plain", 5);
    put_frame(&sent, 0xc1, true, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);     /* RFC 7692 7.2.3.1 */
    put_frame(&sent, 0xc1, true, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8); /* 7.2.3.4: BFINAL */
    put_frame(&sent, 0x88, true, C1000, 2);
    int fd = client_open(&f);
    client_send(fd, packed_ask, sizeof packed_ask - 1);
    client_send(fd, (const char *)sent.at, sent.len);
    receive(fd, &got);
    close(fd);
    const uint8_t *at = got.at;
    for (int i = 0; i < 2; i++) {
        char back[6000];
        uint8_t whole[256];
        z_stream z = {0};
        size_t len = at[1];
        cr_assert(at[0] == (i ? 0xc2 : 0xc1) && len < 126, "%02x %zu", at[0], len);
        memcpy(whole, at + 2, len);
        memcpy(whole + len, "\0\0\xff\xff", 4);
        cr_assert_eq(inflateInit2(&z, -12), Z_OK);
        z.next_in = whole;
        z.avail_in = (uInt)len + 4;
        z.next_out = (Bytef *)back;
        z.avail_out = sizeof back;
        cr_expect_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        cr_expect_eq(z.total_out, sizeof text);
        cr_expect_eq(memcmp(back, text, sizeof text), 0);
        inflateEnd(&z);
        at += 2 + len;
    }
    static const char rest[] = "\x81\x05plain\x81\x05Hello\x81\x05Hello\x88\x02" C1000;
    cr_expect_eq((size_t)(got.at + got.len - at), sizeof rest - 1);
    cr_expect_eq(memcmp(at, rest, sizeof rest - 1), 0);
    fixture_stop(&f);
}

Test(websocket, a_message_that_swells_past_the_limit_is_refused, .timeout = 60)
{
    static char huge[4 << 20], little[8192];
    struct fixture f = {0};
    start(&f);
    size_t n = deflate_into(little, sizeof little, huge, sizeof huge);
    static const struct {
        const char *rule, *data, *code;
        size_t len;
    } rows[] = {{"a bomb", little, C1009, 0}, {"no deflate", "\xff\xff\xff\xff", C1007, 4}};
    for (int i = 0; i < 2; i++) {
        sent.len = wanted.len = 0;
        put_frame(&sent, 0xc2, true, rows[i].data, i ? rows[i].len : n);
        put_frame(&wanted, 0x88, false, rows[i].code, 2);
        converse(&f, rows[i].rule, packed_ask, false);
    }
    sent.len = wanted.len = 0; /* one byte more than the limit of 5000 */
    n = deflate_into(little, sizeof little, huge, 5001);
    put_frame(&sent, 0xc2, true, little, n);
    put_frame(&wanted, 0x88, false, C1009, 2);
    converse(&f, "one too many", packed_ask, false);
    sent.len = wanted.len = 0;
    put_frame(&sent, 0xc9, true, "p", 1); /* 6.1: control frames are never compressed */
    put_frame(&wanted, 0x88, false, C1002, 2);
    converse(&f, "a compressed ping", packed_ask, false);
    fixture_stop(&f);
}

/* ---- ends ---- */

Test(websocket, a_close_of_ours_lets_what_is_under_way_come, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    sent.len = wanted.len = 0;
    put_frame(&sent, 0x81, true, "late", 4);
    put_frame(&sent, 0x88, true, "\x10\xe1", 2);
    put_frame(&wanted, 0x88, false,
              "\x10\xe1"
              "enough",
              8);
    converse(&f, "4321", ASK("/close", ""), false);
    cr_expect_eq(atomic_load(&last_result), 0);
    fixture_stop(&f);
}

Test(websocket, a_handler_that_returns_closes_and_waits_for_the_answer, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    sent.len = wanted.len = 0;
    put_frame(&sent, 0x88, true, C1000, 2);
    put_frame(&wanted, 0x88, false, C1000, 2);
    converse(&f, "1000", ASK("/silent", ""), false);
    sent.len = 0; /* and not for ever */
    converse(&f, "no answer", ASK("/silent", ""), false);
    fixture_stop(&f);
}

Test(websocket, who_goes_without_a_close_is_told_apart, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    char *text = client_exchange(&f, ASK("/", ""), strlen(ASK("/", "")));
    cr_expect(strncmp(text, "HTTP/1.1 101 ", 13) == 0);
    free(text);
    fixture_stop(&f);
    cr_expect_eq(atomic_load(&last_result), -ECONNRESET);
    cr_expect_eq(atomic_load(&last_code), WEFT_WS_ABNORMAL);
}

Test(websocket, a_silent_peer_is_pinged_and_then_given_up, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    sent.len = wanted.len = 0;
    put_frame(&wanted, 0x89, false, "", 0);
    put_frame(&wanted, 0x88, false, C1000, 2);
    converse(&f, "silence", ASK("/hasty", ""), false);
    cr_expect_eq(atomic_load(&last_result), -ETIMEDOUT);
    fixture_stop(&f);
}

Test(websocket, several_coroutines_send_whole_messages, .timeout = 60)
{
    static char letters[1 << 20];
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f), counts[SENDERS] = {0};
    client_send(fd, ASK("/many", ""), strlen(ASK("/many", "")));
    sent.len = 0;
    put_frame(&sent, 0x88, true, C1000, 2);
    client_send(fd, (const char *)sent.at, sent.len);
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, letters + len, sizeof letters - len, 0)) > 0)
        len += (size_t)n;
    close(fd);
    char *at = memmem(letters, len, "\r\n\r\n", 4);
    cr_assert_not_null(at);
    for (at += 4; (uint8_t)*at == 0x81; at += 3004) {
        cr_assert((uint8_t)at[1] == 126 && at + 3004 <= letters + len);
        for (int i = 5; i < 3004; i++)
            cr_assert_eq(at[i], at[4]);
        counts[at[4] - 'a']++;
    }
    for (int i = 0; i < SENDERS; i++)
        cr_expect_eq(counts[i], EACH);
    fixture_stop(&f);
}

Test(websocket, a_draining_server_says_that_it_goes_away, .timeout = 60)
{
    struct fixture f = {0};
    char head[4096];
    start(&f);
    int fd = client_open(&f);
    client_send(fd, ASK("/", ""), strlen(ASK("/", "")));
    size_t len = 0;
    while (!memmem(head, len, "\r\n\r\n", 4)) {
        ssize_t n = recv(fd, head + len, sizeof head - len, 0);
        cr_assert_gt(n, 0);
        len += (size_t)n;
    }
    sent.len = wanted.len = 0;
    put_frame(&sent, 0x88, true, "\x03\xe9", 2);
    client_send(fd, (const char *)sent.at, 0);
    pthread_t thread = f.thread;
    kill(getpid(), SIGTERM);
    put_frame(&wanted, 0x88, false, "\x03\xe9", 2);
    got.len = 0;
    while (got.len < 4) {
        ssize_t n = recv(fd, got.at + got.len, 4 - got.len, 0);
        cr_assert_gt(n, 0);
        got.len += (size_t)n;
    }
    cr_expect_eq(memcmp(got.at, wanted.at, 4), 0);
    client_send(fd, (const char *)sent.at, sent.len);
    pthread_join(thread, NULL);
    close(fd);
    cr_expect_eq(f.status, 0);
    cr_expect_eq(atomic_load(&last_result), -ECANCELED);
    weft_app_free(f.app);
}

/* ---- what it is made of ---- */

Test(websocket, sha1_of_the_examples_of_rfc_3174)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"0123456701234567012345670123456701234567012345670123456701234567",
         "e0c094e867ef46c350ef54a7f59dd60bed92ae83"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t digest[SHA1_BYTES];
        char hex[2 * SHA1_BYTES + 1];
        sha1(rows[i].text, strlen(rows[i].text), digest);
        for (int k = 0; k < SHA1_BYTES; k++)
            snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        cr_expect_str_eq(hex, rows[i].hex);
    }
}

Test(websocket, utf8_is_told_by_every_split)
{
    static const struct {
        const char *text;
        bool is_valid;
    } rows[] = {
        {"plain text, longer than a word", true},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false},
        {"\xc0\xaf", false},
        {"\xe0\x80\xaf", false},
        {"\xed\xbf\xbf", false},
        {"\xf0\x80\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\x80", false},
        {"12345678\xff", false},
        {"\xe2\x82", false},
        {"\xe2(\xa1", false},
        {"\xee\x80\x80", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].text);
        for (size_t split = 0; split <= len; split++) {
            struct utf8 u = {0};
            bool is_valid = utf8_feed(&u, rows[i].text, split) &&
                            utf8_feed(&u, rows[i].text + split, len - split) && utf8_is_whole(&u);
            cr_expect_eq(is_valid, rows[i].is_valid, "%zu at %zu", i, split);
        }
    }
}
